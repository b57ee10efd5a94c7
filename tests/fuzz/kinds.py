"""Which kinds of inputs are there?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["KINDS", "Case", "Kind", "kind", "register"]


@dataclass(frozen=True)
class Case:
    """A bad input: how it is read, and what the result must be if there is one."""

    read: Callable[[], Any]
    same: bool = False
    """Whether a result must be that of the good input: where a checksum covers every bit."""


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        name: what it is called.
        good: makes good inputs in a folder, once; what it returns is given to the rest.
        bad: makes a case from (random, good, an empty folder).
        intact: what reading the good input gives, for cases whose result must be the same.
        slow: whether one case takes more than about 50 ms, so that a short run has fewer.
    """

    name: str
    good: Callable[[Path], Any]
    bad: Callable[[Random, Any, Path], Case]
    intact: Callable[[Any], Any] | None = None
    slow: bool = False


KINDS: dict[str, Kind] = {}


def register(one: Kind) -> None:
    """Add a kind."""
    assert one.name not in KINDS
    KINDS[one.name] = one


def kind(name: str) -> Kind:
    """A kind by its name."""
    load_all()
    return KINDS[name]


def load_all() -> dict[str, Kind]:
    """All kinds; the modules that have them are imported."""
    from . import kinds_files, kinds_runs, kinds_tables  # noqa: F401 (importing registers)

    return {name: one for name, one in KINDS.items() if name != LIMIT}


LIMIT = "limit"


def _greedy() -> int:
    """A reader that believes a header."""
    return len(bytearray(4 << 30))


register(Kind(LIMIT, lambda folder: None, lambda random, good, work: Case(_greedy)))


@dataclass
class Made:
    """Good inputs, made once each."""

    folder: Path
    held: dict[str, Any] = field(default_factory=dict)

    def of(self, one: Kind) -> Any:
        """The good inputs of a kind."""
        if one.name not in self.held:
            place = self.folder / one.name
            place.mkdir(parents=True, exist_ok=True)
            self.held[one.name] = one.good(place)
        return self.held[one.name]
