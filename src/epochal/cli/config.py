"""Option files in TOML: read in place of flags, and written from those given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from epochal.common.version import VERSION
from epochal.errors import Refusal, did_you_mean, reason

_NOT_KEPT = ("config", "save_config", "out", "as_json", "quiet", "help")  # what belongs to one call


def read_config(path: Path, params: Sequence[click.Parameter]) -> dict[str, Any]:
    """What a file says about these parameters, in any sections, as text of a command line; by name."""
    import tomllib  # late: few calls have a file

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f'"{path}" can\'t be read: {reason(error)}.') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f'"{path}" must be a TOML file: {error}.') from error
    known = {str(one.name): one for one in params if one.name not in _NOT_KEPT}
    found = {}
    options: dict[str, Any] = {}
    for key, value in document.items():
        is_section = isinstance(value, dict) and key.replace("-", "_") not in known
        options |= value if is_section else {key: value}
    for key, value in options.items():
        name = key.replace("-", "_")
        if name not in known:
            hint = did_you_mean("option", key, known).partition(" Known: ")[0]
            raise Refusal(f'{hint} It stands in "{path}".')
        found[name] = _text(known[name], value)
    return found


def _text(param: click.Parameter, value: Any) -> Any:
    if isinstance(param, click.Option) and param.is_flag:
        if not isinstance(value, bool):
            raise Refusal(f"`{param.name}` must be true or false; got {json.dumps(value, default=str)}.")
        return value
    if isinstance(value, dict):
        value = [f"{name}={_word(one)}" for name, one in value.items()]
    words = [_word(one) for one in value] if isinstance(value, list) else [_word(value)]
    return tuple(words) if getattr(param, "multiple", False) else ",".join(words)


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def write_config(path: Path, command: str, given: Mapping[str, Any]) -> None:
    """Write what was given; a file that holds the same already stays, any other is refused.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "a.toml"
    >>> write_config(path, "train", {"data": "a.csv", "epochs": "5", "drop": ["a", "b"], "stateful": True})
    >>> print(path.read_text().partition("\\n")[2], end="")
    data = "a.csv"
    epochs = 5
    drop = ["a", "b"]
    stateful = true
    """
    lines = [f"# epochal {command}, version {VERSION}"]
    lines += [f"{name} = {_toml(value)}" for name, value in given.items() if name not in _NOT_KEPT]
    text = "\n".join(lines) + "\n"
    try:
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            raise Refusal(f'"{path}" exists already; name another file with --save-config.')
    except OSError as error:
        raise Refusal(f'"{path}" can\'t be written: {reason(error)}.') from error


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    for read in (int, float):
        if isinstance(value, str) and _same(read, value):
            return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _same(read: type, text: str) -> bool:
    """Whether text is a number just as Python and TOML write it."""
    try:
        return str(read(text)) == text and text.strip("-0123456789.e+") == ""
    except ValueError:
        return False
