"""Options in sentences: Python code between backticks, rendered for Python or as flags.

A sentence names an option as `epochs=200`, or as `epochs` where no value matters, and records keep it so.
Python shows the code without the backticks; the command line sets a renderer that writes flags.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_CODE = re.compile(r"`([A-Za-z_]+(?:=[^`]+)?|(?:ep\.\w+|to_dict)\([^`]*\))`")
"""A name, with a value or as a call; what else stands between backticks is a command and stays."""

_OTHERWISE = re.compile(r"(?:; `(?P<option>\w+)\b[^;]*| \(`\w+`\))\.?$")
"""The end of a note that says how a file could be read in another way."""

_CALLS: dict[str, frozenset[str]] = {}
"""The arguments of the functions that a sentence may name, as their signatures have them."""

_renderer: Callable[[str], str] | None = None


def option(name: str, value: Any, of: str = "") -> str:
    """An option with a value that comes from data, as code in a sentence; `of` is the function that takes it.

    >>> print(option("keep", ["blood type"]), option("skip_rows", 3), option("delimiter", "`"))
    `keep=["blood type"]` `skip_rows=3` `delimiter="\\x60"`
    """
    code = f"{name}={_literal(value)}"
    return f"`{of}(..., {code})`" if of else f"`{code}`"


def call(function: str, *values: Any) -> str:
    """A call with values that come from data, as code in a sentence.

    >>> call("ep.resume", "runs/a")
    '`ep.resume("runs/a")`'
    """
    return f"`{function}({', '.join(map(_literal, values))})`"


def render_message(sentence: str, loader: str = "") -> str:
    """A sentence as the current interface shows it.

    Args:
        sentence: with options between backticks.
        loader: the function that reads such data, where the sentence is about how it was read: in Python it
            is named with what it takes and `fit` does not. `fit` takes no `task` of data that is ready.

    >>> render_message('row numbers: left out; `keep=["id"]` keeps it.')
    'row numbers: left out; keep=["id"] keeps it.'
    >>> import epochal.data  # its functions say what they take
    >>> render_message('row numbers: left out; `keep=["id"]` keeps it.', "ep.load_data")
    'row numbers: left out; ep.load_data(..., keep=["id"]) keeps it.'
    """
    return "".join(words for words, _ in parts(sentence, loader))


def parts(sentence: str, loader: str = "") -> Iterator[tuple[str, bool]]:
    """The rendered pieces of a sentence, each with whether it is code."""
    for place, piece in enumerate(_CODE.split(sentence)):
        if place % 2 == 0:
            yield piece, False
        else:
            yield _renderer(piece) if _renderer is not None else _in_python(piece, loader), True


@contextmanager
def rendering(renderer: Callable[[str], str]) -> Iterator[None]:
    """Use a renderer of code between backticks within the context."""
    before = set_renderer(renderer)
    try:
        yield
    finally:
        set_renderer(before)


def set_renderer(renderer: Callable[[str], str] | None) -> Callable[[str], str] | None:
    """Set the renderer of code between backticks, None for Python; returns the one before."""
    global _renderer
    before, _renderer = _renderer, renderer
    return before


def register_call(call: str) -> Callable[[F], F]:
    """Register a function, with its arguments, under the name that sentences, and errors of Python, use."""

    def keep(function: F) -> F:
        function.__name__ = function.__qualname__ = call.removeprefix("ep.")
        _CALLS[call] = frozenset(inspect.signature(function).parameters)
        return function

    return keep


def of_new_data(sentence: str) -> str:
    """A note on data that `predict`, `evaluate` or `rank` read, which take no options of reading in Python.

    >>> import epochal.data  # its functions say what they take
    >>> of_new_data("the first row is a header; `header=False` reads it as data.")
    'the first row is a header.'
    """
    end = None if _renderer else _OTHERWISE.search(sentence)
    reads = end is not None and (end["option"] is None or end["option"] in _CALLS["ep.load_data"])
    return render_message(f"{sentence[: end.start()]}." if end is not None and reads else sentence)


def _in_python(code: str, loader: str) -> str:
    """The code, in a call of the loader if it names an option of reading."""
    name, of_fit = code.partition("=")[0], _CALLS.get("ep.fit", frozenset())
    if not loader or (name in of_fit and name != "task"):
        return code
    if name not in _CALLS.get(loader, ()):
        others = [call for call, arguments in _CALLS.items() if name in arguments - of_fit]
        loader = others[0] if len(others) == 1 else ""
    return f"{loader}(..., {code if '=' in code else f'{code}=...'})" if loader else code


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return text.replace("`", "\\x60")
