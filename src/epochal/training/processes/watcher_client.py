"""The rank of a training process, and its connection to its watcher."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from epochal.common.text import one_line
from epochal.common.waiting import end_process
from epochal.errors import ProcessLost, Refusal
from epochal.training.processes import watcher

PORT_SECONDS = 10.0
"""How long to wait for the port of a training that has just ended."""

GRACE_SECONDS = 5.0
"""How long a training may take to end after a death, since a collective operation may wait forever."""


@dataclass(frozen=True)
class ProcessInfo:
    """The rank of a process, and how to reach the group."""

    coordinator: str
    """HOST:PORT of process 0."""
    index: int
    count: int
    local_devices: tuple[int, ...] | None = None
    """Indices of the devices it uses; None for all."""

    @property
    def host(self) -> str:
        """The host of process 0."""
        return self.coordinator.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of the coordinator."""
        return int(self.coordinator.rpartition(":")[2])


class WatcherClient:
    """A started watcher that has joined those of all other processes; waits as `init_distributed` does."""

    def __init__(self, info: ProcessInfo, heartbeat_timeout: int, timeout: int) -> None:
        self.lost_reason, self.remedy, self.heartbeat_timeout = "", "", heartbeat_timeout
        self._info, self._news, self._reported, self._closed = info, threading.Condition(), False, False
        if info.index == 0:
            _check_port(info)
        self._who = f"process {info.index} of {info.count}"
        name = f"{self._who} (host {socket.gethostname()}, pid {os.getpid()})"
        task = (info.index, info.count, name, info.host, info.port, heartbeat_timeout, timeout)
        self.process = subprocess.Popen(
            [sys.executable, "-P", watcher.__file__, json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for the training process
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUTF8": "1"},
        )
        self._stdin, self._stdout = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        self.jax_port = self._joined(timeout)
        """The port of JAX's coordination service, on the machine of process 0."""
        threading.Thread(target=self._listen, name="epochal-hosts", daemon=True).start()

    def check(self, seconds: float = 0.0) -> None:
        """Raise `ProcessLost` if a process is lost, now or within so many seconds."""
        with self._news:
            self._news.wait_for(lambda: bool(self.lost_reason), seconds)
            if self.lost_reason:
                self._reported = True
                raise ProcessLost(self.lost_reason)

    def fail(self, sentence: str) -> None:
        """Report the failure of this process to the others."""
        self._reported = True
        self.lose(f"{self._who} failed: {sentence}")

    def lose(self, sentence: str) -> None:
        """Tell all processes that training together is over."""
        with suppress(OSError, ValueError):
            self._stdin.write(f"{one_line(sentence)}\n")
            self._stdin.flush()

    def leave(self) -> None:
        """This process may now end without being reported."""
        self.lose("leave")

    def close(self) -> None:
        """End the watcher, which reports a death unless this process has left."""
        self._closed = True
        with suppress(OSError):
            self._stdin.close()

    def _joined(self, timeout: int) -> int:
        log = ""
        for line in self._stdout:
            if line.startswith("joined "):
                return int(line.split()[1])
            log += line
        self.close()
        self._stdout.close()
        self.process.wait()
        raise _refusal(self._info, timeout, log)

    def _listen(self) -> None:
        """Read the watcher's messages; JAX aborts it if it loses the service."""
        for line in self._stdout:
            if line.startswith("lost "):
                self._lose(line[5:].strip())
        status, info = self.process.wait(), self._info
        if status == -signal.SIGABRT:
            who = f"process 0 of {info.count} (at {info.coordinator})"
            self._lose(f"{who} is gone: its coordination service does not answer.")
        self._lose(f"{self._who} is cut off from the others: its watcher ended with status {status}.")

    def _lose(self, sentence: str) -> None:
        if self.lost_reason or self._closed:
            return
        with self._news:
            self.lost_reason = sentence if "resume" in sentence else f"{sentence} {self.remedy}".strip()
            self._news.notify_all()
        threading.Thread(target=self._end, name="epochal-leave", daemon=True).start()

    def _end(self) -> None:
        """End the process if the training does not, since it waits for a lost one."""
        time.sleep(GRACE_SECONDS)
        if not self._reported and not self._closed:
            end_process(1, self.lost_reason)


def _check_port(info: ProcessInfo) -> None:
    """Refuse a port in use, which JAX would share; an ended training frees its port soon."""
    end = time.monotonic() + PORT_SECONDS
    while True:
        try:
            socket.create_server(("", info.port)).close()
            return
        except OSError as error:
            why, cause = error.strerror, error
        if time.monotonic() > end:
            need = "the coordinator must be an address of process 0 with a free port"
            raise Refusal(f"{need}; got {info.coordinator}: {why}.") from cause
        time.sleep(0.1)


def _refusal(info: ProcessInfo, timeout: int, log: str) -> Refusal:
    """Why not all have joined, from the last output of JAX's client."""
    address, missing = info.coordinator, re.search(r"timed out task names:\s*([\d\s,]+)", log)
    if "newer incarnation" in log:
        why = f"each process must have a number of its own; another one has {info.index}, too."
    elif "Unexpected task registered" in log:
        why = f"all processes must have the same number of processes; process 0 does not have {info.count}."
    elif missing:
        names = ", ".join(re.findall("[0-9]+", missing[1]))
        why = (
            f"all {info.count} processes must join within {timeout} s; missing: {names}. "
            "Start them, or give another number of processes."
        )
    elif info.index == 0:
        why = f"JAX can't serve the others at {address}: {one_line(log, 300)}"
    else:
        why = f"process 0 must listen at {address} within {timeout} s. Start it, or give its address."
    return Refusal(why)
