"""Translation of command-line flags in messages to Python arguments."""

from __future__ import annotations

import csv
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["in_python", "named", "of_new_data"]

F = TypeVar("F", bound=Callable[..., Any])

_LISTS = {"keep", "drop", "categorical", "numeric", "missing", "fresh"}
"""Arguments that take several values."""

_TAKE_WORDS = _LISTS | {
    "task",
    "split",
    "remainder",
    "fill",
    "order",
    "optimizer",
    "schedule",
    "model",
    "target",
    "batch-size",
    "class-weight",
    "time-zone",
    "groups-from",
    "relative",
    "text",
}
"""Flags whose value may be a bare word."""

_SWITCHES = {
    "no-header": "header=False",
    "header": "header=True",
    "no-stream": "stream=False",
    "stream": "stream=True",
    "no-standardize": "standardize=False",
    "standardize": "standardize=True",
    "skip-bad": "skip_bad=True",
    "across-gaps": "across_gaps=True",
    "color": "color=True",
    "gray": "color=False",
    "evaluate-train": "evaluate_train=True",
    "deterministic": "deterministic=True",
    "yes": "yes=True",
}
"""Flags without a value."""

_CALLS: dict[str, frozenset[str]] = {}
"""The arguments of the functions that a sentence may name, as their signatures have them."""

_READ_OTHERWISE = re.compile(r"(?:; --(?P<flag>[a-z-]+)\b[^;]*| \(--[a-z-]+\))\.?$")
"""The end of a note that says how a file could be read in another way."""

_NAMES = {"window": "lags", "series": "by", "rank-by": "by", "rank-best": "best", "most-pairs": "most"}
"""Flags whose argument is called otherwise."""

_NO_VALUES = (
    "and|are|as|can|carries|changes|do|does|for|gives|in|is|keeps|lets|leaves|makes|may|means|names|of|or|"
    "reads|replaces|says|sets|takes|tells|to|which|with|would"
)
"""Words that follow a flag and are no value of it."""

_BARE = r"""(?:[^\s,;()'"]|,(?=\w))*[^\s.,;:()'"]"""
"""A value without quotes, such as a,b: not what ends a sentence."""

_FLAG = re.compile(
    rf"""(?<![\w=-])--(?P<name>[a-z][a-z-]*)
    (?:[ =](?P<value>"[^"]*"|'[^']*'|\d[\w.,]*(?<![.,])|(?!(?:{_NO_VALUES})\b){_BARE}))?""",
    re.VERBOSE,
)
_BOTH = re.compile(
    r"""--[a-z][a-z-]*(?:[ ](?:"[^"]*"|[^\s()]+))?
    [ ]\((?P<python>\w+=[^()]*?|[\w.]+\([^)]*\)+)(?:[ ]in[ ]Python)?\)""",
    re.VERBOSE,
)
_COMMAND = re.compile("`epochal [^`]*`")
"""A command line stays what it is."""
_SHOWN = re.compile(r"(?P<python>\b\w+ = \w+) \(--[a-z][^()]*\)")
_OR_FLAG = re.compile(r"(?P<python>\b(?P<name>\w+)=\S*|\b\w+) \(--(?P<flag>[a-z-]+)(?: [^()]*)?\)")


def named(call: str) -> Callable[[F], F]:
    """Let sentences name a function as Python code calls it, with the arguments that it has."""

    def keep(function: F) -> F:
        _CALLS[call] = frozenset(inspect.signature(function).parameters)
        return function

    return keep


def in_python(sentence: str, loader: str = "") -> str:
    """The sentence with `keep=["id"]` for `--keep id`, and so on; what names both keeps the Python side.

    `epochal` is called `ep` there, as after `import epochal as ep`.

    Args:
        sentence: as the command line says it.
        loader: the function that reads such data, where the sentence is about how it was read: it is named
            with what it takes and `fit` does not. `fit` takes no `task` of a data set that is ready.

    >>> in_python("row numbers: left out; --keep id keeps it.")
    'row numbers: left out; keep=["id"] keeps it.'
    >>> in_python("Train longer: --epochs 200, or with a larger --learning-rate.")
    'Train longer: epochs=200, or with a larger learning_rate.'
    >>> in_python("the first row is a header; --no-header reads it as data.")
    'the first row is a header; header=False reads it as data.'
    >>> in_python("Stop early with --patience 20; leave bad images out with --skip-bad (skip_bad=True).")
    'Stop early with stop=ep.Patience(20); leave bad images out with skip_bad=True.'
    >>> in_python("`epochal train a.csv --epochs 5` trains.")
    '`epochal train a.csv --epochs 5` trains.'
    >>> import epochal.data  # its functions say what they take
    >>> in_python("row numbers: left out; --keep id keeps it.", "ep.load_data")
    'row numbers: left out; ep.load_data(..., keep=["id"]) keeps it.'
    """
    if "--" not in sentence:
        return sentence
    command = _COMMAND.search(sentence)
    if command:
        before, after = (
            in_python(part, loader) for part in (sentence[: command.start()], sentence[command.end() :])
        )
        return before + command[0] + after
    sentence = _BOTH.sub(lambda found: found["python"], sentence)
    sentence = _SHOWN.sub(lambda found: found["python"], sentence)
    sentence = _OR_FLAG.sub(_same, sentence)
    return _FLAG.sub(lambda found: _loading(found, loader), sentence)


def of_new_data(sentence: str) -> str:
    """A note on data that `predict`, `evaluate` or `rank` read, which take no options of reading in Python.

    >>> of_new_data("the first row is a header; --no-header reads it as data.")
    'the first row is a header.'
    """
    end = _READ_OTHERWISE.search(sentence)
    reads = end is not None and (end["flag"] is None or _of(end["flag"]) in _CALLS["ep.load_data"])
    return in_python(f"{sentence[: end.start()]}." if end is not None and reads else sentence)


def _loading(found: re.Match[str], loader: str) -> str:
    """An argument, in a call of the loader if it is one of reading and the sentence does not show a call."""
    argument, reads = _argument(found), _loader(_of(found["name"]), loader)
    if not reads:
        return argument
    flag, value = found["name"], found["value"]
    call, rest = argument, ""
    if value is not None and (
        flag in _SWITCHES or not _is_value(flag, value)
    ):  # the next word of the sentence
        call = _argument_alone(flag, _NAMES.get(flag, flag.replace("-", "_")))
        rest = found[0][len(flag) + 2 :]
    return f"{reads}(..., {call if '=' in call else f'{call}=...'}){rest}"


def _of(flag: str) -> str:
    """The argument that a flag is in Python."""
    return _SWITCHES.get(flag, _NAMES.get(flag, flag.replace("-", "_"))).partition("=")[0]


def _loader(name: str, loader: str) -> str:
    """The call that takes an argument, if it is one of reading; empty where it stands alone."""
    of_fit = _CALLS.get("ep.fit", frozenset())
    if not loader or (name in of_fit and name != "task"):
        return ""
    if name in _CALLS.get(loader, ()):
        return loader
    others = [call for call, arguments in _CALLS.items() if name in arguments - of_fit]
    return others[0] if len(others) == 1 else ""


def _same(found: re.Match[str]) -> str:
    """An argument with its flag in parentheses, without the flag."""
    said = found["name"] or found["python"]
    same = said == found["flag"].replace("-", "_") or f"no-{said.replace('_', '-')}" == found["flag"]
    return found["python"] if same else found[0]


def _argument(found: re.Match[str]) -> str:
    flag, value = found["name"], found["value"]
    name = _NAMES.get(flag, flag.replace("-", "_"))
    if value is not None and not _is_value(flag, value):
        return _argument_alone(flag, name) + found[0][len(flag) + 2 :]
    if value is None:
        return _argument_alone(flag, name)
    if flag in _SWITCHES:
        return f"{_SWITCHES[flag]} {value}"
    if flag == "hidden":
        return f"ep.MLP({', '.join(value.split(','))})"
    if flag == "patience":
        return f"stop=ep.Patience({value})"
    if flag == "resize" and re.fullmatch(r"\d+x\d+", value):
        return f"resize=({value.replace('x', ', ')})"
    if flag in _LISTS:
        parts = next(csv.reader([value.strip("'")], skipinitialspace=True), [])
        return f"{name}=[{', '.join(map(_quoted, parts))}]"
    return f"{name}={value if _is_plain(value) else _quoted(value.strip(chr(34) + chr(39)))}"


def _argument_alone(flag: str, name: str) -> str:
    return {"hidden": "ep.MLP(...)", "patience": "stop=ep.Patience(...)", **_SWITCHES}.get(flag, name)


def _is_value(flag: str, value: str) -> bool:
    """Whether a word after a flag is its value, and not the next word of the sentence."""
    return value[0] in "\"'0123456789" or value.isupper() or flag in _TAKE_WORDS


def _is_plain(value: str) -> bool:
    """Whether it stands in Python as it does in a shell: a number, or a placeholder."""
    return re.fullmatch(r"[\d.]+(?:e-?\d+)?|[A-Z][A-Z_:]*", value) is not None


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
