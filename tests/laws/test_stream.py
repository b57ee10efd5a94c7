"""Law: streaming changes nothing. The parameters are those of the same training in memory, whatever the
remainder and the order, the same bits whatever the length of a chunk or a call; reading begins anywhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import epochal as ep
from epochal.data.files.npy import npy_header
from epochal.data.lazy import FileArray, MemoryArray
from epochal.data.standardize import Scaling, fit_scaling
from epochal.engine.prefetch import Prefetcher, Reader
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(211, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
MODEL = ep.MLP(6, dropout=0.2)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = tmp_path_factory.mktemp("mapped") / "x.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def same(first: Any, second: Any) -> None:
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def alike(first: Any, second: Any) -> None:
    """The same but for the last bits: two compiled programs may sum up in another order."""
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5, atol=1e-6)


def test_a_streamed_run_is_the_run_in_memory(mapped: np.ndarray) -> None:
    options: dict[str, Any] = {"batch_size": 32, "epochs": 4, "evaluate_train": True, "standardize": True}
    within = ep.fit(MODEL, (X, Y), stop=ep.Patience(2), **options)
    streamed = ep.fit(MODEL, (mapped, Y), stop=ep.Patience(2), stream=True, **options)
    assert not within.settings["stream"]
    assert streamed.settings["stream"]
    alike(within.fitted[0].best, streamed.fitted[0].best)
    for name in ("repeat", "epoch", "update", "samples"):
        np.testing.assert_array_equal(getattr(within.curves, name), getattr(streamed.curves, name))
    for name, column in within.curves.columns.items():
        np.testing.assert_allclose(column, streamed.curves.columns[name], atol=1e-5, err_msg=name)
    assert within.outcomes[0].stopped == streamed.outcomes[0].stopped
    for part, scores in within.metrics.items():
        for name, summary in scores.items():
            assert summary.mean == pytest.approx(streamed.metrics[part][name].mean, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"remainder": "spread", "order": "stratified", "class_weight": "balanced", "micro_batch": 5},
        {"remainder": "carry", "evaluate_every": "7 updates", "schedule": "cosine", "updates_per_epoch": 5},
        {"remainder": "drop", "order": "replacement", "batch_size": {0: 32, 1: 50}},
    ],
    ids=lambda options: options["remainder"],
)
def test_streamed_updates_are_those_in_memory(mapped: np.ndarray, options: dict[str, Any]) -> None:
    found = []
    for data, stream in (((X, Y), False), ((mapped, Y), True)):
        usual = {"batch_size": 32, "epochs": 3, "evaluate_train": False, "stream": stream}
        settings = Settings(**(usual | options))
        stack = make_stack(prepare(MODEL, data, settings), range(1))
        rows = []
        while not stack.done:
            rows += stack.advance()
        rows += stack.finish()
        stack.close()
        found.append((stack.train_state.repeat_states, rows))
    (within, first), (streamed, second) = found
    for name in ("params", "optimizer", "best_params", "best_value", "best_pass", "best_index", "status"):
        alike(getattr(within, name), getattr(streamed, name))
    assert [row.update for row in first] == [row.update for row in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)


def test_where_a_chunk_or_a_call_ends_changes_nothing(mapped: np.ndarray) -> None:
    settings = Settings(batch_size=16, epochs=3, stream=True, evaluate_every="5 updates")
    prepared = prepare(MODEL, (mapped, Y), settings)
    found = []
    for budget, chunk_bytes in ((1000, 1 << 20), (3, 2 * 16 * 5 * 4), (1, 1)):
        stack = make_stack(prepared, range(1), fixed_updates_per_call=budget)
        stack.close()
        stack = type(stack)(
            **{name: getattr(stack, name) for name in ("spec", "plan", "data", "eval_interval")},
            last_update=prepared.plan.updates,
            fixed_updates_per_call=budget,
            chunk_bytes=chunk_bytes,
        )
        rows = []
        while not stack.done:
            rows += stack.advance()
        rows += stack.finish()
        stack.close()
        found.append(
            (
                stack.train_state.repeat_states,
                np.stack([row.values for row in rows]),
                [row.update for row in rows],
            )
        )
    for repeats, values, updates in found[1:]:
        same(found[0][0].params, repeats.params)
        same(found[0][0].best_params, repeats.best_params)
        np.testing.assert_allclose(values, found[0][1], atol=1e-6)
        assert updates == found[0][2]


@pytest.mark.parametrize("remainder", ["keep", "drop", "spread", "carry"])
def test_a_prefetcher_from_an_update_gives_the_batches_of_the_plan_from_there(remainder: str) -> None:
    plan = ep.Plan(len(X), 32, 3, seed=5, remainder=remainder)
    scaling = Scaling(*(np.float32([value] * 5) for value in (0, 1, 2)))
    reader = Reader(MemoryArray(X), np.arange(len(X))[::-1].copy(), Y, np.ones(len(X), np.float32), scaling)
    with ThreadPoolExecutor(2) as executor:
        for first in (0, 1, 6, 7, plan.updates - 1):
            prefetcher = Prefetcher(plan, reader, executor, first, plan.updates, chunk_bytes=3 * 32 * 5 * 4)
            update = first
            for chunk in prefetcher.chunks:
                for place in range(chunk.segment.batches):
                    batch = plan.batch_of_update(update)
                    np.testing.assert_array_equal(
                        chunk.samples.part.inputs[place, 0], (X[::-1][batch] - 1) * 2
                    )
                    np.testing.assert_array_equal(chunk.samples.part.targets[place, 0], Y[batch])
                    update += 1
                prefetcher.recycle(chunk)
            assert update == plan.updates


def test_a_size_that_is_rare_at_last_is_read_together_before() -> None:
    plan = ep.Plan(len(X), ep.BatchSchedule({0: 8, 28: 16}, "updates"), 4)
    assert plan.phases[0].segments[0][1] == 8 and plan.phases[1].segments[0] == (1, 8)
    reader = Reader(MemoryArray(X), np.arange(len(X)), Y, None, None)
    with ThreadPoolExecutor(1) as executor:
        prefetcher = Prefetcher(plan, reader, executor, 0, plan.updates)
        assert prefetcher.room(8) == plan.phases[0].segments[0][0]


def test_rows_of_a_file_are_those_of_the_array(tmp_path: Path, mapped: np.ndarray) -> None:
    from epochal.data.lazy import lazy_array

    some = np.array([7, 8, 9, 3, 210, 3, 0])
    part = mapped[2:]
    rows = lazy_array(part)
    assert isinstance(rows, FileArray)
    np.testing.assert_array_equal(rows.take(some[:4]), X[2:][some[:4]])
    np.testing.assert_array_equal(rows[3:40], X[2:][3:40])
    np.testing.assert_array_equal(lazy_array(mapped[::2]).take(some[:4]), X[::2][some[:4]])
    for dtype in ("<f8", ">f4", "<i2"):
        np.save(tmp_path / "y.npy", (X * 9).astype(dtype))
        held = lazy_array(np.load(tmp_path / "y.npy", mmap_mode="r"))
        np.testing.assert_array_equal(held.take(some), (X * 9).astype(dtype)[some].astype(np.float32))
    for target in (0, 2, 4):
        table = FileArray(tmp_path / "y.npy", npy_header(tmp_path / "y.npy"), np.float32, without=target)
        wanted = (X * 9).astype("<i2")
        np.testing.assert_array_equal(table.take(some), np.delete(wanted, target, axis=1)[some])
        np.testing.assert_array_equal(table.column(), wanted[:, target])


def test_a_scaling_of_one_pass_is_that_of_two() -> None:
    train = np.arange(0, 200, 2)
    flags = np.array([True, False, True, True, True])
    for array in (X, X[:, :, None], np.where(np.arange(5) == 3, np.float32(1), X)):
        continuous = flags if array.ndim == 2 else np.ones(1, bool)
        one = fit_scaling(MemoryArray(array), continuous, train)
        two = fit_scaling(array, continuous, train)
        for name in ("center", "inverse_scale"):  # one pass fills with means, two with medians
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-6, err_msg=name)
    holes = np.where(RANDOM.random(X.shape) < 0.2, np.float32(np.nan), X)
    found = fit_scaling(MemoryArray(holes), np.ones(5, bool), train)
    scaled = found.apply(holes[train])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-6)
