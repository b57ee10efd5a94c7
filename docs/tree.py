"""With which line does each module open? Writes the tree in docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "epochal"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: written by docs/tree.py -->", "<!-- end of tree -->"
LAYERS = (
    "printable",
    "faces",
    "html_view",
    "layout",
    "errors",
    "waiting",
    "directions",
    "hosts",
    "plan",
    "data",
    "models",
    "nn",
    "engine",
    "curves",
    "stopping",
    "settings",
    "signatures",
    "events",
    "run",
    "ordering",
    "weighing",
    "standardizing",
    "lanes",
    "prepared",
    "held_out",
    "gathered",
    "fitting",
    "prepare",
    "describe",
    "asked",
    "agreed",
    "scoring",
    "baselines",
    "conclude",
    "remembered",
    "saving",
    "driving",
    "cluster",
    "progress",
    "training",
    "resuming",
    "words",
    "choose",
    "report",
    "cli",
)
"""From the first to the last: a layer imports only layers before it."""


def question(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0] if docstring else ""


def tree() -> str:
    """The layers in order, with the modules of each."""
    lines = ["```"]
    for layer in LAYERS:
        package = SOURCE / layer
        if package.is_dir():
            lines.append(f"{layer + '/':<22}{question(package / '__init__.py')}")
            paths = [path for path in sorted(package.glob("*.py")) if path.name != "__init__.py"]
            lines += [f"  {path.name:<20}{question(path)}" for path in paths]
        else:
            lines.append(f"{layer + '.py':<22}{question(package.with_suffix('.py'))}")
    return "\n".join([*lines, "```"])


def page() -> str:
    """The page with the tree as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tree()}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page(), encoding="utf-8") == 0)
