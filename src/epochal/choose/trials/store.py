"""The folder of finished trainings, from which a repeated call continues.

`request.json` holds the request, `trials.jsonl` one line per finished training, `timings.jsonl` one per
measured update time. A line that is cut off, as after a kill, or that does not match its checksum is ignored,
and its training is done again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from epochal.choose.trials.trial import Trial
from epochal.curves import Curves
from epochal.errors import Refusal
from epochal.runs.checksummed_json import read_sealed
from epochal.runs.studies import STUDY, StudyFolder
from epochal.runs.verify import Finding, Verified, checked, foreign


def digest(request: Any) -> str:
    """Eight hexadecimal digits that tell requests apart.

    >>> digest({"a": 1}) == digest({"a": 1}) != digest({"a": 2})
    True
    """
    text = json.dumps(request, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Store:
    """Finished trials by key, in memory and, if a folder is given, on disk.

    `request` is what the trials answer; a folder that holds another request is refused.
    """

    def __init__(self, folder: Path | None, request: Any = None) -> None:
        self.folder = folder
        self._trials: dict[str, dict[str, Any]] = {}
        self._timings: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        if folder is None:
            return
        try:
            _begin(folder, request)
            self._trials = _lines(folder / "trials.jsonl")
            self._timings = _lines(folder / "timings.jsonl")
        except OSError as error:
            raise _unwritable(folder, error) from error

    def __len__(self) -> int:
        return len(self._trials)

    def find(self, key: str, candidate: str, repeat: int) -> Trial | None:
        """The trial with that key, or None."""
        row = self._trials.get(key)
        try:
            return None if row is None else _trial(row, candidate, repeat)
        except _WRONG:
            return None  # whoever sealed it did not train it; it is done again

    def add(self, key: str, trial: Trial) -> None:
        """Keep a trial."""
        curves = trial.curves
        row = {
            "key": key,
            "updates": trial.updates,
            "took": trial.seconds,
            "reason": trial.reason,
            **{name: getattr(curves, name).tolist() for name in ("epoch", "update", "samples")},
            "seconds": [round(value, 6) for value in curves.seconds.tolist()],
            # Nine digits tell float32 numbers apart; JSON has no NaN.
            "columns": {
                name: [float(f"{value:.9g}") if math.isfinite(value) else None for value in values.tolist()]
                for name, values in curves.columns.items()
            },
            "influences": {name: values.tolist() for name, values in trial.influences.items()},
            "forecasts": trial.forecasts.tolist(),
        }
        self._keep(self._trials, "trials.jsonl", row)

    def timing(self, key: str) -> dict[str, Any] | None:
        """What was measured under that name: numbers."""
        numbers = self._timings.get(key)
        sound = numbers is not None and all(
            name == "key" or (isinstance(value, int | float) and abs(value) < 2**62)
            for name, value in numbers.items()
        )
        return numbers if sound else None

    def add_timing(self, key: str, numbers: dict[str, Any]) -> None:
        """Keep a measured update time."""
        self._keep(self._timings, "timings.jsonl", {"key": key, **numbers})

    def _keep(self, rows: dict[str, dict[str, Any]], name: str, row: dict[str, Any]) -> None:
        with self._lock:
            rows[row["key"]] = row
            if self.folder is None:
                return
            line = json.dumps({**row, "sum": digest(row)}, allow_nan=False, separators=(",", ":")) + "\n"
            try:
                with (self.folder / name).open("a", encoding="utf-8") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise _unwritable(self.folder, error) from error


_WRONG = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What content raises that no training has written."""


def _trial(row: dict[str, Any], candidate: str, repeat: int) -> Trial:
    # Values were float32 once: read as such, they have the bits that they had before they were written.
    columns = {
        str(name): _numbers(values).astype(np.float32).astype(np.float64)
        for name, values in row["columns"].items()
    }
    epoch, seconds = (_numbers(row[name]) for name in ("epoch", "seconds"))
    update, samples = (_whole(row[name]) for name in ("update", "samples"))
    curves = Curves(np.full(len(update), repeat), epoch, update, samples, seconds, columns)
    if not isinstance(row["reason"], str):
        raise TypeError("a reason is due")
    influences = {str(name): _numbers(values) for name, values in row["influences"].items()}
    windows = [_numbers(one) for one in row["forecasts"]]
    forecasts = np.stack(windows) if windows else np.empty((0, 0))
    updates, took = int(row["updates"]), float(row["took"])
    return Trial(candidate, repeat, curves, updates, took, row["reason"], influences, forecasts)


def _unwritable(folder: Path, error: OSError) -> Refusal:
    why = error.strerror or error
    return Refusal(f'folder "{folder}" can\'t be written: {why}. Name another folder, or make room.')


def _begin(folder: Path, request: Any) -> None:
    path, text = folder / "request.json", json.dumps(request, indent=1, sort_keys=True, default=str)
    if folder.exists():
        held = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        if held is None and any(path.name != "request.json.partial" for path in folder.iterdir()):
            raise Refusal(f"folder {folder} must be new or hold a comparison; it holds something else.")
        if held is not None and held != text:
            raise Refusal(
                f"folder {folder} must hold the same comparison; it holds another one (request.json). "
                "Name another folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        partial = path.with_name("request.json.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def _lines(path: Path) -> dict[str, dict[str, Any]]:
    """The whole lines of a file by key; one that a kill cut off ends with a line break for the next."""
    if not path.is_file():
        return {}
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
    rows = filter(None, map(_row, content.splitlines()))
    return {row["key"]: row for row in rows}


def _row(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None if it is not as it was written."""
    try:
        row: dict[str, Any] = json.loads(line)
        return row if row.pop("sum") == digest(row) and "key" in row else None
    except _WRONG:
        return None


def _numbers(values: list[Any]) -> Any:
    if not isinstance(values, list) or any(isinstance(value, str) for value in values):
        raise TypeError("numbers are due")
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _whole(values: list[Any]) -> Any:
    if not isinstance(values, list) or not all(type(value) is int and value >= 0 for value in values):
        raise TypeError("whole numbers are due")
    return np.array(values, np.int64)


_LINES = ("trials.jsonl", "timings.jsonl")
_KNOWN = ("request.json", "report.html", STUDY, *_LINES)


def verify_study(study: StudyFolder) -> Verified:
    """Read every file of the folder; nothing is changed."""
    path, finished, problem = study.folder, study.result is not None, ""
    try:
        json.loads((path / "request.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        problem = "it is no JSON"
    findings = [Finding("request.json", problem)]
    for name in filter(lambda name: (path / name).is_file(), _LINES):
        lines = list(filter(None, (path / name).read_bytes().splitlines()))
        wrong = sum(_row(line) is None for line in lines)
        problem = f"{wrong:,} of {len(lines):,} lines are not as they were written" if wrong else ""
        findings.append(Finding(name, problem))
    if (path / STUDY).is_file():
        findings.append(checked(STUDY, read_sealed, path / STUDY))
    known = {*_KNOWN, *(one.name for one in path.glob("*.partial*"))}
    advice = []
    if not finished:
        advice.append(f"The {study.kind} {study.way_on}.")
    elif any(finding.problem for finding in findings):
        advice.append(f"{study.again} makes what is damaged again.")
    details = {"kind": study.kind, "trainings": study.trainings}
    notes = tuple(foreign(path, known, path))
    return Verified(path, finished, tuple(findings), notes, tuple(advice), details)
