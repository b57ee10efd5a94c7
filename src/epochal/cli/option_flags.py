"""The Python code of options in sentences, rewritten as flags."""

from __future__ import annotations

import ast
import re
import shlex

from epochal.settings import DECLARED

_NAMES = {"id_columns": "id"} | {one.name: one.flag for one in DECLARED.values() if one.flag}
"""Arguments whose flag has another name."""

_OF_RANKS = {"by": "rank-by", "best": "rank-best"}
"""Arguments of `load_rank_pairs` whose flag has another name."""

_CALLS = {"MLP": "hidden", "Patience": "patience", "Blocks": "block-length"}
"""Objects that a flag makes from its value."""

_WHOLE = {"TextClassifier": "--network text", "to_dict": "--json"}
"""Calls that are a flag, whatever they take."""

_VALUES = {"model": "MODULE:FUNCTION"}
"""What stands for a value where none is known, and the flag alone would not say enough."""


def in_flags(code: str) -> str:
    """An option or a call, as the command line has it.

    >>> print(in_flags('keep=["blood type"]'), in_flags('drop=["a, b", 3]'))
    --keep "blood type" --drop '"a, b",3'
    >>> print(in_flags("header=False"), in_flags("color=False"), in_flags("skip_bad=True"))
    --no-header --gray --skip-bad
    >>> print(in_flags("epochs"), in_flags("epochs=20"), in_flags("out=..."), in_flags("resize=(28, 32)"))
    --epochs --epochs 20 --out --resize 28x32
    >>> print(in_flags("ep.MLP(128, 64)"), in_flags("stop=ep.Patience(20)"))
    --hidden 128,64 --patience 20
    >>> print(in_flags('ep.load_windows(..., window=9, series="shop")'))
    --window 9 --series shop
    >>> print(in_flags('ep.resume("a b", epochs=9)'))
    `epochal resume 'a b' --epochs 9`
    """
    source = f"_({code})"
    try:
        whole: ast.expr | None = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        whole = None
    if not isinstance(whole, ast.Call):  # no code of ours: a name in a file is called so
        return code
    first = whole.args[0] if whole.args else None
    if isinstance(first, ast.Name):
        return f"--{_NAMES.get(first.id, first.id).replace('_', '-')}"
    return _of_call(first if isinstance(first, ast.Call) else whole, source)


def _of_call(call: ast.Call, source: str) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _WHOLE:
        return _WHOLE[name]
    if name in _CALLS:
        values = ",".join(_text(one, source) for one in call.args if not _open(one))
        return f"--{_CALLS[name]} {values}".rstrip()
    names = _NAMES | (_OF_RANKS if name == "load_rank_pairs" else {})
    options = [_option(one, names, source) for one in call.keywords]
    folders = [shlex.quote(_text(one, source)) for one in call.args if not _open(one)]
    if name == "resume" and folders:
        return f"`epochal resume {' '.join([*folders, *options])}`"
    return " ".join(options)


def _option(given: ast.keyword, names: dict[str, str], source: str) -> str:
    name, value = given.arg or "", given.value
    flag = names.get(name, name).replace("_", "-")
    if isinstance(value, ast.Call):
        return _of_call(value, source)
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        off = "gray" if name == "color" else f"no-{flag}"
        return f"--{flag if value.value else off}"
    if _open(value):
        return " ".join(filter(None, (f"--{flag}", _VALUES.get(name, ""))))
    if name == "resize" and isinstance(value, ast.Tuple):
        return f"--{flag} {'x'.join(_text(one, source) for one in value.elts)}"
    return f"--{flag} {_value(value, source)}"


def _value(value: ast.expr, source: str) -> str:
    """A value as one word of a shell; parts of a list that have commas stand in quotes, as in CSV."""
    if isinstance(value, ast.List | ast.Tuple):
        words = [_text(one, source) for one in value.elts]
        text = ",".join('"' + one.replace('"', '""') + '"' if set(one) & set(',"') else one for one in words)
    else:
        text = _text(value, source)
    if re.fullmatch(r"[\w./+,:%…-]+", text):
        return text
    return shlex.quote(text) if not text or set(text) & set('$`!\\"') else f'"{text}"'


def _text(value: ast.expr, source: str) -> str:
    """Text and numbers as they are written; a placeholder is its name."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return ast.get_source_segment(source, value) or ""


def _open(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is ...
