"""Contract of the command line as a real process: streams, signals, exit status, and what is left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import EPOCHAL, process, start

from epochal.cli import interrupts
from epochal.training.loop import StopSignal

ENDLESS = ("train", "example:iris", "--hidden", "4", "--epochs", "9_000_000", "--evaluate-every", "5000")
TIMEOUT = 60.0
"""Seconds after which a process is taken for hung."""


def wait_for(running, word):
    """The lines of standard output up to the first one with `word`."""
    seen = []
    for line in running.stdout:
        seen.append(line)
        if word in line:
            return seen
    raise AssertionError("".join(seen) + running.stderr.read())


def left(folder):
    """The names in a folder, hidden ones, too."""
    return sorted(one.name for one in folder.iterdir())


def test_plan_needs_no_jax_and_little_time(tmp_path):
    code = (
        "import sys, time; from epochal.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'jax', 'pyarrow', 'sklearn', 'optax', 'rich'} & sys.modules.keys(); "
        "assert not heavy, heavy; print(time.process_time(), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "plan", "200", "--batch-size", "5", "--epochs", "1000", "--json"]
    seconds = []
    for _ in range(3):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["updates"] == 40000
        seconds.append(float(done.stderr))
    assert min(seconds) < 0.5


def test_train_prints_one_json_document(tmp_path):
    options = ("--hidden", "4", "--epochs", "3", "--out", "run", "--json")
    result = process("train", "example:iris", *options, cwd=tmp_path)
    assert result.status == 0, result.err
    assert result.json["verdict"]
    assert "Traceback" not in result.err
    assert left(tmp_path) == ["run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_what_it_has(number, tmp_path):
    with start(*ENDLESS, "--repeats", "3", "--seed", "5", "--out", "run", cwd=tmp_path) as running:
        seen = wait_for(running, "epoch ")
        begin = time.monotonic()
        wait_for(running, "updates/s")
        seconds = time.monotonic() - begin
        running.send_signal(number)
        out, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 128 + number, err
    assert err == "epochal: to go on: epochal resume run\n"
    assert seen[0] == "Data\n"
    lines = [line for line in out.splitlines() if line.strip().startswith("epoch ") and "updates/s" in line]
    assert len(lines) < 3 + seconds, "a line now and then, not one an epoch"
    assert "Verdict" in out
    assert "\n  interrupted\n" in out
    assert left(tmp_path) == ["run"]
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["interrupted"] is True
    outcomes = document["outcomes"]
    assert all(one["updates"] > 0 for one in outcomes)
    assert [one["repeat"] for one in outcomes] == list(range(len(outcomes)))
    assert {one["seed"] for one in outcomes} <= {5, 6, 7}
    assert (f"{3 - len(outcomes)} of 3 repeats had not begun" in out) == (len(outcomes) < 3)
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_second_signal_leaves_at_once(tmp_path):
    with start(*ENDLESS, "--out", "run", cwd=tmp_path) as running:
        wait_for(running, "epoch ")
        running.send_signal(signal.SIGINT)
        time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 130
    assert "Traceback" not in err
    if "Run     run" in out:  # it was done before the second one came
        assert left(tmp_path) == ["run"]
    else:
        assert err in ("epochal: interrupted.\n", f"epochal: {interrupts.NOTHING_KEPT}\n")
        assert left(tmp_path) == []


def test_a_signal_while_another_one_unwinds_ends_the_process_where_it_stands(monkeypatch):
    left = []
    monkeypatch.setattr(interrupts, "end_process", lambda status, words: left.append(status))

    def signals():
        with interrupts.stopping(StopSignal(), lambda: False):
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        signals()
    assert left == [143]


def test_a_signal_during_compilation_leaves_nothing(tmp_path):
    options = ("--hidden", "61,37,19", "--out", "run")
    with start("train", "example:digits", *options, cwd=tmp_path) as running:
        wait_for(running, "1 repeat, seed 0")
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 143
    assert err == f"epochal: {interrupts.NOTHING_KEPT}\n"
    assert left(tmp_path) == []


@pytest.mark.parametrize("seconds", [0.25, 0.6])
def test_a_signal_during_imports_is_one_sentence(seconds, tmp_path):
    code = "import sys; from epochal.cli.main import run; print('ready', flush=True); run()"
    command = [sys.executable, "-c", code, "train", "example:iris", "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True) as running:
        wait_for(running, "ready")
        time.sleep(seconds)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=TIMEOUT)
    assert (running.returncode, err) == (130, f"epochal: {interrupts.NOTHING_KEPT}\n")
    assert left(tmp_path) == []


def piped(arguments, reader, cwd):
    """Standard error and the status of `epochal arguments | reader`."""
    with start(*arguments, cwd=cwd) as running:
        subprocess.run(reader, stdin=running.stdout, stdout=subprocess.DEVNULL, check=True)
        running.stdout.close()
        err = running.stderr.read()
    return running.returncode, err


def test_a_reader_that_leaves_is_no_error(trained, tmp_path):
    head = ["head", "-c", "1"]
    run, table = trained
    long = tmp_path / "long.csv"
    lines = table.read_text().splitlines()
    long.write_text("\n".join([lines[0], *(lines[1:] * 200)]) + "\n")
    assert piped(["predict", run, long, "--quiet"], head, tmp_path) == (0, "")
    assert piped(["plan", "1000", "-b", "7"], ["true"], tmp_path) == (0, "")
    assert piped(["train", *ENDLESS[1:5], "1", "--out", "run"], head, tmp_path) == (0, "")
    assert left(tmp_path) == ["long.csv", "run"]


def test_standard_output_that_is_full_is_one_sentence(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*EPOCHAL, "plan", "9", "-b", "2"], stdout=full, stderr=-1, text=True)
    assert done.returncode == 1
    assert done.stderr == "epochal: No space left on device.\n"
