"""Law: a source without length is trained on as its samples come, each once, and it ends when it runs dry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import epochal as ep
from epochal.errors import DataFailed
from epochal.report.run_page import plan_received
from epochal.runs.trace import audited, formed, seen

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(3000, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
HELD = (X[:100], Y[:100])
MODEL = ep.MLP(5, dropout=0.2)
OPTIONS: dict[str, Any] = {"batch_size": 16, "validation": HELD, "learning_rate": 0.01}


def samples(count: int) -> Iterator[tuple[Any, Any]]:
    yield from zip(X[:count], Y[:count], strict=True)


def batches(count: int, size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, count, size):
        yield {"x": X[start : min(start + size, count)], "y": Y[start : min(start + size, count)]}


def test_its_updates_are_those_of_the_same_samples_in_sequence() -> None:
    """1,620 samples in batches of 16: 101 updates and 4 samples more, whatever the source calls a batch."""
    count = 1620
    one = ep.fit(MODEL, samples(count), **OPTIONS)
    other = ep.fit(MODEL, batches(count, 100), **OPTIONS)
    known = ep.fit(
        MODEL,
        (X[:count], Y[:count]),
        order="sequential",
        epochs=1,
        evaluate_train=False,
        stream=True,
        standardize=False,
        **OPTIONS,
    )
    for run in (other, known):
        for a, b in zip(
            jax.tree.leaves(one.fitted[0].last), jax.tree.leaves(run.fitted[0].last), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    outcome = one.outcomes[0]
    assert outcome.stopped == (
        "the source ended after 1,620 samples: 102 updates, 1.02 epochs of 100 updates"
    )
    assert outcome.updates == 102
    plan = plan_received(one)
    assert (plan.samples, plan.updates) == (1620, 102) and "1,620" in str(plan)
    assert one.curves.samples.tolist() == [0, 1600, 1620]
    assert one.curves.update.tolist() == [0, 100, 102]
    assert "samples told what they are" in one.data["notes"][-1]

    assert (one.data["samples"], one.data["sizes"]["train"]) == (1620, 1620)

    dropped = ep.fit(MODEL, samples(count), remainder="drop", **OPTIONS)
    assert dropped.outcomes[0].stopped.startswith("the source ended after 1,616 samples: 101 updates")
    ended = ep.fit(MODEL, samples(3000), epochs=1, **OPTIONS)
    assert (ended.outcomes[0].updates, ended.outcomes[0].stopped) == (100, "all 1 epochs done")


def test_an_epoch_is_a_number_of_updates_and_trace_knows_each_sample(tmp_path: Path) -> None:
    run = ep.fit(MODEL, samples(1620), updates_per_epoch=40, epochs=9, **OPTIONS)
    assert run.outcomes[0].stopped.endswith("102 updates, 2.55 epochs of 40 updates")
    assert run.curves.epoch.tolist() == [0, 1, 2, 2.55]
    assert run.settings["updates_per_epoch"] == 40
    kept = ep.load(run.save(tmp_path / "run"))
    np.testing.assert_array_equal(kept.predict(X[:5]).values, run.predict(X[:5]).values)
    assert kept.report(tmp_path / "page.html").exists()
    assert formed(kept, 41).rows == tuple(range(41 * 16 + 1, 42 * 16 + 1))
    assert formed(kept, 101).rows == (1617, 1618, 1619, 1620)
    found = seen(kept, 1618, 2)
    assert [(turn.update, turn.epoch, turn.batch, turn.slot) for turn in found.uses] == [(101, 2, 21, 1)]
    assert found.sizes == (4,)
    assert not seen(kept, 1618, 1).uses
    with pytest.raises(ep.Refusal, match="row must be between 1 and 1620"):
        seen(kept, 1621, 2)
    with pytest.raises(ep.Refusal, match="an audit needs samples that come again"):
        audited(kept)


def test_a_source_too_short_for_a_batch_ends_in_a_sentence() -> None:
    with pytest.raises(DataFailed, match="ended before it had filled a batch of 16 samples"):
        ep.fit(MODEL, samples(10), remainder="drop", **OPTIONS)


def ragged(at: int) -> Iterator[tuple[Any, Any]]:
    for number, (x, y) in enumerate(samples(3000)):
        yield (x[:3] if number == at else x), y


def failing(at: int) -> Iterator[tuple[Any, Any]]:
    yield from samples(at)
    raise ConnectionError("the line is dead")


def strange(at: int) -> Iterator[tuple[Any, Any]]:
    yield from samples(at)
    yield X[0], 7


def test_what_goes_wrong_at_once_is_refused_and_later_ends_the_training() -> None:
    for make, said, later in (
        (
            ragged,
            r"the inputs of sample {} must have the shape \(4,\), as the first has; got \(3,\)",
            "2,001",
        ),
        (failing, "the iterator failed after sample {}: ConnectionError: the line is dead", "2,000"),
    ):
        with pytest.raises(ep.Refusal, match=said.format("6" if make is ragged else "5")):
            ep.fit(MODEL, make(5), **OPTIONS)
        run = ep.fit(MODEL, make(2000), **OPTIONS)
        with pytest.raises(DataFailed, match=said.format(later)):
            raise DataFailed(run.failed)
        assert run.outcomes[0].updates >= 64
        assert run.metrics["validation"]["accuracy"].mean > 0.5
    assert 'sample 2,001 has the class "7"' in ep.fit(MODEL, strange(2000), **OPTIONS).failed


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (samples(0), {}, "the iterator must give at least 2 samples; it ended after 0"),
        (samples(50), {"validation": 0.2}, r"validation must be data of its own, such as \(X, y\)"),
        (samples(50), {"repeats": 3}, "repeats must be 1 for a source that can be read once; got 3"),
        (samples(50), {"batch_size": "full"}, "batch_size must be a number for a source without length"),
        (samples(50), {"batch_size": 0}, "batch_size must be a whole number, at least 1"),
        (samples(50), {"epochs": 10**9}, "epochs must be between 1 and"),
        (samples(50), {"updates_per_epoch": 0}, "updates_per_epoch must be a whole number, at least 1"),
        (samples(50), {"split": "chronological"}, "split must be left out where nothing is held out"),
        (samples(50), {"remainder": "carry"}, "remainder must be keep or drop"),
        (samples(50), {"standardize": True}, "standardize needs a look at all samples"),
        (iter([X[0], X[1]]), {}, r"a sample must be \(inputs, target\)"),
    ],
)
def test_what_needs_a_length_is_refused(source: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ep.Refusal, match=said):
        ep.fit(MODEL, source, **(OPTIONS | options))
