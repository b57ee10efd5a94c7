"""What do both ends of the connections between processes have in common?

An event loop in a thread of its own, messages of JSON with their length in front, a sign of life now and
then, and what is waited for. The first message tells what a connection is: a *member* is a process, a
*tunnel* carries the bytes of JAX's client to the coordination service.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from epochal.common.printable import one_line
from epochal.errors import HostLost

__all__ = ["GRACE_SECONDS", "HELLO_BYTES", "Link", "Node", "closing", "framed", "pump", "read_message"]

GRACE_SECONDS = 5.0
"""What a training has to end by itself when a process is gone, before the process is ended: a collective
operation of an accelerator may wait for ever."""

HELLO_BYTES = 1 << 12
"""The longest message that is read from somebody who has not said who they are."""

MOST_BYTES = 1 << 26
"""The longest message: what a training is, with the names of a million columns."""


Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""What is done with a connection."""


@dataclass(eq=False)
class Link:
    """A connection to a member."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    who: str
    heard: float = field(default_factory=time.monotonic)
    """When it was last heard of."""
    left: bool = False
    """Whether it has said that it leaves."""

    def say(self, message: dict[str, Any]) -> None:
        """Send a message; one that can't be sent any more is noticed by who reads."""
        self.send(framed(message))

    def send(self, frame: bytes) -> None:
        """Send a message that is framed."""
        with suppress(OSError, RuntimeError):
            self.writer.write(frame)


def framed(message: dict[str, Any]) -> bytes:
    """A message as it is sent: its length in four bytes, then JSON."""
    body = json.dumps(message).encode()
    if len(body) > MOST_BYTES:
        raise ValueError(f"processes can't tell each other {len(body):,} bytes at once")
    return len(body).to_bytes(4, "big") + body


async def read_message(reader: asyncio.StreamReader, most: int = MOST_BYTES) -> dict[str, Any] | None:
    """The next message; None where the connection has ended, or what comes is none, or longer than `most`."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        message = json.loads(await reader.readexactly(size)) if size <= most else None
    except (EOFError, OSError, ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on bytes until one end is gone."""
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


@contextmanager
def closing(*writers: asyncio.StreamWriter) -> Iterator[None]:
    """Within, these are open."""
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


class Node(ABC):
    """One end: process 0 (`hub.Hub`) or another (`member.Member`)."""

    def __init__(self, silence: float) -> None:
        self.silence = silence
        """Seconds without a sign of life after which a process is taken for gone."""
        self.lost = ""
        """Why training together is over; empty while it is not."""
        self.remedy = ""
        """What can be done then, as a sentence."""
        self._news = threading.Condition()
        self._told = self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        begun = threading.Event()
        work = (self._live(begun),)
        self._thread = threading.Thread(target=asyncio.run, args=work, name="epochal-hosts", daemon=True)
        self._thread.start()
        begun.wait()

    # From the thread that trains ---------------------------------------------------------------------------

    @abstractmethod
    def decide(self, what: str, number: int, wish: Any, rule: Callable[[list[Any]], Any]) -> Any:
        """The decision that process 0 makes about something from the wishes of all."""

    @abstractmethod
    def fail(self, sentence: str) -> None:
        """Tell the others that this process has failed, before it ends."""

    @property
    def complete(self) -> bool:
        """Whether all are still there, which process 0 knows."""
        return True

    @abstractmethod
    def leave(self) -> None:
        """Say that this process is no longer missed if it goes."""

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for something to be ready; whether it is, after so many seconds.

        Raises:
            HostLost: it will never be, since a process is gone.
        """
        with self._news:
            self._news.wait_for(lambda: bool(self.lost) or self._closed or ready(), seconds)
            if ready():
                return True
        if self._closed:
            raise HostLost("this process has left the others.")
        self.check()
        return False

    def check(self, seconds: float = 0.0) -> None:
        """Raise `HostLost` if a process is gone, or is found to be within so many seconds."""
        with self._news:
            self._news.wait_for(lambda: bool(self.lost), seconds)
            if self.lost:
                self._told = True
                raise HostLost(self.words)

    @property
    def words(self) -> str:
        """Why training together is over, and what can be done."""
        remedy = "" if "epochal resume" in self.lost else self.remedy
        return one_line(f"{self.lost} {remedy}".strip())

    def close(self) -> None:
        """Hear and say nothing any more."""
        self.told(lambda: setattr(self, "_closed", True))
        self.soon(self._end.set)
        self._thread.join(1.0)

    def soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have the thread of the connections call something."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def told(self, change: Callable[[], None]) -> None:
        """Change what is waited for."""
        with self._news:
            change()
            self._news.notify_all()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the thread of the connections, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # In the thread of the connections ----------------------------------------------------------------------

    async def _live(self, begun: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        begun.set()
        await self._end.wait()
        if self._server is not None:
            self._server.close()

    async def serve(self, come: Serving, host: str | None, port: int) -> int:
        """Have every connection met by `come`; the port at which they are waited for."""

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.task(come(reader, writer))

        self._server = await asyncio.start_server(met, host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def task(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside all else."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def lose(self, sentence: str) -> None:
        """A process is gone, or has failed: everything that waits hears of it, once."""
        if self.lost or self._closed:
            return
        self.told(lambda: setattr(self, "lost", sentence))
        threading.Thread(target=self._leave, name="epochal-leave", daemon=True).start()

    def _leave(self) -> None:
        """End the process if the training does not: it waits for one that will never come."""
        time.sleep(GRACE_SECONDS)
        if self._told or self._closed:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, RuntimeError):
                stream.flush()
        with suppress(OSError):
            os.write(2, f"epochal: {self.words}\n".encode())
        os._exit(1)

    async def watch(self, link: Link, gone: Callable[[str], None]) -> None:
        """Say now and then that this process lives, and notice where the other one does not."""
        every = self.silence / 6
        while not self._closed:
            begin = time.monotonic()
            link.say({"say": "alive"})
            await asyncio.sleep(every)
            late = time.monotonic() - begin > 2 * every  # this process was held up: listen before judging
            if not late and time.monotonic() - link.heard > self.silence:
                gone(f"it has not been heard of for {self.silence:g} s")
                return
