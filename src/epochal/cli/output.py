"""Output of text and JSON.

Text may cite names from files, so control characters never reach the terminal. In JSON they are escaped; data
is written unchanged unless to a terminal.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from epochal.common.option_text import render_message
from epochal.common.text import printable

_SENTENCES = {"notes", "training_notes", "verdict", "metric_warning", "conclusion", "findings", "problem"}
"""What documents hold sentences under."""


def echo(message: object, *, err: bool = False, wrap: bool = False) -> None:
    """Print a line on standard output, or on standard error; `wrap` fits a long one to a terminal."""
    text = printable(render_message(str(message)))
    if wrap and (sys.stderr if err else sys.stdout).isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(
            text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    click.echo(text, err=err)


def echo_json(value: Any) -> None:
    """Print one JSON document on standard output; control characters in it are escaped, C1 ones included."""
    click.echo(one_line_json(_spoken(value)))


def _spoken(value: Any, sentences: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {name: _spoken(one, sentences or name in _SENTENCES) for name, one in value.items()}
    if sentences and isinstance(value, list | tuple):
        return [_spoken(one, True) for one in value]
    return render_message(value) if sentences and isinstance(value, str) else value


def one_line_json(value: Any) -> str:
    r"""JSON in one line, with letters of all alphabets as they are.

    >>> one_line_json({"é": "\x9b2J"})
    '{"é": "\\u009b2J"}'
    """
    text = json.dumps(value, ensure_ascii=False)
    return text.translate(
        {sign: f"\\u{sign:04x}" for sign in map(ord, set(text)) if printable(chr(sign)) != chr(sign)}
    )


def echo_bytes(content: bytes) -> None:
    """Write data in UTF-8 to standard output: as it is, but for a terminal without what steers it."""
    if sys.stdout.isatty():
        content = printable(content.decode("utf-8", "replace")).encode()
    click.echo(content, nl=False)
    sys.stdout.flush()
