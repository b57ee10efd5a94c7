"""Pages as single files: templates with autoescape, one style sheet, one script, a policy for browsers."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from epochal.report.words import FILTERS


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
    loaded = _environment().loader
    assert isinstance(loaded, PackageLoader)

    def asset(name: str) -> Markup:
        return Markup(loaded.get_source(_environment(), name)[0])

    scripts = [asset("plotly-basic.min.js"), asset("page.js")]
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return (
        _environment()
        .get_template(template)
        .render(style=asset("page.css"), scripts=scripts, hashes=hashes, **context)
    )


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
