"""Contract of processes that train together: they learn what one alone would; who dies or stops ends all.

Real processes on the loopback of one machine, each with the collective operations of Gloo.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import EPOCHAL

import epochal as ep
import several_hosts
from epochal.training.resume import resuming
from epochal.training.train import run_to_end

pytestmark = pytest.mark.slow

TIMEOUT = 120.0
"""Seconds after which a process is taken for hung."""

FAST = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Programs that are compiled soon rather than well."""


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    flags = " ".join((os.environ.get("XLA_FLAGS", ""), FAST))
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}


class Processes:
    """Several of a command line, side by side; none is left when the context is."""

    def __init__(self, count: int, *arguments: object, cwd: Path) -> None:
        command = [*EPOCHAL, *map(str, arguments), "--coordinator", free_address(), "--processes", str(count)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.all = [
            subprocess.Popen([*command, "--process-id", str(index)], cwd=cwd, env=environment(), **pipes)
            for index in range(count)
        ]

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        for one in self.all:
            one.kill()
            one.communicate()

    def ends(self, seconds: float = TIMEOUT) -> list[tuple[int, str, str]]:
        """Status, standard output and standard error of each; all must end within so many seconds."""
        end, found = time.monotonic() + seconds, []
        for one in self.all:
            out, err = one.communicate(timeout=max(0.1, end - time.monotonic()))
            found.append((one.returncode, out, err))
        return found


def wait_for_checkpoint(run: Path, beyond: int = 0) -> None:
    """Until there is one of more updates."""
    end = time.monotonic() + TIMEOUT
    while not any(path.name.isdigit() and int(path.name) > beyond for path in run.glob("checkpoints/*")):
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What process 0 of two has learned, until the other one died."""
    address = free_address()
    command = [sys.executable, several_hosts.__file__, address]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen([*command, str(index), "2"], env=environment(), **pipes) for index in range(2)
    ]
    try:
        ended = [one.communicate(timeout=TIMEOUT) for one in running]
    finally:
        for one in running:
            one.kill()
    assert [one.returncode for one in running] == [1, -signal.SIGKILL], [err for _, err in ended]
    learned: dict[str, Any] = json.loads(ended[0][0].splitlines()[-1])
    return learned


@pytest.mark.parametrize("name", several_hosts.TRAININGS)
def test_two_processes_learn_what_one_does_from_the_very_same_batches(found, name):
    together, alone = found[name], several_hosts.learned(name)
    assert together["batches"] == alone["batches"]
    assert together["updates"] == alone["updates"]
    assert together["stopped"] == alone["stopped"]
    assert np.abs(np.subtract(together["parameters"], alone["parameters"])).max() < 1e-5
    for column, values in alone["curves"].items():
        assert np.allclose(together["curves"][column], values, rtol=0, atol=1e-5, equal_nan=True), column


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with data, and with the model that takes down its batches."""
    np.savez(tmp_path / "table.npz", X=several_hosts.X, y=several_hosts.Y)
    (tmp_path / "own.py").write_text(
        "from several_hosts import Ledger\n\ndef build(shape, outputs):\n    return Ledger()\n"
    )
    return tmp_path


def test_processes_that_are_given_different_things_are_refused(found):
    assert found["refused"] == (
        "all processes must be given the same data and options; they differ: batch_size: 8 in process 0, "
        "9 in process 1."
    )


def test_a_signal_to_terminate_ends_a_process_that_has_joined(found):
    assert found["handles_termination"] is False


def test_a_death_is_an_exception_in_python(found):
    assert re.fullmatch(
        r"process 1 of 2 \(host .*, pid \d+\) is gone: it was killed or has crashed\.", found["lost"]
    )


OPTIONS = ("--model", "own:build", "--batch-size", 10, "--optimizer", "momentum", "--learning-rate", 0.001)
LONG = ("--epochs", 1_000_000, "--evaluate-every", 100_000, "--no-report", "--checkpoint-every", "10updates")


def ended_at_once(folder: Path) -> ep.Run:
    """What the newest checkpoint holds, as a run that was stopped there."""
    stop_signal = ep.StopSignal()
    stop_signal.stop()
    events = resuming(folder, model="own:build", stop_signal=stop_signal)
    assert not isinstance(events, ep.Run)
    return run_to_end(events, stop_signal)


def test_a_run_moves_from_four_processes_to_one_and_on_to_two(table, monkeypatch):
    """A signal to one of four stops all; one goes on; then two, of which the one that writes is killed."""
    monkeypatch.chdir(table)
    monkeypatch.syspath_prepend(str(table))
    run = table / "run"
    with Processes(4, "train", "table.npz", *OPTIONS, *LONG, "--out", "run", cwd=table) as four:
        wait_for_checkpoint(run)
        four.all[2].send_signal(signal.SIGTERM)
        ended = four.ends()
    assert [status for status, _, _ in ended] == [143] * 4, [err for _, _, err in ended]
    assert "to go on: epochal resume run" in ended[0][2]
    assert "4 devices of 4 processes share each batch" in ended[0][1]
    assert [out + err for _, out, err in ended[1:]] == [""] * 3

    stop_signal, seen = ep.StopSignal(), 0
    events = resuming(run, model="own:build", stop_signal=stop_signal)
    for event in events:
        if isinstance(event, ep.Progressed):
            seen, before = seen + 1, event.updates
            stop_signal.stop() if seen == 3 else None

    with Processes(2, "resume", "run", "--model", "own:build", cwd=table) as two:
        wait_for_checkpoint(run, beyond=before)
        two.all[0].kill()
        begin = time.monotonic()
        ended = two.ends()
    assert time.monotonic() - begin < 15
    assert [status for status, _, _ in ended] == [-signal.SIGKILL, 1]
    assert ended[1][2].startswith("epochal: process 0 of 2 (host ")
    assert "is gone: it was killed or has crashed. `epochal resume run` goes on from its last" in ended[1][2]
    assert ended[1][2].count("\n") == 1

    moved = ended_at_once(run)
    updates = moved.outcomes[0].updates
    assert updates > before
    data = ep.load_data("table.npz")
    unmoved = ep.fit(
        several_hosts.Ledger(),
        data,
        batch_size=10,
        optimizer="momentum",
        learning_rate=0.001,
        standardize=True,
        epochs=1_000_000,
        evaluate_every=100_000,
        stop=ep.Budget(updates=updates),
    )
    there, here = moved.fitted[0].last, unmoved.fitted[0].last
    assert int(there.state["seen"]) == int(here.state["seen"])
    assert np.abs(there.params["kernel"] - here.params["kernel"]).max() < 1e-5


@pytest.mark.skipif(sys.platform != "linux", reason="children of a process are read from /proc")
def test_where_a_container_ends_with_its_watcher_the_sentence_comes_last(table, monkeypatch):
    """JAX aborts the others from C++ where its service is gone, but not before they have said why."""
    monkeypatch.chdir(table)
    with Processes(2, "train", "table.npz", *OPTIONS, *LONG, "--out", "run", cwd=table) as two:
        wait_for_checkpoint(table / "run")
        first = two.all[0].pid
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        two.all[0].kill()
        begin = time.monotonic()
        ended = two.ends()
    assert time.monotonic() - begin < 15
    assert [status for status, _, _ in ended] == [-signal.SIGKILL, 1]
    last = ended[1][2].splitlines()[-1]
    assert last.startswith("epochal: process 0 of 2 (at 127.0.0.1:")
    assert "its coordination service does not answer. `epochal resume run` goes on from its last" in last
