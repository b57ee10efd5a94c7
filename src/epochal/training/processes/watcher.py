"""The watcher process, which reports a death through JAX's key-value store.

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

LINGER_SECONDS = 60.0
"""How long the services outlive process 0, so that the others can end with a message."""


class Watcher:
    """A client of the watchers' coordination service."""

    def __init__(self, index: int, count: int, name: str, heartbeat_timeout: int) -> None:
        self._index, self._name, self._heartbeat_timeout = index, name, heartbeat_timeout
        self._living = self._everyone = set(range(count))
        self._joined = threading.Event()

    def join(self, host: str, port: int, timeout: int) -> None:
        """Join the watchers of all other processes; JAX aborts this one on a timeout."""
        from jaxlib import _jax

        make: Any = _jax
        index, count, heartbeat_timeout = self._index, len(self._everyone), self._heartbeat_timeout
        try:
            if index == 0:
                with socket.create_server(("", 0)) as free:
                    jax_port = free.getsockname()[1]
                at = host if host in ("localhost", "127.0.0.1") else "[::]"
                options = {"cluster_register_timeout": timeout, "shutdown_timeout": 60, "recoverable": True}
                self._services = [
                    make.get_distributed_runtime_service(
                        f"{at}:{one}", count, heartbeat_timeout=beat, **options
                    )
                    for one, beat in ((port, heartbeat_timeout), (jax_port, 86400))
                ]
            self._client = make.get_distributed_runtime_client(
                f"{host}:{port}", index, init_timeout=timeout + 5, heartbeat_timeout=heartbeat_timeout
            )
            self._client.connect()
            if index == 0:
                self._client.key_value_set("jax", str(jax_port))
            self._client.key_value_set(f"name/{index}", self._name)
            found = self._client.blocking_key_value_get("jax", 60_000)
        except Exception as error:
            send("failed", str(error))
            os._exit(1)
        self._joined.set()
        send("joined", found)
        threading.Thread(target=self._count_the_living, daemon=True).start()
        self._hear()

    def report(self) -> None:
        """Forward messages of the training process, and report its death."""
        leaving = False
        for line in sys.stdin:
            leaving = leaving or line == "leave\n"
            if not leaving:
                self._lose(line.strip())
        if not self._joined.is_set():
            return
        if not leaving:
            self._lose(f"{self._name} is gone: it was killed or has crashed.")
        self._client.key_value_set(f"ended/{self._index}", "")
        end = time.monotonic() + LINGER_SECONDS
        while self._index == 0 and not self._living <= self._ended() and time.monotonic() < end:
            time.sleep(0.1)
        self._client.shutdown()

    def _lose(self, sentence: str) -> None:
        """Tell all that training together is over; the first reason counts."""
        with suppress(RuntimeError):
            self._client.key_value_set("lost", sentence)

    def _hear(self) -> None:
        while True:
            with suppress(RuntimeError):  # no notice for a minute
                send("lost", self._client.blocking_key_value_get("lost", 60_000))
                return

    def _count_the_living(self) -> None:
        """Report a watcher that JAX finds without heartbeats: its machine is lost."""
        while True:
            with suppress(RuntimeError):
                self._living = set(self._client.get_live_nodes(sorted(self._everyone)))
                for index in self._everyone - self._living - self._ended():
                    name = self._client.key_value_try_get(f"name/{index}")
                    self._lose(f"{name} is gone: no heartbeat for {self._heartbeat_timeout} s.")
            time.sleep(max(1.0, self._heartbeat_timeout / 20))

    def _ended(self) -> set[int]:
        return {int(key.rpartition("/")[2]) for key, _ in self._client.key_value_dir_get("ended/")}


def send(what: str, words: str) -> None:
    """Send a message to the training process."""
    print(what, words, flush=True)


def main(index: int, count: int, name: str, host: str, port: int, heartbeat: int, timeout: int) -> None:
    """Watch a training process until it ends."""
    watcher = Watcher(index, count, name, heartbeat)
    threading.Thread(target=watcher.join, args=(host, port, timeout), daemon=True).start()
    watcher.report()
    os._exit(0)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
