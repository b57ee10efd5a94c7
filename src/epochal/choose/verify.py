"""Verification of the folder of a comparison or an advice."""

from __future__ import annotations

import json
from pathlib import Path

from epochal.choose.store import damaged_lines
from epochal.runs.choices import CHOICE, ChoiceFolder
from epochal.runs.sealed import read_sealed
from epochal.runs.verify import Finding, Verified, checked, foreign

_LINES = ("trials.jsonl", "timings.jsonl")
_KNOWN = ("request.json", "report.html", CHOICE, *_LINES)


def verify_choice(choice: ChoiceFolder) -> Verified:
    """Read every file of the folder; nothing is changed."""
    path, finished = choice.folder, choice.result is not None
    findings = [Finding("request.json", "" if _is_json(path / "request.json") else "it is no JSON")]
    for name in _LINES:
        if (path / name).is_file():
            wrong, lines = damaged_lines(path / name)
            problem = f"{wrong:,} of {lines:,} lines are not as they were written" if wrong else ""
            findings.append(Finding(name, problem))
    if (path / CHOICE).is_file():
        findings.append(checked(CHOICE, read_sealed, path / CHOICE))
    known = {*_KNOWN, *(one.name for one in path.glob("*.partial"))}
    advice = []
    if not finished:
        advice.append(f"The {choice.kind} {choice.way_on}.")
    elif any(finding.problem for finding in findings):
        advice.append(f"{choice.again} makes what is damaged again.")
    details = {"kind": choice.kind, "trainings": choice.trainings}
    notes = tuple(foreign(path, known, path))
    return Verified(path, finished, tuple(findings), notes, tuple(advice), details)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
