"""How do words and documents leave a command?

What is said may cite names from files: nothing in it steers the terminal. A document is JSON, in which such
characters are escaped; what was asked for as data goes as it is where no terminal shows it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from typing import Any

import click

from epochal.printable import printable

__all__ = ["say", "say_data", "say_document", "say_note"]


def say(words: object, *, err: bool = False) -> None:
    """Print a line on standard output, or on standard error."""
    click.echo(printable(str(words)), err=err)


def say_note(words: object) -> None:
    """Print a sentence on standard error, between words where a terminal would break it anywhere."""
    text = printable(str(words))
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(
            text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    click.echo(text, err=True)


def say_document(value: Any) -> None:
    """Print one JSON document on standard output; control characters in it are escaped, C1 ones included."""
    click.echo(document(value))


def document(value: Any) -> str:
    r"""JSON in one line, with letters of all alphabets as they are.

    >>> document({"é": "\x9b2J"})
    '{"é": "\\u009b2J"}'
    """
    text = json.dumps(value, ensure_ascii=False)
    steering = {sign for sign in set(text) if printable(sign) != sign}
    return re.sub("[" + "".join(map(re.escape, steering)) + "]", _escaped, text) if steering else text


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def say_data(content: bytes) -> None:
    """Write data in UTF-8 to standard output: as it is, but for a terminal without what steers it."""
    if sys.stdout.isatty():
        content = printable(content.decode("utf-8", "replace")).encode()
    click.echo(content, nl=False)
    sys.stdout.flush()
