"""Pages as single files: templates with autoescape, tables, style, script, and a policy for browsers."""

from __future__ import annotations

import hashlib
import math
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from epochal.report.formatting import FILTERS


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("epochal.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(FILTERS)
    found.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
    }
    return found


def render(template: str, **context: Any) -> str:
    """A page as text: it holds plotly.js, its style, its script and its numbers, and fetches nothing.

    The policy in it lets the browser run the two scripts by their hashes, and refuses whatever would leave.
    """
    assets = Path(__file__).parent / "templates"
    style, *scripts = (
        Markup((assets / name).read_text("utf-8")) for name in ("page.css", "plotly-basic.min.js", "page.js")
    )
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    page = _environment().get_template(template)
    return page.render(style=style, scripts=scripts, hashes=hashes, **context)


def write_whole(text: str, path: str | Path) -> Path:
    """Write a page atomically, replacing an existing one."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace")  # names can have invalid surrogates
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what stands small below it, by what it is sorted (None comes last), and its class."""

    text: str
    small: str = ""
    by: float | str | None = None
    kind: str = ""

    @property
    def key(self) -> str:
        """What the script sorts by."""
        if self.by is None or (isinstance(self.by, float) and math.isnan(self.by)):
            return ""
        return self.by if isinstance(self.by, str) else repr(float(self.by))


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; one with meanings of its heads is sorted by a click on them.

    Args:
        heads: the name of each column, or (name, meaning).
        rows: their cells.
        caption: for who cannot see it.
        kind: its class.
    """

    heads: Sequence[str | tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    kind: str = ""

    @property
    def columns(self) -> list[tuple[str, str, bool]]:
        """Name, meaning, and whether it holds numbers: what is sorted by some and by no text."""
        kinds = [
            {type(row[i].by) for row in self.rows if row[i].by is not None} for i in range(len(self.heads))
        ]
        names = [(head, "") if isinstance(head, str) else head for head in self.heads]
        return [(*name, bool(kind) and str not in kind) for name, kind in zip(names, kinds, strict=True)]
