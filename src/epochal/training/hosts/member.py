"""How does a process stay in touch with process 0?

It keeps one connection to it, and hears over that what was decided, and that another process is gone. JAX's
client is handed an address on this machine, whose bytes go to process 0 in a tunnel; where its far end is
lost, the near one stays open. Otherwise that client would end the process from C++, with a stack trace,
before a sentence could be said.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from epochal.errors import Refusal
from epochal.training.hosts.launch import Place
from epochal.training.hosts.node import Link, Node, closing, framed, pump, read_message

__all__ = ["Member", "who"]


def who() -> str:
    """This process, as others speak of it."""
    return f"host {socket.gethostname()}, pid {os.getpid()}"


class Member(Node):
    """A process that is not the first one.

    Args:
        place: which one it is, and where process 0 listens.
        version: of epochal.
        silence: seconds without a sign of life after which process 0 is taken for gone.
        patience: seconds in which process 0 must listen, and all others must have joined.
    """

    def __init__(self, place: Place, version: str, silence: float, patience: float) -> None:
        super().__init__(silence)
        self._place, self._version = place, version
        self._decisions: dict[int, dict[str, Any]] = {}
        self._begun, self._refused = False, ""
        self.service = 0
        """The port on this machine at which JAX's client reaches the coordination service."""
        try:
            self.run(self._connect(patience))
        except OSError as error:
            self.close()
            raise Refusal(
                f"process 0 must listen at {place.coordinator} within {patience:g} s; got: "
                f"{error.strerror or type(error).__name__}. Start it, or give its address."
            ) from error
        # Process 0 says no later than that whether all have come.
        self.wait(lambda: self._begun or bool(self._refused), patience + silence)
        if not self._begun:
            self.close()
            raise Refusal(
                self._refused or f"process 0 at {place.coordinator} has not said that all are here."
            )

    def decide(self, what: str, number: int, wish: Any, rule: Callable[[list[Any]], Any]) -> Any:
        """See `Node`."""
        self.soon(self._link.send, framed({"say": "wish", "what": what, "number": number, "wish": wish}))
        self.wait(lambda: number in self._decisions)
        found = self._decisions.pop(number)
        if "refused" in found:
            raise Refusal(found["refused"])
        return found["decision"]

    def fail(self, sentence: str) -> None:
        """See `Node`."""
        self._told = True
        with suppress(RuntimeError):
            self.run(self._flush({"say": "failed", "why": sentence}))

    def leave(self) -> None:
        """See `Node`."""
        self.soon(self._link.say, {"say": "leave"})

    async def _flush(self, message: dict[str, Any]) -> None:
        self._link.say(message)
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._link.writer.drain(), 2.0)

    async def _connect(self, patience: float) -> None:
        place = self._place
        reader, writer = await self._reach(patience)
        self._link = Link(reader, writer, "process 0")
        hello = {"as": "member", "process": place.index, "count": place.count}
        self._link.say({**hello, "version": self._version, "who": who()})
        self.service = await self.serve(self._tunnel, "127.0.0.1", 0)
        self.task(self._listen())
        self.task(self.watch(self._link, self._gone))

    async def _reach(self, patience: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to process 0, which may start later."""
        end = time.monotonic() + patience
        while True:
            try:
                opening = asyncio.open_connection(self._place.host, self._place.port)
                return await asyncio.wait_for(opening, max(1.0, end - time.monotonic()))
            except OSError:
                if time.monotonic() >= end:
                    raise
            await asyncio.sleep(0.2)

    async def _listen(self) -> None:
        with closing(self._link.writer):
            while (message := await read_message(self._link.reader)) is not None:
                self._link.heard = time.monotonic()
                self._hear(message)
            self._gone("its connection has ended")

    def _hear(self, message: dict[str, Any]) -> None:
        what, number = message.get("say"), message.get("number")
        if what == "decided" and isinstance(number, int):
            self.told(lambda: self._decisions.__setitem__(number, message))
        elif what == "begin":
            self.told(lambda: setattr(self, "_begun", True))
        elif what == "refused":
            self._link.left = True
            self.told(lambda: setattr(self, "_refused", str(message.get("why"))))
        elif what == "lost":
            self.lose(str(message.get("why")))

    def _gone(self, how: str) -> None:
        if not self._link.left:
            place = self._place
            self.lose(f"process 0 of {place.count} (at {place.coordinator}) is gone: {how}.")

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._place.host, self._place.port)
        except OSError:
            if not self.lost:
                writer.close()
            return
        far_writer.write(framed({"as": "tunnel"}))
        with closing(writer, far_writer):
            self.task(pump(far_reader, writer))
            await pump(reader, far_writer)
