"""Writes the tree in docs/architecture.md from the first lines of all modules."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "epochal"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: written by docs/tree.py -->", "<!-- end of tree -->"
LAYERS = (
    "common",
    "errors",
    "plan",
    "settings",
    "data",
    "models",
    "nn",
    "engine",
    "curves",
    "stopping",
    "runs",
    "training",
    "choose",
    "report",
    "applications",
    "cli",
)
"""From the first to the last: a layer imports only layers before it."""


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0] if docstring else ""


def tree() -> str:
    """The layers in order, with the modules of each."""
    lines = ["```"]
    for layer in LAYERS:
        package = SOURCE / layer
        lines += _folder(package, 0) if package.is_dir() else [_line(package.with_suffix(".py"), 0)]
    return "\n".join([*lines, "```"])


def _folder(package: Path, depth: int) -> list[str]:
    """A package, its modules, and the packages in it."""
    inside = sorted(path for path in package.glob("*.py") if path.name != "__init__.py")
    packages = sorted(path.parent for path in package.glob("*/__init__.py"))
    lines = [_line(package, depth), *(_line(path, depth + 1) for path in inside)]
    return lines + [line for one in packages for line in _folder(one, depth + 1)]


def _line(path: Path, depth: int) -> str:
    name = path.name + "/" * path.is_dir()
    return f"{'  ' * depth + name:<25}{first_line(path / '__init__.py' if path.is_dir() else path)}"


def page() -> str:
    """The page with the tree as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tree()}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page(), encoding="utf-8") == 0)
