"""The interface of progress displays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Line(Protocol):
    """The progress of something."""

    @property
    def share(self) -> float | None:
        """The share done, in [0, 1]; None if unknown."""

    def fitted(self, room: int) -> str:
        """A line of at most `room` characters."""


class Display(Protocol):
    """The interface of displays."""

    def opening(self, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Show titled lines before the first update."""

    def show(self, line: Line) -> None:
        """Show the progress; called about ten times a second."""

    def note(self, words: str) -> None:
        """Show a permanent line."""

    def close(self, last: str = "") -> None:
        """Stop; `last` stays visible."""
