"""Faults while a training is kept: a full disk, a checkpoint of another training, a request that is damaged.

What was kept before is intact, and going on from it is never having stopped.
"""

import errno
import gc
import json
import re
import shutil
import threading

import numpy as np
import pytest

import epochal as ep
from epochal.engine.repeat_stack import RepeatStack
from epochal.errors import SaveFailed
from epochal.runs import checkpoints, run_folder
from epochal.runs.checksummed_json import seal

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(40, 3)).astype(np.float32)
DATA = (X, (X.sum(axis=1) > 0).astype(np.int64))
OPTIONS = {"batch_size": 8, "epochs": 8, "validation": 0.25, "learning_rate": 0.02}
MODEL = ep.MLP(4)


@pytest.fixture(scope="module")
def whole():
    return ep.fit(MODEL, DATA, **OPTIONS)


def full_disk(monkeypatch, calls):
    """The file of the checkpoints number `calls` can't be written for want of space."""
    wrote, count = checkpoints.write_tensors, iter(range(10**6))

    def write(*arguments):
        if next(count) in calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return wrote(*arguments)

    monkeypatch.setattr(checkpoints, "write_tensors", write)


def same(run, whole):
    np.testing.assert_array_equal(
        run.fitted[0].last.params[0]["kernel"], whole.fitted[0].last.params[0]["kernel"]
    )
    np.testing.assert_array_equal(run.curves.columns["train.loss"], whole.curves.columns["train.loss"])


def test_a_full_disk_ends_the_training_with_what_was_kept(monkeypatch, tmp_path, whole):
    full_disk(monkeypatch, range(2, 10**6))
    with pytest.raises(SaveFailed, match=r"no space left on the disk.*ep\.resume") as caught:
        ep.fit(MODEL, DATA, out=ep.SaveOptions(tmp_path / "run", "3updates"), **OPTIONS)
    assert str(caught.value).isprintable()
    kept = sorted(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [3, 6]
    monkeypatch.undo()
    same(ep.resume(tmp_path / "run", data=DATA), whole)


def test_a_training_may_go_on_while_the_disk_is_full(monkeypatch, tmp_path, whole):
    full_disk(monkeypatch, {1, 2})
    out = ep.SaveOptions(tmp_path / "run", "3updates", on_checkpoint_error="continue")
    events = list(ep.train(MODEL, DATA, out=out, **OPTIONS))
    failed = [event for event in events if isinstance(event, ep.CheckpointFailed)]
    assert [event.updates for event in failed] == [6, 9]
    assert all("no space left on the disk" in event.reason for event in failed)
    assert events[-1].save_error == ""
    same(events[-1].run, whole)
    assert not list((tmp_path / "run" / "checkpoints").glob("tmp-*"))


@pytest.mark.parametrize("rhythm", ["1updates", "60s"])
def test_what_nobody_foresaw_while_saving_is_said_and_holds_up_no_stack(rhythm, monkeypatch, tmp_path, whole):
    """In a thread that can't hang for ever: a stack waits for the one that writes."""

    def without_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(checkpoints, "write_tensors", without_memory)
    out, events = ep.SaveOptions(tmp_path / "run", rhythm, on_checkpoint_error="continue"), []
    training = threading.Thread(
        target=lambda: events.extend(ep.train(MODEL, DATA, out=out, **OPTIONS)), daemon=True
    )
    training.start()
    training.join(60)
    assert not training.is_alive()
    assert any(isinstance(event, ep.CheckpointFailed) for event in events)
    assert re.search(
        r"checkpoint \d+ can't be made: MemoryError; there is no earlier checkpoint\.$", events[-1].save_error
    )
    same(events[-1].run, whole)


def test_a_disk_that_is_full_at_the_end_loses_nothing(monkeypatch, tmp_path, whole):
    full_disk(monkeypatch, {0})
    with pytest.raises(SaveFailed) as caught:
        ep.fit(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
    same(caught.value.run, whole)
    monkeypatch.undo()
    same(ep.resume(tmp_path / "run", data=DATA), whole)


def test_where_nothing_could_be_written_no_folder_is_named_to_go_on_with(monkeypatch, tmp_path, whole):
    def full(run, folder, report=False):
        raise SaveFailed("no space.")

    monkeypatch.setattr(run_folder, "publish", full)
    full_disk(monkeypatch, range(10**6))
    with pytest.raises(
        SaveFailed, match=r"no space left on the disk; there is no earlier checkpoint\.$"
    ) as caught:
        ep.fit(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
    same(caught.value.run, whole)
    assert not list(tmp_path.iterdir())


def test_events_that_nobody_asks_for_leave_no_folder(tmp_path):
    for count in (0, 1):
        events = ep.train(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
        for _ in range(count):
            next(events)
        assert (tmp_path / "run").is_dir()
        del events
        gc.collect()
        assert not list(tmp_path.iterdir())


def test_who_leaves_at_once_waits_for_no_stack(monkeypatch, tmp_path):
    """In a thread, which would wait with it."""
    advance, inside, held = RepeatStack.advance, threading.Event(), threading.Event()

    def hanging(stack, most=None):
        if stack.update:
            inside.set()
            held.wait(60)
        return advance(stack, most)

    monkeypatch.setattr(RepeatStack, "advance", hanging)
    events = [ep.train(MODEL, DATA, out=ep.SaveOptions(tmp_path / "run", "1updates"), **OPTIONS)]
    assert any(isinstance(event, ep.Checkpointed) for event in events[0])
    assert inside.wait(60)
    events[0].close_without_waiting()
    leaving = threading.Thread(target=events.clear, daemon=True)
    leaving.start()
    leaving.join(10)
    hung = leaving.is_alive()
    held.set()
    assert not hung
    assert (tmp_path / "run" / "checkpoints" / "1").is_dir()


def test_the_last_checkpoint_is_kept_before_the_results_are_put_in_place(monkeypatch, tmp_path):
    seen = []

    def publish(run, folder, report=False):
        seen.extend(int(path.name) for path in (folder / "checkpoints").iterdir())
        raise SaveFailed("no results.")

    monkeypatch.setattr(run_folder, "publish", publish)
    with pytest.raises(SaveFailed, match="no results"):
        ep.fit(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
    assert seen == [ep.Plan(30, 8, 8).updates]


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    for name, changes in (("one", {}), ("other", {"learning_rate": 0.03})):
        ep.fit(MODEL, DATA, out=tmp_path / name, **OPTIONS | changes)
    shutil.rmtree(tmp_path / "one" / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "one" / "checkpoints")
    (tmp_path / "one" / "run.json").unlink()
    with pytest.raises(ep.Refusal, match=r"can't go on: learning_rate: 0\.03 then, 0\.02 now"):
        ep.resume(tmp_path / "one", data=DATA)


@pytest.mark.parametrize(
    "changed",
    [
        {"data": (X[:-1], DATA[1][:-1])},
        {"data": (X + np.eye(40, 3, dtype=np.float32) * 1e-6, DATA[1])},
        {"model": ep.MLP(5)},
    ],
    ids=["another n", "one cell", "another model"],
)
def test_another_training_is_refused_with_what_differs(changed, tmp_path, whole):
    ep.fit(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(ep.Refusal, match="can't go on"):
        ep.resume(tmp_path / "run", **{"data": DATA} | changed)
    same(ep.resume(tmp_path / "run", data=DATA), whole)  # and nothing was spoiled, nor is it locked


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("saving", {"path": "/elsewhere"}),
        ("saving", {"checkpoint_every": "0s"}),
        ("saving", []),
        ("settings", {"epochs": "many"}),
        ("format", 99),
    ],
)
def test_a_request_of_a_stranger_is_refused_in_a_sentence(field, value, tmp_path):
    ep.fit(MODEL, DATA, out=tmp_path / "run", **OPTIONS)
    (tmp_path / "run" / "run.json").unlink()
    file = tmp_path / "run" / "request.json"
    document = json.loads(file.read_text())
    del document["sha256"]
    document[field] = value
    file.write_text(seal(document))
    with pytest.raises(ep.Refusal) as caught:
        ep.resume(tmp_path / "run", data=DATA)
    assert str(caught.value).isprintable()
