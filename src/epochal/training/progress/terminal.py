"""Progress in a terminal: a live line, and lines that stay."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from epochal.common.option_text import render_message
from epochal.common.text import printable, wrapped
from epochal.training.progress.status import Display, Line

PLAIN_SECONDS = 2.0
"""Seconds between two lines in a pipe."""


class _Console(Console):
    """A console that is silent once its reader has gone, as after `| head`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Segments with control characters removed from text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def plain_console(to_stderr: bool) -> Console:
    """A console for plain text, 80 columns wide if it is no terminal."""
    stream = sys.stderr if to_stderr else sys.stdout
    terminal = stream.isatty()
    if isinstance(stream, io.TextIOWrapper):  # a character that an encoding lacks is no error
        stream.reconfigure(errors="replace")
    return _Console(
        stderr=to_stderr, highlight=False, emoji=False, markup=False, width=None if terminal else 80
    )


def section(
    console: Console, title: str, lines: Iterable[str], width: int, *, wrap: bool = True, apart: bool = True
) -> None:
    """Print lines under a title, wrapped to the width if `wrap`, and after an empty line if `apart`."""
    lines = [render_message(line) for line in lines]
    text = wrapped(lines, width) if wrap else "\n".join(f"  {line}".rstrip() for line in lines)
    if apart:
        console.print()
    console.print(Text(title, style="bold"))
    console.print(Text(text), soft_wrap=True)


class Terminal(Display):
    """Shows progress: live on a terminal, redrawn about ten times a second, else an occasional plain line."""

    def __init__(self, to_stderr: bool = True) -> None:
        self.console = plain_console(to_stderr)
        self.width = min(100, self.console.width)
        self._live: Live | None = None
        self._line: Line | None = None
        self._printed = 0.0

    def opening(self, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        for number, (title, lines) in enumerate(sections):
            section(self.console, title, lines, self.width, apart=number > 0)

    def show(self, line: Line) -> None:
        self._line = line
        if self.console.is_terminal and self._live is None:
            console, render = self.console, self._render
            self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=render)
            self._live.start()
        if line.share is not None:
            self.print_if_due(lambda: line.fitted(self.width - 2))

    def print_if_due(self, line: Callable[[], str]) -> None:
        """Print a plain line where none is live, if the last one is long ago."""
        now = time.monotonic()
        if self._live is None and now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            self.console.print(Text(f"  {line()}"), soft_wrap=True)

    def note(self, words: str) -> None:
        self.console.print(Text(wrapped([words], self.width)), soft_wrap=True)

    def close(self, last: str = "") -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if last:
            words = wrapped([last], self.width) if self.console.is_terminal else f"  {last}"
            self.console.print(Text(words), soft_wrap=True)

    def _render(self) -> Text:
        room = self.console.width - 1
        words = "" if self._line is None else self._line.fitted(room)
        return Text(words, no_wrap=True, overflow="ellipsis", end="")
