"""Progress and tables of comparisons and advice on the screen.

On a terminal a live line: the step, trainings done, their rate, the remaining time, and below it the latest
finding. In a pipe a plain line now and then.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from epochal.choose.trials.progress import Pace
from epochal.cli.screen import LiveScreen, print_places
from epochal.common.text import aligned, wrapped
from epochal.training.progress.terminal import section

if TYPE_CHECKING:
    from epochal.choose.trials.progress import ProgressStep
    from epochal.curves import Summary

NAME_WIDTH = 30  # a longer name of a setting goes on in the line below


class StudyScreen(LiveScreen):
    """Shows steps; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self._pace = _PaceAndFinding()
        super().__init__(quiet, to_stderr, self._pace)
        self.width = max(60, min(120, self.console.width))
        self._opening: list[tuple[str, list[str]]] = []

    def opening(self, title: str, lines: Sequence[str]) -> None:
        """Print lines under a title once the work begins: what is refused before says no more than that."""
        self._opening.append((title, list(lines)))

    def section(self, title: str, lines: Sequence[str], *, wrap: bool = True) -> None:
        """Print lines under a title, wrapped to the width unless they are to stay whole."""
        if not self.quiet and lines:
            section(self.console, title, lines, self.width, wrap=wrap)

    def answer(self, sentence: str) -> None:
        """Print the one sentence that matters."""
        if not self.quiet:
            self.console.print()
            self.console.print(Text(textwrap.fill(sentence, self.width), style="bold"), soft_wrap=True)

    def paths(self, folder: Path, report: Path | None) -> None:
        """Print where everything is."""
        if not self.quiet:
            print_places(self.console, [("Folder", folder), *([("Report", report)] if report else [])])

    def show(self, step: ProgressStep) -> None:
        """Take one step."""
        if not self.quiet:
            for number, (title, lines) in enumerate(self._opening):
                section(self.console, title, lines, self.width, apart=number > 0)
        self._opening.clear()
        self._pace.take(step)
        self._pace.finding = step.text or self._pace.finding
        if step.text and not self.quiet and not self.console.is_terminal:
            self.console.print(Text(wrapped([step.text], self.width)), soft_wrap=True)
        if step.total and not self.quiet:
            self._terminal.print_if_due(self._pace.line)


class _PaceAndFinding(Pace):
    finding = ""

    def fitted(self, room: int) -> str:
        lines = filter(None, (super().fitted(room), self.finding))
        return "\n".join(textwrap.shorten(line, room, placeholder=" ...") for line in lines)


@dataclass(frozen=True)
class TextColumn:
    """A column of a table: its title, and a cell for each row; numbers end together."""

    title: str
    cells: Sequence[str]
    right: bool = True


def set_in_columns(names: Sequence[str], columns: Sequence[TextColumn], width: int) -> list[str]:
    """A table of settings as lines of at most `width`; columns that need more room go into one below it.

    Columns without any content are left out; a long name goes on in the line below.

    >>> narrow = [TextColumn("loss", ["0.31", "0.5"]), TextColumn("updates", ["1,000", "20"])]
    >>> print(*set_in_columns(["batch 8", "batch 32"], narrow, 20), sep="|")
              loss|batch 8   0.31|batch 32   0.5||          updates|batch 8     1,000|batch 32       20
    """
    wrapped = [textwrap.wrap(name, NAME_WIDTH, subsequent_indent="  ") or [""] for name in names]
    first = max(len(line) for lines in wrapped for line in lines)
    tables: list[list[TextColumn]] = [[]]
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
    """A metric over repeats in short.

    >>> from epochal.curves import summarize
    >>> quality(summarize([0.75, 0.78, 0.77])), quality(summarize([float("nan")] * 2))
    ('0.767 ± 0.015', 'not finite')
    """
    if summary.repeats == 0:
        return "not finite"
    if summary.sd is None:
        return f"{summary.mean:.3g}"
    return f"{summary.format_value(summary.mean)} ± {summary.format_value(summary.sd)}"
