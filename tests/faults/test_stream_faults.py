"""Fault: samples that can't be read, before or while training, are one sentence; what was learned is kept."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import epochal as ep
from epochal.data.streams.items import dataset_of_items
from epochal.errors import DataFailed

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(120, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
MODEL = ep.MLP(4)
OPTIONS: dict[str, Any] = {"batch_size": 8, "epochs": 1000, "validation": (X[:30], Y[:30])}


class Items:
    """Samples by number; `touched` is a file whose existence makes sample `bad` do what `fault` says."""

    def __init__(self, touched: Path, fault: str, bad: int = 5) -> None:
        self.touched, self.fault, self.bad = touched, fault, bad
        self.targets = Y

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        if number == self.bad and self.touched.exists():
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "hang":
                time.sleep(1000)
            if self.fault == "exit":
                raise SystemExit("no more")
            if self.fault == "raise":
                raise OSError("the disk is gone")
            return X[number][:2], int(Y[number])
        return X[number], int(Y[number])


def begun(events: Any) -> None:
    """Go on until updates have been made."""
    for event in events:
        if isinstance(event, ep.Progressed) and event.updates > 20:
            return


@pytest.mark.parametrize(
    ("fault", "workers", "said"),
    [
        ("raise", 0, r"sample 6 \(items\[5\]\) could not be read: OSError: the disk is gone"),
        ("exit", 0, r"sample 6 \(items\[5\]\) could not be read: SystemExit: no more"),
        ("kill", 1, "a worker process that reads the data has died"),
        ("ragged", 0, r"sample 6 .* must have the shape \(3,\), as those of sample 1 have; got \(2,\)"),
    ],
)
def test_a_source_that_fails_ends_the_training_and_keeps_what_was_learned(
    tmp_path: Path, fault: str, workers: int, said: str
) -> None:
    touched = tmp_path / "now"
    events = ep.train(MODEL, Items(touched, fault), workers=workers, seed=2, **OPTIONS)
    begun(events)
    touched.touch()
    start = time.monotonic()
    run = next(event for event in events if isinstance(event, ep.RunEnded)).run
    assert time.monotonic() - start < 60
    assert run.failed
    assert 20 < run.outcomes[0].updates < 1000 * 12
    with pytest.raises(DataFailed, match=said):
        raise DataFailed(run.outcomes[0].stopped)
    assert 0 <= run.metrics["validation"]["accuracy"].mean <= 1


def test_a_worker_that_hangs_does_not_keep_a_training_from_being_closed(tmp_path: Path) -> None:
    """Which is what a second interrupt of the keyboard does."""
    touched = tmp_path / "now"
    events: Any = ep.train(MODEL, Items(touched, "hang"), workers=1, seed=2, **OPTIONS)
    begun(events)
    touched.touch()
    time.sleep(0.5)
    closing = threading.Thread(target=events.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()


def test_a_source_that_fails_before_the_first_update_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    touched = tmp_path / "now"
    dataset = dataset_of_items(Items(touched, "raise"), {"workers": 0})
    touched.touch()
    with pytest.raises(DataFailed, match=r"^sample 6 .*the disk is gone"):
        ep.fit(MODEL, dataset, **(OPTIONS | {"batch_size": "full"}))


def test_a_source_that_cannot_work_is_refused() -> None:
    class Pairs(list[Any]):
        pass

    for items, said in (
        (Pairs([(X[0], 1)]), "Pairs must have at least 2 samples; got 1"),
        (Pairs([X[0], X[1], X[2], X[3]]), r"a sample must be \(inputs, target\) or a mapping"),
        (Pairs([{"a": X[0], "b": 1, "c": 2}] * 4), "a sample must have its inputs as"),
        (Pairs([(np.float32(1), 1)] * 4), "at least one dimension"),
        (Pairs([("text", 1)] * 4), "an array of numbers"),
        (Pairs([(X[0], 1), (X[1], 0), (X[2][:2], 1), (X[3], 0)]), r"sample 3 .*shape \(3,\).*got \(2,\)"),
        (
            Pairs([(X[0], 1), (X[1], [0]), (X[2], 1), (X[3], 0)]),
            r"the target of sample 2 must have the shape",
        ),
    ):
        with pytest.raises(ep.Refusal, match=said):
            dataset_of_items(items, {"workers": 0})


def test_what_cannot_be_sent_to_workers_is_read_here_and_said() -> None:
    items = [(x, y) for x, y in zip(X, Y, strict=True)]
    held = type("Held", (list,), {"lock": threading.Lock()})(items)
    held.lock = threading.Lock()
    dataset = dataset_of_items(held, {"workers": 2})
    assert any("can't be sent to worker processes" in note for note in dataset.raw_notes)
    assert dataset.inputs[:3].tolist() == X[:3].tolist()


def test_a_file_that_changes_or_shrinks_while_training_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for damage, said in ((os.utime, "x.npy has changed since the training began"), (_halve, "x.npy has")):
        np.save(path, X)
        events = ep.train(MODEL, (np.load(path, mmap_mode="r"), Y), stream=True, **OPTIONS)
        begun(events)
        damage(path)
        run = next(event for event in events if isinstance(event, ep.RunEnded)).run
        assert said in run.failed
        assert run.outcomes[0].updates > 20


def _halve(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(300)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(128 + 10 * 12)
    with pytest.raises(ep.Refusal, match=r"x\.npy must hold 120 rows as its header says; it ends in row 11"):
        ep.fit(MODEL, str(tmp_path / "x.npy"), stream=True)
    with pytest.raises(ep.Refusal, match="need the data in memory; got the array, which is streamed"):
        ep.compare(MODEL, (X, Y), batch_size=[8, 16], repeats=2, epochs=1, stream=True)
    for name, value in (("stream", "yes"), ("workers", -1), ("workers", 1.5)):
        with pytest.raises(ep.Refusal, match=name):
            ep.fit(MODEL, (X, Y), **{name: value})
