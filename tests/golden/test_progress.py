"""Golden: what `fit`, `resume`, `compare` and `advise` show in Python: live in a terminal, nothing in a pipe,
and the notes about the data in the words of Python."""

import contextlib
import functools
import io
import re

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.choose.trials.progress import ProgressStep, ProgressSteps
from epochal.training.events import CheckpointFailed, Evaluated, RepeatEnded
from epochal.training.progress import EventPrinter, display
from epochal.training.progress.status import Status

RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {"id": np.arange(1, 61), "a": RANDOM.normal(size=60), "when": pd.date_range("2026-01-01", periods=60)}
).assign(t=lambda frame: np.where(frame.a > 0, "yes", "no"))
QUICK = {"epochs": 3, "batch_size": 8}


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    encoding = "utf-8"

    def isatty(self):
        return True

    @property
    def lines(self):
        return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", self.getvalue()).replace("\r", "\n").splitlines()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def on_a_terminal(test):
    """Run a test with stderr a terminal; pytest sets its own between the fixtures and the test."""

    @functools.wraps(test)
    def wrapped(*args, terminal, **kwargs):
        with contextlib.redirect_stderr(terminal):
            test(*args, terminal=terminal, **kwargs)

    return wrapped


@on_a_terminal
def test_fit_shows_the_data_its_notes_and_how_far_it_is(terminal, capsys):
    run = ep.fit(ep.MLP(4), FRAME, "t", repeats=2, **QUICK)
    lines = terminal.lines
    assert "Data" in lines and "Training" in lines
    text = "\n".join(lines)
    assert 'keep=["id"]' in text and "--" not in text.replace("--force", "")
    assert any(line.strip().startswith("epoch 3 of 3 · training loss") for line in lines[-2:])
    assert any("compiling" in line for line in lines)
    assert capsys.readouterr().out == "", "stdout is left to the program"
    assert any('keep=["id"]' in note for note in run.notes)


@on_a_terminal
def test_one_argument_silences_it_and_the_notes_are_kept(terminal):
    run = ep.fit(ep.MLP(4), FRAME, "t", progress=False, **QUICK)
    assert terminal.getvalue() == ""
    assert any('"id"' in note for note in run.notes)


def test_nothing_is_shown_where_nobody_looks(capfd):
    ep.fit(ep.MLP(4), FRAME, "t", **QUICK)
    assert capfd.readouterr() == ("", "")


def test_progress_can_be_asked_for_in_a_pipe(capfd):
    ep.fit(ep.MLP(4), FRAME, "t", progress=True, **QUICK)
    out, err = capfd.readouterr()
    assert out == "" and "\x1b" not in err
    assert err.splitlines()[0] == "Data" and "epoch 3 of 3" in err.splitlines()[-1]


@pytest.mark.parametrize("wrong", ["yes", 1, 0.5])
def test_progress_is_true_false_or_none(wrong):
    with pytest.raises(ep.Refusal, match="progress must be True, False or None"):
        ep.fit(ep.MLP(4), FRAME, "t", progress=wrong, **QUICK)


@on_a_terminal
def test_what_is_shown_changes_nothing(terminal):
    shown = ep.fit(ep.MLP(4), FRAME, "t", **QUICK)
    silent = ep.fit(ep.MLP(4), FRAME, "t", progress=False, **QUICK)
    assert shown.curves.columns["train.loss"].tobytes() == silent.curves.columns["train.loss"].tobytes()


@on_a_terminal
def test_resume_shows_where_it_goes_on(terminal, tmp_path):
    ep.fit(ep.MLP(4), "example:iris", out=tmp_path / "run", progress=False, **QUICK)
    assert terminal.getvalue() == ""
    ep.resume(tmp_path / "run", epochs=5)
    assert any("resumed after 45 updates" in line for line in terminal.lines)
    assert "epoch 5 of 5" in terminal.lines[-1]


@on_a_terminal
def test_the_first_interrupt_ends_the_training_and_says_so(terminal, monkeypatch):
    taken = EventPrinter.take

    def interrupted(self, event):
        taken(self, event)
        if type(event).__name__ == "Progressed" and not self._status.stop_signal.stopped:
            raise KeyboardInterrupt

    monkeypatch.setattr(EventPrinter, "take", interrupted)
    run = ep.fit(ep.MLP(4), FRAME, "t", batch_size=1, epochs=20_000)
    assert run.interrupted
    assert any(line.strip().startswith("epoch") for line in terminal.lines[-2:])


@on_a_terminal
def test_a_failure_closes_the_live_line(terminal, monkeypatch):
    def broken(self, event):
        raise RuntimeError("broken")

    monkeypatch.setattr(EventPrinter, "take", broken)
    with pytest.raises(RuntimeError, match="broken"):
        ep.fit(ep.MLP(4), FRAME, "t", **QUICK)
    assert not [line for line in terminal.lines if "epoch" in line]


@on_a_terminal
def test_what_could_not_be_saved_stays_on_the_screen(terminal):
    class StopSignal:
        stopped = False

    watcher = EventPrinter(display(True), StopSignal())
    watcher.take(CheckpointFailed(3, "there is no space left on the disk"))
    assert terminal.lines == [
        "  not saved: there is no space left on the disk; the training goes on and tries again"
    ]


@on_a_terminal
def test_compare_shows_its_steps_unless_something_else_watches(terminal):
    asked = {"batch_size": [8, 16], "learning_rate": 0.01, "epochs": 2, "repeats": 2}
    ep.compare(ep.MLP(4), FRAME, "t", **asked)
    text = "\n".join(terminal.lines)
    assert text.startswith("Data") and 'keep=["id"]' in text and "comparing, repeats" in text
    before = len(terminal.getvalue())
    seen = []
    ep.compare(ep.MLP(4), FRAME, "t", watch=seen.append, **asked)
    ep.compare(ep.MLP(4), FRAME, "t", progress=False, **asked)
    assert len(terminal.getvalue()) == before and seen


@on_a_terminal
def test_steps_hand_on_to_who_watches(terminal):
    seen = []
    steps = ProgressSteps(seen.append, True, None)
    words = "batch 8 is behind; `repeats=5` gives it more."
    steps.on_progress("tuning", 1, 4, words)
    steps.close()
    assert seen == [ProgressStep("tuning", 1, 4, seen[0].seconds, words)]
    assert "  batch 8 is behind; repeats=5 gives it more." in terminal.lines
    before = len(terminal.lines)
    ProgressSteps(None, False, None).on_progress("tuning", 1, 4, words)
    assert len(terminal.lines) == before


def test_the_history_is_a_frame_counted_as_a_person_reads():
    run = ep.fit(ep.MLP(4), FRAME, "t", repeats=2, **QUICK)
    history = run.history
    assert list(history.columns[:5]) == ["repeat", "epoch", "update", "samples", "seconds"]
    assert sorted(set(history.repeat)) == [1, 2] and list(history.epoch.unique()) == [0, 1, 2, 3]
    first = history[(history.repeat == 1) & (history.epoch == 0)]
    assert list(first["update"]) == [0]
    assert np.array_equal(history["validation.loss"], run.curves.columns["validation.loss"])


def test_without_pandas_the_history_is_an_arrow_table(monkeypatch):
    import pyarrow as pa

    run = ep.fit(ep.MLP(4), FRAME, "t", **QUICK)

    def absent(self, *args, **kwargs):
        raise ModuleNotFoundError("No module named 'pandas'")

    class Table:
        def __init__(self, table):
            self.table = table

        to_pandas = absent

    monkeypatch.setattr(ep.Curves, "to_arrow", lambda self: Table(pa.table({"repeat": self.repeat})))
    assert run.history.table.column("repeat").to_pylist()[0] == 1


@pytest.mark.parametrize("name", ["drop", "keep", "header"])
def test_an_argument_of_load_data_is_named_as_one(name):
    with pytest.raises(ep.Refusal, match=rf'option "{name}" is one of load_data.*{name}=\.\.\.'):
        ep.fit(ep.MLP(4), FRAME, "t", **{name: "id"})


def test_epoch_and_losses_are_of_the_same_repeats():
    """Those that still run: one that is over does not lend its loss to the epoch of others."""

    def evaluated(repeat, epoch, loss):
        return Evaluated(repeat, epoch, 10 * epoch, 80 * epoch, 0.1, {"train.loss": loss})

    status = Status()
    status._repeats, status._epochs = 10, 100
    status.take(evaluated(0, 5, 0.4))
    assert status.line(long=True).startswith("epoch 5 of 100 · training loss 0.4")
    status.take(evaluated(1, 7, 0.2))
    assert status.line(long=True).startswith("epoch 6 of 100 · training loss 0.3")
    status.take(RepeatEnded(1, 7.0, ""))
    assert status.line(long=True).startswith("epoch 5 of 100 · training loss 0.4")
    status.take(RepeatEnded(0, 5.0, ""))
    assert status.last_line().startswith("epoch 6 of 100 · training loss 0.3")


@pytest.mark.parametrize("held", [{"validation": 0.25}, {"test": 0.25}, {"validation": "own"}])
@on_a_terminal
def test_repeats_split_anew_only_where_nothing_is_held_out_for_all(terminal, held):
    x, y = np.arange(40.0)[:, None], np.arange(40) % 2
    own = held == {"validation": "own"}
    parts = {"validation": (x, y)} if own else held
    ep.fit(ep.MLP(2), x, y, epochs=1, repeats=2, batch_size=8, **parts)
    assert ("splits" in " ".join(terminal.lines)) is not own
