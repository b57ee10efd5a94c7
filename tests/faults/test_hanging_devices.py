"""Injected fault: a device call that never comes back. A second Ctrl-C ends the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
TIMEOUT = 60.0
"""Seconds after which a process is taken for hung."""


def interrupted(command, folder, signals=2, sleep_at=1):
    """Run it until a device sleeps, send that many Ctrl-C, and return status, output and errors."""
    paths = os.pathsep.join([str(HERE), *(path for path in sys.path if path)])
    surroundings = {**os.environ, "PYTHONPATH": paths, "SLEEP_AT": str(sleep_at)}
    command = [sys.executable, *command]
    with subprocess.Popen(command, cwd=folder, env=surroundings, stdout=-1, stderr=-1, text=True) as running:
        try:
            until = time.monotonic() + 2 * TIMEOUT
            while not (folder / "asleep").exists():
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < until
                time.sleep(0.05)
            for sent in range(signals):
                time.sleep(0.5)
                assert running.poll() is None, f"ended after {sent} signals"
                running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=TIMEOUT)
        finally:
            running.kill()
    return running.returncode, out, err


def test_a_second_interrupt_leaves_a_script_without_a_trace(tmp_path):
    """It can be caught. Python ends by the signal itself, which shells call 130; an empty folder goes."""
    status, out, err = interrupted([str(HERE / "sleepy.py"), "fit", "run"], tmp_path)
    assert (status, out) == (-signal.SIGINT, "caught\n"), err
    assert err.rstrip(": \n").endswith("KeyboardInterrupt")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["asleep"]


def test_a_second_interrupt_leaves_a_loop_over_events(tmp_path):
    status, _, err = interrupted([str(HERE / "sleepy.py"), "train"], tmp_path)
    assert status == -signal.SIGINT, err


def test_an_interrupt_leaves_a_prediction(tmp_path):
    """The main thread waits for the device, and hears all the same."""
    command = [str(HERE / "sleepy.py"), "predict"]
    status, _, err = interrupted(command, tmp_path, signals=1, sleep_at=1_000_000)
    assert status == -signal.SIGINT, err


TRAIN = ("-m", "epochal", "train", "example:iris", "--model", "sleepy:model", "--epochs", "9_000")


def test_a_second_interrupt_leaves_the_command_line_and_what_was_kept(tmp_path):
    """The first one ends the training, as something was learned; the device does not come back."""
    command = [*TRAIN, "--out", "run", "--checkpoint-every", "1update"]
    status, _, err = interrupted(command, tmp_path, sleep_at=200)
    assert (status, err) == (130, "epochal: interrupted.\n")
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def test_an_interrupt_leaves_a_comparison(tmp_path):
    command = [
        *TRAIN[:2],
        "compare",
        *TRAIN[3:6],
        "--batch-size",
        "16,32",
        "--epochs",
        "3",
        "--out",
        "compared",
    ]
    status, _, err = interrupted(command, tmp_path, signals=1, sleep_at=10)
    assert status == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
