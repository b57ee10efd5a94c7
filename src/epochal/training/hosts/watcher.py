"""The small process beside each training process: it reports a death through JAX's key-value store.

It runs as a script and ends with its training process. That of process 0 hosts JAX's coordination services,
which so outlive process 0: a client of JAX that loses its service ends its process from C++.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

LINGER_SECONDS = 10.0
"""How long the services outlive process 0 at most, so that the others can end with a sentence."""


class Watcher:
    """A client of a coordination service among watchers."""

    def __init__(self, index: int, count: int, host: str, port: int, silence: int, patience: int) -> None:
        from jaxlib import _jax

        make: Any = _jax
        self._index, self._everyone = index, list(range(count))
        jax_port = _free_port()
        if index == 0:
            at = host if host in ("localhost", "127.0.0.1") else "[::]"
            options = {"cluster_register_timeout": patience, "shutdown_timeout": 60, "recoverable": True}
            self._services = [
                make.get_distributed_runtime_service(f"{at}:{one}", count, heartbeat_timeout=beat, **options)
                for one, beat in ((port, silence), (jax_port, 86400))
            ]
        self._client = make.get_distributed_runtime_client(
            f"{host}:{port}", index, init_timeout=patience + 5, heartbeat_timeout=silence
        )
        self._client.connect()
        if index == 0:
            self._client.key_value_set("jax", str(jax_port))
        say("joined", self._client.blocking_key_value_get("jax", 60_000))
        self._silence = silence

    def run(self) -> None:
        """Hand on what the training process says, and report its death."""
        name = sys.stdin.readline().strip()
        self._client.key_value_set(f"name/{self._index}", name)
        for work in (self._hear, self._count_the_living):
            threading.Thread(target=work, daemon=True).start()
        leaving = False
        for line in sys.stdin:
            leaving = leaving or line == "leave\n"
            if not leaving:
                self._lose(line.strip())
        if not leaving:
            self._lose(f"{name} is gone: it was killed or has crashed.")
        self._client.key_value_set(f"ended/{self._index}", "")
        end = time.monotonic() + LINGER_SECONDS
        while self._index == 0 and self._ended() != set(self._everyone) and time.monotonic() < end:
            time.sleep(0.1)
        self._client.shutdown()

    def _lose(self, sentence: str) -> None:
        """Tell all that training together is over; the first to say why is right."""
        with suppress(RuntimeError):
            self._client.key_value_set("lost", sentence)

    def _hear(self) -> None:
        while True:
            with suppress(RuntimeError):  # nothing for a minute
                say("lost", self._client.blocking_key_value_get("lost", 60_000))
                return

    def _count_the_living(self) -> None:
        """Report a watcher whose heartbeats JAX misses: its machine is gone."""
        while True:
            with suppress(RuntimeError):
                living = self._client.get_live_nodes(self._everyone)
                for index in set(self._everyone) - set(living) - self._ended():
                    name = self._client.key_value_try_get(f"name/{index}")
                    self._lose(f"{name} is gone: no heartbeat for {self._silence} s.")
            time.sleep(max(1.0, self._silence / 20))

    def _ended(self) -> set[int]:
        return {int(key.rpartition("/")[2]) for key, _ in self._client.key_value_dir_get("ended/")}


def say(what: str, words: str) -> None:
    """Tell the training process something."""
    print(what, words, flush=True)


def _free_port() -> int:
    with socket.create_server(("", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    Watcher(**json.loads(sys.argv[1])).run()
    os._exit(0)
