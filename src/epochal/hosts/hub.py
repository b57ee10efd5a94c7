"""How does process 0 hear of all others?

It listens at the coordinator's address. Each other process keeps one connection to it; the kernel closes
those of a process that dies, so that its death is heard at once, and a host that has lost power or hangs is
noticed by its silence. Process 0 gathers wishes, decides, and tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from epochal.errors import Refusal
from epochal.hosts.launch import Place
from epochal.hosts.node import HELLO_BYTES, Link, Node, closing, pump, read_message

__all__ = ["Hub"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hub(Node):
    """Process 0 of several.

    Args:
        place: where it listens, and how many there are.
        version: of epochal, which must be the same everywhere.
        service: the port of JAX's coordination service on this machine.
        silence: seconds without a sign of life after which a process is taken for gone.
    """

    def __init__(self, place: Place, version: str, service: int, silence: float) -> None:
        super().__init__(silence)
        self._place, self._version, self._service = place, version, service
        self._links: dict[int, Link] = {}
        self._here: set[int] = set()
        """Who is connected."""
        self._wishes: dict[int, dict[int, tuple[Any, Any]]] = {}
        try:
            self.run(self._listen())
        except OSError as error:
            self.close()
            why = error.strerror or str(error)
            raise Refusal(
                f"the coordinator must be an address of process 0 with a free port; got {place.coordinator}: "
                f"{why}."
            ) from error

    def gather(self, seconds: float) -> None:
        """Wait for all processes, and let them begin.

        Raises:
            Refusal: some have not come in so many seconds.
        """
        count = self._place.count
        if not self.wait(lambda: len(self._links) == count - 1, seconds):
            missing = [str(one) for one in range(1, count) if one not in self._links]
            more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
            sentence = (
                f"all {count} processes must join within {seconds:g} s; missing: {', '.join(missing[:20])}"
                f"{more}. Start them, or give another number of processes."
            )
            self.run(self._say({"say": "refused", "why": sentence}))
            self.close()
            raise Refusal(sentence)
        self.soon(self._tell, {"say": "begin"})

    def decide(self, what: str, number: int, wish: Any, rule: Callable[[list[Any]], Any]) -> Any:
        """See `Node`."""
        others = range(1, self._place.count)
        self.wait(lambda: len(self._wishes.get(number, ())) == len(others))
        wishes = self._wishes.pop(number, {})
        astray = [index for index in others if wishes[index][0] != what]
        if astray:
            it = f"process {astray[0]} does so about {wishes[astray[0]][0]}"
            self.run(
                self._spread(f"all processes must decide about the same; process 0 does about {what}, {it}.")
            )
            self.check()
        try:
            decision = rule([wish, *(wishes[index][1] for index in others)])
        except Refusal as refusal:
            self.soon(self._tell, {"say": "decided", "number": number, "refused": refusal.sentence})
            raise
        self.soon(self._tell, {"say": "decided", "number": number, "decision": decision})
        return decision

    @property
    def complete(self) -> bool:
        """See `Node`."""
        return len(self._here) == self._place.count - 1

    def leave(self) -> None:
        """See `Node`."""

    def fail(self, sentence: str) -> None:
        """See `Node`."""
        self._told = True
        with suppress(RuntimeError):
            self.run(self._spread(f"process 0 of {self._place.count} failed: {sentence}"))

    async def _listen(self) -> None:
        host = self._place.host if self._place.host in _LOOPBACK else None
        await self.serve(self._come, host, self._place.port)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody has connected: a member, a tunnel, or a stranger."""
        with closing(writer), suppress(TimeoutError):
            hello = await asyncio.wait_for(read_message(reader, HELLO_BYTES), 10.0)
            if hello is not None and hello.get("as") == "tunnel":
                await self._tunnel(reader, writer)
            elif hello is not None and hello.get("as") == "member":
                await self._member(Link(reader, writer, str(hello.get("who"))), hello)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                service_reader, service_writer = await asyncio.open_connection("127.0.0.1", self._service)
                break
            except OSError:  # JAX's service is about to start; a client that was sent away would wait longer
                await asyncio.sleep(0.02)
        with closing(service_writer):
            self.task(pump(service_reader, writer))
            await pump(reader, service_writer)

    async def _member(self, link: Link, hello: dict[str, Any]) -> None:
        index, why = hello.get("process"), self._wrong(hello)
        if why:
            link.say({"say": "refused", "why": why})
            with suppress(OSError):
                await link.writer.drain()
            return
        assert isinstance(index, int)
        self._here.add(index)
        self.told(lambda: self._links.__setitem__(index, link))
        self.task(self.watch(link, lambda how: self._gone(index, how)))
        while (message := await read_message(link.reader)) is not None:
            link.heard = time.monotonic()
            self._hear(index, message)
        self._gone(index, "its connection has ended")

    def _wrong(self, hello: dict[str, Any]) -> str:
        """Why a process can't take part; empty if it can."""
        place, index = self._place, hello.get("process")
        if hello.get("version") != self._version:
            return (
                f"all processes must run the same version of epochal; process 0 has {self._version}, "
                f"{hello.get('who')} has {hello.get('version')}."
            )
        if hello.get("count") != place.count:
            return (
                f"all processes must be given the same number of processes; process 0 has {place.count}, "
                f"{hello.get('who')} has {hello.get('count')}."
            )
        if not isinstance(index, int) or not 1 <= index < place.count:
            return f"a process must have a number between 1 and {place.count - 1}; got {index!r}."
        if index in self._links:
            return (
                f"each process must have a number of its own; {index} is that of {self._links[index].who} "
                f"already, and {hello.get('who')} has it, too."
            )
        return ""

    def _hear(self, index: int, message: dict[str, Any]) -> None:
        what, number = message.get("say"), message.get("number")
        if what == "wish" and isinstance(number, int):
            wish = (message.get("what"), message.get("wish"))
            self.told(lambda: self._wishes.setdefault(number, {}).__setitem__(index, wish))
        elif what == "failed":
            self.task(self._spread(f"process {index} of {self._place.count} failed: {message.get('why')}"))
        elif what == "leave":
            self._links[index].left = True

    def _gone(self, index: int, how: str) -> None:
        link = self._links[index]
        self.told(lambda: self._here.discard(index))
        if not link.left:
            self.task(self._spread(f"process {index} of {self._place.count} ({link.who}) is gone: {how}."))

    async def _spread(self, sentence: str) -> None:
        """Tell everybody that training together is over."""
        if self.lost or self._closed:
            return
        self.lose(sentence)
        await self._say({"say": "lost", "why": sentence})

    async def _say(self, message: dict[str, Any]) -> None:
        """Tell everybody something, and see to it that it is on its way."""
        self._tell(message)
        with suppress(OSError, TimeoutError):
            flushed = (self._links[index].writer.drain() for index in self._here)
            await asyncio.wait_for(asyncio.gather(*flushed, return_exceptions=True), 2.0)

    def _tell(self, message: dict[str, Any]) -> None:
        for index in self._here:
            self._links[index].say(message)
