"""`WorkItem`, and `Executor`, the base of what runs tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import jax

Stopped: TypeAlias = "Callable[[], bool]"
"""Whether to end early."""

Function: TypeAlias = "Callable[[Any, tuple[jax.Device, ...], Stopped], Any]"
"""Does the work of a task on some devices (none: JAX's own choice); None if it was stopped before its end."""


@dataclass(frozen=True, eq=False)
class WorkItem:
    """What one worker does at a time.

    work     what the function of the executor is called with.
    name     what it is called in a sentence.
    program  the same for tasks that need the same compiled program.
    large    whether one of them keeps all cores of a machine busy.
    """

    work: Any
    name: str = ""
    program: int = 0
    large: bool = False


class Executor:
    """Runs tasks, in any order and anywhere: what comes of a task depends on the task alone."""

    def map_unordered(self, tasks: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Any]]:
        """Yield each task with its result as it ends; once stopped, only those that have ended."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """How many workers on how many nodes; empty for this machine."""
        return ""

    def news(self) -> str:
        """What has happened since the last call, such as that a node was lost; mostly empty."""
        return ""

    def summary(self) -> str:
        """On what the tasks were run, and what was lost; empty for this machine."""
        return ""

    def close(self) -> None:
        """Let the workers go."""


@dataclass(frozen=True)
class Shared:
    """An object in Ray's object store that many tasks need; the same object for all tasks of a process."""

    ref: Any

    @property
    def value(self) -> Any:
        """The object."""
        return _fetched(self.ref)


@cache
def _fetched(ref: Any) -> Any:
    import ray

    return ray.get(ref)
