"""`WorkItem`, `Executor`, the base of what runs them, and the executor in threads of this process."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import jax

from epochal.common.waiting import INTERRUPT_TIMEOUT, join_all

Stopped: TypeAlias = "Callable[[], bool]"
"""Whether to end early."""

Function: TypeAlias = "Callable[[Any, tuple[jax.Device, ...], Stopped], Any]"
"""Does the work of an item on some devices (none: JAX's own choice); None if it was stopped before that."""


@dataclass(frozen=True, eq=False)
class WorkItem:
    """What one worker does at a time.

    work     what the function of the executor is called with.
    name     what it is called in a sentence.
    program  the same for work items that need the same compiled program.
    large    whether one of them keeps all cores of a machine busy.
    """

    work: Any
    name: str = ""
    program: int = 0
    large: bool = False


class Executor(ABC):
    """Runs work items, in any order and anywhere: what comes of an item depends on the item alone."""

    @abstractmethod
    def map_unordered(self, work_items: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Any]]:
        """Yield each item with its result as it ends; once stopped, only those that have ended."""

    @property
    def where(self) -> str:
        """How many workers on how many nodes; empty for this machine."""
        return ""

    def news(self) -> str:
        """What has happened since the last call, such as that a node was lost; mostly empty."""
        return ""

    def summary(self) -> str:
        """On what the work items were run, and what was lost; empty for this machine."""
        return ""

    def close(self) -> None:
        """Let the workers go."""
        return


class Threads(Executor):
    """Runs work items side by side in daemon threads, which don't hold up the process when it ends.

    Each thread has devices of its own; once `stopped`, no further work items begin.

    >>> squares = Threads(lambda work, devices, stopped: work * work, [()] * 2)
    >>> sorted(result for _, result in squares.map_unordered([WorkItem(3), WorkItem(4), WorkItem(5)]))
    [9, 16, 25]
    """

    def __init__(
        self, function: Function, devices: Sequence[tuple[jax.Device, ...]], stopped: Stopped = lambda: False
    ) -> None:
        self._function, self._devices, self._stopped = function, devices, stopped

    def map_unordered(self, work_items: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Any]]:
        """Yield each item with its result as it ends: small ones side by side, then large ones in turn."""
        yield from self._map([item for item in work_items if not item.large], self._devices)
        yield from self._map([item for item in work_items if item.large], self._devices[:1])

    def _map(
        self, work_items: Sequence[WorkItem], devices: Sequence[tuple[jax.Device, ...]]
    ) -> Iterator[tuple[WorkItem, Any]]:
        todo, found, left = deque(work_items), queue.SimpleQueue[Any](), threading.Event()

        def stopped() -> bool:
            return left.is_set() or self._stopped()

        def run(own: tuple[jax.Device, ...]) -> None:
            while not stopped():
                try:
                    item = todo.popleft()
                except IndexError:
                    break
                try:
                    result = self._function(item.work, own, stopped)
                except BaseException as error:
                    found.put(error)
                    return
                if result is not None:
                    found.put((item, result))
            found.put(None)

        threads = [
            threading.Thread(target=run, args=(own,), daemon=True)
            for own, _ in zip(devices, work_items, strict=False)
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                news = found.get()
                if isinstance(news, BaseException):
                    raise news
                if news is None:
                    working -= 1
                else:
                    yield news
        finally:
            left.set()
            if working:  # whoever was stopped before does not wait for a device that hangs
                join_all(threads, INTERRUPT_TIMEOUT if self._stopped() else None)


@dataclass(frozen=True)
class SharedRef:
    """An object in Ray's object store that many items need; the same object for all items of a process."""

    ref: Any

    @property
    def value(self) -> Any:
        """The object."""
        return _fetched(self.ref)


@cache
def _fetched(ref: Any) -> Any:
    import ray

    return ray.get(ref)
