"""The list of runs, comparisons and advice in a folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.common.metric_names import label_of
from epochal.common.text import one_line
from epochal.curves import Summary
from epochal.data.records import Record, convert_json
from epochal.errors import Refusal
from epochal.runs.checks import WRONG
from epochal.runs.run_files import REQUEST, RUN
from epochal.runs.run_json import RunJson, read_run_json
from epochal.runs.studies import StudyFolder, read_study


@dataclass(frozen=True)
class Entry(Record):
    """A run, comparison or advice in a line; `problem` says why it can't be read, or how to resume.

    For choices, `batch_size` and `epochs` are of the best setting, and `settings` is their number; an
    advice without a recommendation has no numbers.
    """

    run: str
    kind: str = "run"
    date: str = ""
    source: str = ""
    batch_size: int = 0
    epochs: int = 0
    repeats: int = 0
    result: str = ""
    verdict: str = ""
    settings: int = 1
    problem: str = ""

    def cells(self) -> tuple[str, ...]:
        """The cells of its table row."""
        run = one_line(self.run)
        if self.problem:
            return (run, "", "", "", "", "", "", one_line(self.problem))
        numbers = (f"{one:,}" if one else "" for one in (self.batch_size, self.epochs, self.repeats))
        return (run, self.date[:16].replace("T", " "), self.source, *numbers, self.result, self.verdict)


def listing(folder: Path) -> list[Entry]:
    """The runs, comparisons and advice in a folder, also damaged or unfinished ones, the newest first."""
    if not folder.is_dir():
        return []
    found = {path.parent for name in (RUN, REQUEST) for path in folder.glob(f"*/{name}")}
    entries = [_entry(path) for path in found if not path.name.startswith(".")]
    known = [entry for entry in entries if entry is not None]
    return sorted(known, key=lambda entry: (entry.date, entry.run), reverse=True)


def _entry(path: Path) -> Entry | None:
    study = read_study(path)
    if study is not None:
        try:
            return _study_entry(study)
        except (OSError, *WRONG) as error:
            problem = f"can't be read: {type(error).__name__}"
            return Entry(run=str(path), kind=study.kind, problem=problem)
    if not (path / RUN).is_file():
        unfinished = Entry(run=str(path), problem=f"has not ended: epochal resume {path}")
        return unfinished if (path / REQUEST).is_file() else None
    try:
        return _described(path, read_run_json(path))
    except Refusal:
        return Entry(run=str(path), problem="can't be read: run.json is damaged, or of another version")


def _described(path: Path, document: RunJson) -> Entry:
    results = [
        _result_text(f"{part}.{name}", convert_json(Summary, metrics[name], name))
        for part in ("test", "validation")
        for metrics in [convert_json(dict[str, Any], document.scores.get(part, {}).get("metrics", {}), part)]
        for name in ("accuracy", "r2", "loss")
        if name in metrics
    ]
    return Entry(
        run=str(path),
        date=one_line(document.environment["date"], 200),
        source=one_line(document.data["source"], 200),
        **{name: document.settings[name] for name in ("batch_size", "epochs", "repeats")},
        result=results[0] if results else "",
        verdict=document.verdict.kind + (" (interrupted)" if document.interrupted else ""),
    )


def _study_entry(study: StudyFolder) -> Entry:
    run, found = str(study.folder), study.result
    if found is None:
        return Entry(run=run, kind=study.kind, problem=f"{study.kind} {study.way_on}")
    common: dict[str, Any] = {
        "run": run,
        "kind": study.kind,
        "date": one_line(convert_json(str, found["environment"]["date"], "date"), 200),
        "source": one_line(convert_json(str, found["data"]["source"], "source"), 200),
    }
    monitor = one_line(convert_json(str, found["monitor"], "monitor"), 200)
    if study.kind == "advice":
        tried = {(one["batch_size"], one["learning_rate"]) for one in found["tried"]}
        if found["recommended"] is False:  # what came nearest is no advice
            return Entry(**common, verdict="no recommendation", settings=len(tried))
        size, epochs = convert_json(int, found["batch_size"], "batch_size"), found["epochs"]["value"]
        best, verdict, settings = found, "advice", len(tried)
        repeats = len(found["quality"]["per_repeat"])
    else:
        best = found["rows"][0]
        size, epochs = convert_json(int, best["batch_size"], "batch_size"), best["epochs"]
        repeats = convert_json(int, best["repeats"], "repeats")
        verdict, settings = f"best of {len(found['rows']):,}", len(found["rows"])
    common |= {"batch_size": size, "epochs": math.ceil(epochs), "repeats": repeats}
    result = _result_text(monitor, Summary.from_dict(best["quality"]))
    return Entry(**common, result=result, verdict=verdict, settings=settings)


def _result_text(name: str, summary: Summary) -> str:
    spread = "" if summary.sd is None else f" ± {summary.sd:.{summary.decimals}f}"
    return f"{label_of(name)} {summary.mean:.{summary.decimals}f}{spread}"
