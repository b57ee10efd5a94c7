"""Progress in a notebook, updated in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from html import escape
from typing import Any

from epochal.common.text import printable
from epochal.training.progress.status import Display, Line

UPDATE_SECONDS = 0.1
"""Time between two updates of the display."""

ROOM = 120
"""Characters of the line."""


def in_notebook() -> bool:
    """Whether this process is a notebook kernel; does not import IPython.

    >>> in_notebook()
    False
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class Notebook(Display):
    """Shows a training as HTML in the cell's output."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._display: Any = display
        self._handle: Any = None
        self._shown = 0.0

    def opening(self, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        parts = []
        for title, (first, *others) in ((title, list(lines)) for title, lines in sections if lines):
            notes = "".join(f"<li>{_text(line)}</li>" for line in others)
            listed = f'<ul style="margin:0 0 .4em;padding-left:1.4em">{notes}</ul>' if notes else ""
            parts.append(f'<div style="line-height:1.5"><b>{_text(title)}</b> {_text(first)}{listed}</div>')
        self._display(self._html("".join(parts)))

    def show(self, line: Line) -> None:
        now = time.monotonic()
        if now - self._shown < UPDATE_SECONDS:
            return
        self._shown = now
        share = line.share
        bar = "" if share is None else f' value="{share:.4f}"'
        self._update(
            f'<progress max="1"{bar} style="width:12em;vertical-align:middle"></progress> '
            f"<span>{_text(line.fitted(ROOM))}</span>"
        )

    def note(self, words: str) -> None:
        if self._handle is not None:  # what follows is shown below the note
            self._handle.update(self._html(""))
            self._handle = None
        self._display(self._html(f"<div>{_text(words)}</div>"))

    def close(self, last: str = "") -> None:
        if last:
            self._update(f"<div>{_text(last)}</div>")

    def _update(self, html: str) -> None:
        if self._handle is None:
            self._handle = self._display(self._html(html), display_id=True)
        else:
            self._handle.update(self._html(html))


def _text(words: str) -> str:
    return escape(printable(words))
