"""Which runs does a folder hold?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from epochal.curves import summarize

__all__ = ["Entry", "listing"]


@dataclass(frozen=True)
class Entry:
    """A run in a line; `problem` says why one can't be read."""

    run: str
    date: str = ""
    source: str = ""
    batch_size: int = 0
    epochs: int = 0
    repeats: int = 0
    figure: str = ""
    verdict: str = ""
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """The line as a table shows it."""
        if self.problem:
            return (self.run, "", "", "", "", "", "", self.problem)
        numbers = (f"{self.batch_size:,}", f"{self.epochs:,}", f"{self.repeats:,}")
        return (self.run, self.date[:16].replace("T", " "), self.source, *numbers, self.figure, self.verdict)


def listing(folder: Path) -> list[Entry]:
    """The runs in a folder, the newest first; a damaged one is listed with its problem."""
    if not folder.is_dir():
        return []
    entries = [
        _entry(path.parent) for path in folder.glob("*/run.json") if not path.parent.name.startswith(".")
    ]
    return sorted(entries, key=lambda entry: entry.date, reverse=True)


def _entry(path: Path) -> Entry:
    try:
        document = json.loads((path / "run.json").read_text(encoding="utf-8"))
        settings = document["settings"]
        figure = ""
        for part in ("test", "validation"):
            metrics = document["scores"].get(part, {}).get("metrics", {})
            name = next((name for name in ("accuracy", "r2", "loss") if name in metrics), None)
            if name:
                values = [float("nan") if x is None else x for x in metrics[name]["per_repeat"]]
                summary = summarize(values)
                spread = "" if summary.sd is None else f" ± {summary.sd:.{summary.decimals}f}"
                figure = f"{part} {name} {summary.mean:.{summary.decimals}f}{spread}"
                break
        return Entry(
            run=str(path),
            date=document["conditions"]["date"],
            source=document["data"]["source"],
            batch_size=settings["batch_size"],
            epochs=settings["epochs"],
            repeats=settings["repeats"],
            figure=figure,
            verdict=document["verdict"]["kind"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Entry(run=str(path), problem=f"can't be read: {type(error).__name__}")
