"""The self-contained HTML page."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from epochal.report.document import ReportDocument
from epochal.report.figures import figure_data
from epochal.report.html import body

__all__ = ["page", "shell", "write_page", "write_whole"]


def _policy(scripts: Sequence[str]) -> str:
    """The content security policy: no requests, and no scripts but these."""
    hashes = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def write_page(document: ReportDocument, path: str | Path) -> Path:
    """Write the report as one self-contained HTML file, atomically.

    The page holds plotly.js, its own style and script, and the numbers; it makes no requests. Every string of
    the document is escaped.
    """
    return write_whole(page(document), path)


def page(document: ReportDocument) -> str:
    """The whole page as text."""
    return shell(document.title, body(document), figure_data(document))


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


def shell(
    title: str,
    inside: str,
    figures: Any,
    *,
    styles: Sequence[str] = ("page.css",),
    scripts: Sequence[str] = ("page.js",),
) -> str:
    """A page around its body: policy, styles, data, plotly.js and scripts.

    Args:
        title: of the page, not escaped.
        inside: HTML.
        figures: plain data without NaN, which scripts read as JSON from the element `figures`.
        styles: style sheets of this package, in order.
        scripts: scripts of this package, in order.
    """
    code = [_plotly(), *(f"\n{_asset(name)}" for name in scripts)]
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(code)}">\n',
            f"<title>{escape(title)} · epochal</title>\n",
            f"<style>\n{''.join(map(_asset, styles))}</style>\n</head>\n<body>\n",
            inside,
            f'\n<script type="application/json" id="figures">{_embedded(figures)}</script>\n',
            *(f"<script>{script}</script>\n" for script in code),
            "</body>\n</html>\n",
        )
    )


def _asset(name: str) -> str:
    return resources.files("epochal.report").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    """The basic bundle of plotly.js (lines, markers and bars), version 4.1.1, as its makers ship it."""
    return _asset("templates/plotly-basic.min.js")


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element around it."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
