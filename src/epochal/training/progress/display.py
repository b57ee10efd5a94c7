"""The interface of progress displays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Display", "Line"]


class Line(Protocol):
    """How far something is."""

    @property
    def share(self) -> float | None:
        """How much of it is done, in [0, 1]; None where that is not known yet."""

    def fitted(self, room: int) -> str:
        """A line of at most `room` characters."""


class Display(Protocol):
    """Where a training is shown."""

    def opening(self, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Show what is known before the first update: titles with their lines."""

    def show(self, line: Line) -> None:
        """Show how far it is; called about ten times a second."""

    def note(self, words: str) -> None:
        """Show a sentence that stays."""

    def close(self, last: str = "") -> None:
        """Show no more; `last` stays."""
