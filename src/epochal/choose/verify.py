"""Verification of the folder of a comparison or an advice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.choose.store import damaged_lines
from epochal.errors import Refusal
from epochal.runs.choices import CHOICE, ChoiceFolder
from epochal.runs.sealed import read_sealed
from epochal.runs.verify import Finding

_LINES = ("trials.jsonl", "timings.jsonl")
_KNOWN = ("request.json", "report.html", CHOICE, *_LINES)


@dataclass(frozen=True)
class VerifiedChoice:
    """The result of a verification, with the interface of `runs.verify.Verified`."""

    choice: ChoiceFolder
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not any(finding.problem for finding in self.findings)

    @property
    def conclusion(self) -> str:
        """The damage and its consequences, in a few sentences."""
        damaged = [finding.name for finding in self.findings if finding.problem]
        state = f"damaged: {', '.join(damaged)}." if damaged else "sound: every file is as it was written."
        if self.choice.result is None:
            return f"{state} The {self.choice.kind} {self.choice.way_on}."
        return f"{state} {self.choice.again} makes what is damaged again." if damaged else state

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "run": str(self.choice.folder),
            "kind": self.choice.kind,
            "finished": self.choice.result is not None,
            "sound": self.sound,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "trainings": self.choice.trainings,
            "conclusion": self.conclusion,
        }


def verify_choice(choice: ChoiceFolder) -> VerifiedChoice:
    """Read every file of the folder; nothing is changed."""
    path = choice.folder
    findings = [Finding("request.json", "" if _is_json(path / "request.json") else "it is no JSON")]
    for name in _LINES:
        if (path / name).is_file():
            wrong, lines = damaged_lines(path / name)
            problem = f"{wrong:,} of {lines:,} lines are not as they were written" if wrong else ""
            findings.append(Finding(name, problem))
    if (path / CHOICE).is_file():
        try:
            read_sealed(path / CHOICE)
            findings.append(Finding(CHOICE))
        except Refusal as refusal:
            findings.append(
                Finding(CHOICE, refusal.sentence.partition(" is damaged: ")[2] or refusal.sentence)
            )
    notes = tuple(
        f"{one.name} is not epochal's, and is never read."
        for one in sorted(path.iterdir())
        if one.name not in _KNOWN and not one.name.endswith(".partial")
    )
    return VerifiedChoice(choice, tuple(findings), notes)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
