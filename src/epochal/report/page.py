"""How does a run become one page that a colleague can open offline?"""

from __future__ import annotations

import json
import os
from html import escape
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from epochal.errors import MissingExtra
from epochal.report.document import ReportDocument
from epochal.report.figures import figure_data
from epochal.report.html import body

__all__ = ["page", "write_page"]

# The browser itself refuses whatever would leave the file.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)


def write_page(document: ReportDocument, path: str | Path) -> Path:
    """Write the report as one self-contained HTML file; it appears whole or not at all.

    The page holds plotly.js, its own style and script, and the numbers; it fetches nothing. Every string of
    the document is escaped.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(page(document), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def page(document: ReportDocument) -> str:
    """The whole page as text."""
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
            f"<title>{escape(document.title)} · epochal</title>\n",
            f"<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n",
            body(document),
            f'\n<script type="application/json" id="figures">{_embedded(figure_data(document))}</script>\n',
            f"<script>{_plotly()}</script>\n<script>\n{_asset('page.js')}</script>\n</body>\n</html>\n",
        )
    )


def _asset(name: str) -> str:
    return resources.files("epochal.report").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    """plotly.js as shipped inside the plotly package, which need not be imported for it."""
    found = find_spec("plotly")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        script = Path(folder) / "package_data" / "plotly.min.js"
        if script.is_file():
            return script.read_text(encoding="utf-8").replace("</script", "<\\/script")
    raise MissingExtra('report.html needs plotly: pip install "plotly>=6".')


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element around it."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
