"""Selection of the progress display: terminal, notebook, or none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from epochal.common.faces import spoken
from epochal.errors import Refusal
from epochal.training.events import Event, Noted, Progressed, Resumed, RunEnded, RunStarted, Unsaved
from epochal.training.progress.notebook import Notebook, in_notebook
from epochal.training.progress.opening import data_lines, training_lines
from epochal.training.progress.status import Display, Status

if TYPE_CHECKING:
    from epochal.training.loop import Control


def display(progress: bool | None) -> Display | None:
    """The display for a training: a notebook, stderr if it is a terminal, or none.

    True always shows it (as plain lines if stderr is no terminal), False never.
    """
    if not (progress is None or isinstance(progress, bool)):
        raise Refusal(f"progress must be True, False or None; got {progress!r}.")
    if progress is False:
        return None
    if in_notebook():
        return Notebook()
    if progress or (sys.stderr is not None and sys.stderr.isatty()):
        from epochal.training.progress.terminal import Terminal  # rich is imported only for a display

        return Terminal()
    return None


class Watcher:
    """Shows the events of a training."""

    def __init__(self, shown: Display, control: Control) -> None:
        self._display, self._status = shown, Status(control)

    def take(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            parts = [("Data", data_lines(event.prepared)), ("Training", training_lines(event.prepared))]
            loader = event.prepared.dataset.loader
            self._display.opening(
                [(title, [spoken(line, loader) for line in lines]) for title, lines in parts]
            )
        self._status.take(event)
        if isinstance(event, RunStarted | Progressed):
            self._display.show(self._status)
        elif isinstance(event, Resumed):
            before = (
                f"after {event.updates:,} updates"
                if event.updates
                else "from the beginning: there was no checkpoint yet"
            )
            self._notes(f"resumed {before}", *event.notes)
        elif isinstance(event, Unsaved):
            self._notes(f"not saved: {event.reason}; the training goes on and tries again")
        elif isinstance(event, Noted):
            self._notes(event.words)
        elif isinstance(event, RunEnded):
            self._display.close(self._status.last_line())
            self._notes(*filter(None, (event.run.failed, event.unsaved)))

    def close(self) -> None:
        """Stop showing."""
        self._display.close()

    def _notes(self, *notes: str) -> None:
        for words in notes:
            self._display.note(spoken(words))
