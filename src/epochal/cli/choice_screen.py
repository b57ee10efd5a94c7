"""Progress and tables of comparisons and advice on the screen.

On a terminal a live line: the step, trainings done, their rate, the remaining time, and below it the latest
finding. In a pipe a plain line now and then.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from epochal.choose.progress import Pace
from epochal.common.layout import aligned, folded
from epochal.training.progress.opening import dataset_lines
from epochal.training.progress.terminal import PLAIN_SECONDS, live, plain_console, section

if TYPE_CHECKING:
    from epochal.choose.progress import Step
    from epochal.curves import Summary
    from epochal.data import Dataset
    from epochal.training.loop import Control

NAME_WIDTH = 30
"""A longer name of a setting goes on in the line below."""


class ChoiceScreen:
    """Shows steps; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self.quiet = quiet
        self.console: Console = plain_console(to_stderr)
        self.width = max(60, min(120, self.console.width))
        self._live: Live | None = None
        self._pace = Pace()
        self._words = ""
        self._said = 0.0
        self._opening: list[tuple[str, list[str]]] = []

    def opening(self, title: str, lines: Sequence[str]) -> None:
        """Print lines under a title once the work begins: what is refused before says no more than that."""
        self._opening.append((title, list(lines)))

    def section(self, title: str, lines: Sequence[str], *, fold: bool = True) -> None:
        """Print lines under a title, folded to the width unless they are to stay whole."""
        if not self.quiet and lines:
            section(self.console, title, lines, self.width, fold=fold)

    def answer(self, sentence: str) -> None:
        """Print the one sentence that matters."""
        if not self.quiet:
            self.console.print()
            self.console.print(Text(textwrap.fill(sentence, self.width), style="bold"), soft_wrap=True)

    def paths(self, labeled: Sequence[tuple[str, Any]]) -> None:
        """Print where everything is."""
        if not self.quiet:
            self.console.print()
            for label, path in labeled:
                words = Text(f"{label:<8}", style="bold").append(str(path), style="not bold")
                self.console.print(words, soft_wrap=True)

    def data(self, dataset: Dataset) -> None:
        """Say what is known of the samples before anything is trained."""
        self.opening("Data", dataset_lines(dataset))

    @contextmanager
    def watching(self, control: Control) -> Iterator[None]:
        """Show the live line within; `control` says when the work was asked to end."""
        self._pace.control = control
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with live(self.console, self._render) as self._live:
            yield

    def show(self, step: Step) -> None:
        """Take one step."""
        if not self.quiet:
            for number, (title, lines) in enumerate(self._opening):
                section(self.console, title, lines, self.width, apart=number > 0)
        self._opening.clear()
        self._pace.take(step)
        self._words = step.words or self._words
        now = time.monotonic()
        if self.quiet or self._live is not None:
            return
        if step.words:
            self.console.print(Text(folded([step.words], self.width)), soft_wrap=True)
        if step.total and now - self._said >= PLAIN_SECONDS:
            self._said = now
            self.console.print(Text(f"  {self._pace.line()}"), soft_wrap=True)

    def _render(self) -> Text:
        room = self.console.width - 1
        lines = [self._pace.fitted(room), *([self._words] if self._words else [])]
        cut = "\n".join(textwrap.shorten(line, room, placeholder=" ...") for line in lines)
        return Text(cut, no_wrap=True, overflow="ellipsis", end="")


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and a cell for each row; numbers end together."""

    title: str
    cells: Sequence[str]
    right: bool = True


def set_in_columns(names: Sequence[str], columns: Sequence[Column], width: int) -> list[str]:
    """A table of settings as lines of at most `width`; columns that need more room go into one below it.

    Args:
        names: of the rows; a long one goes on in the line below.
        columns: those without any content are left out.
        width: columns of the screen that there are.

    >>> narrow = [Column("loss", ["0.31", "0.5"]), Column("updates", ["1,000", "20"])]
    >>> print(*set_in_columns(["batch 8", "batch 32"], narrow, 20), sep="|")
              loss|batch 8   0.31|batch 32   0.5||          updates|batch 8     1,000|batch 32       20
    """
    wrapped = [textwrap.wrap(name, NAME_WIDTH, subsequent_indent="  ") or [""] for name in names]
    first = max(len(line) for lines in wrapped for line in lines)
    tables: list[list[Column]] = [[]]
    room = width - first
    for column in columns:
        if not any(column.cells):
            continue
        needed = 2 + max(len(column.title), *(len(cell) for cell in column.cells))
        if tables[-1] and needed > room:
            tables.append([])
            room = width - first
        tables[-1].append(column)
        room -= needed
    lines: list[str] = []
    for table in tables:
        rows = [["", *(column.title for column in table)]]
        for place, (head, *rest) in enumerate(wrapped):
            rows.append([head, *(column.cells[place] for column in table)])
            rows += [[line, *([""] * len(table))] for line in rest]
        right = [number for number, column in enumerate(table, start=1) if column.right]
        lines += ([""] if lines else []) + aligned(rows, right)
    return lines


def quality(summary: Summary) -> str:
    """A figure over repeats in short.

    >>> from epochal.curves import summarize
    >>> quality(summarize([0.75, 0.78, 0.77])), quality(summarize([float("nan")] * 2))
    ('0.767 ± 0.015', 'not finite')
    """
    if summary.repeats == 0:
        return "not finite"
    if summary.sd is None:
        return f"{summary.mean:.3g}"
    return f"{summary.written(summary.mean)} ± {summary.written(summary.sd)}"
