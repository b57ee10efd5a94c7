"""Which figures do the pages quote? Writes those of benchmarks/results between the marks for them.

A page has `<!-- quoted: NAME -->` and `<!-- end of NAME -->`; between them go the table and lines of
`benchmarks/results/NAME.md`, without its title.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
MARKED = re.compile(r"(<!-- quoted: (?P<name>\w+) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL)


def quoted(name: str) -> str:
    """What a table says, without its title."""
    return (RESULTS / f"{name}.md").read_text(encoding="utf-8").partition("\n")[2].strip()


def page(path: Path) -> str:
    """A page with the figures as they were measured last."""
    text = path.read_text(encoding="utf-8")
    return MARKED.sub(lambda found: f"{found[1]}{quoted(found['name'])}\n{found[3]}", text)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path), encoding="utf-8")
