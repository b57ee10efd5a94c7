"""Verification of a run folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from epochal.common.faces import call
from epochal.errors import Refusal
from epochal.runs import checkpoints, disk
from epochal.runs.contents import PAGE, PARAMETERS, REQUEST, RESULTS, RUN, listed, read_run
from epochal.runs.folder import load_record
from epochal.runs.lock import NAME as LOCK
from epochal.runs.lock import WRITER
from epochal.runs.manifest import MANIFEST, Manifest
from epochal.runs.sealed import read_sealed

_PASSING = (".result-", f".{REQUEST}-")
"""Prefixes of temporary names."""


@dataclass(frozen=True)
class Finding:
    """A checked file or checkpoint, and its problem, if any."""

    name: str
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "sound": not self.problem, "problem": self.problem}


@dataclass(frozen=True)
class Verified:
    """The result of a verification."""

    folder: Path
    finished: bool
    """Whether the training has ended: run.json exists."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """Harmless oddities, a sentence each."""
    record: bool
    """Whether curves, figures and report are usable."""
    parameters: bool
    """Whether the run can predict."""
    checkpoint: int | None
    """The updates of the checkpoint from which `epochal resume` would continue, or None."""

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not any(finding.problem for finding in self.findings)

    @property
    def conclusion(self) -> str:
        """What is damaged and what can still be used, in a few sentences."""
        damaged = [finding.name for finding in self.findings if finding.problem]
        said = [f"damaged: {', '.join(damaged)}." if damaged else "sound: every file is as it was written."]
        if self.finished and damaged:
            said.append(self._usable)
        if not self.finished or (damaged and not self.parameters):
            said.append(self._way_on)
        return " ".join(said)

    @property
    def _usable(self) -> str:
        if self.parameters:
            return "The results can be used: predictions, curves and report."
        if self.record:
            return "Of the results, curves, figures and report can be used; predictions can't be made."
        return "The results can't be used."

    @property
    def _way_on(self) -> str:
        again = f"; remove {RUN} first, and the results are written again" if self.finished else ""
        if self.checkpoint is not None:
            return f"{call('ep.resume', str(self.folder))} goes on from update {self.checkpoint:,}{again}."
        if not any(finding.name == REQUEST and not finding.problem for finding in self.findings):
            return f"It can't be resumed: there is no sound {REQUEST}."
        return f"{call('ep.resume', str(self.folder))} begins anew: there is no sound checkpoint{again}."

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": str(self.folder),
            "finished": self.finished,
            "sound": self.sound,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "usable": {"record": self.record, "parameters": self.parameters},
            "resumes_from_update": self.checkpoint,
            "conclusion": self.conclusion,
        }


def verify(folder: str | Path) -> Verified:
    """Read and hash every file of a run folder; nothing is changed.

    Raises:
        Refusal: no run folder.
    """
    path = Path(folder)
    kept = checkpoints.find(path)
    finished, asked = (path / RUN).exists(), (path / REQUEST).exists()
    if not (finished or asked or kept):
        raise Refusal(
            f'"{path}" is not a run folder: it has no {RUN}, {REQUEST} or checkpoints. '
            "`epochal runs` lists the runs here."
        )
    findings = [_finding(REQUEST, partial(read_sealed, path / REQUEST))] if asked or kept else []
    sound_request = bool(findings) and not findings[0].problem
    results, notes = _results(path) if finished else ([], [])
    findings += results
    good: int | None = None
    for one in kept:
        found = _finding(f"{checkpoints.FOLDER}/{one.name}", partial(checkpoints.check, one))
        if found.problem and not one.exists():
            continue  # removed in the meantime by a running training
        findings.append(found)
        if good is None and not found.problem:
            good = int(one.name)
    problems = {found.name for found in results if found.problem}
    record = finished and problems <= set(PARAMETERS)
    return Verified(
        path,
        finished,
        tuple(findings),
        (*notes, *_odd(path)),
        record=record,
        parameters=record and not problems,
        checkpoint=good if sound_request else None,
    )


def _finding(name: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except Refusal as refusal:
        words = refusal.sentence
        return Finding(name, words.partition(" is damaged: ")[2] or words)
    return Finding(name)


def _results(path: Path) -> tuple[list[Finding], list[str]]:
    """The files of a finished run, and a note on its page, which can be rewritten."""
    try:
        files = listed(path, read_run(path))
    except Refusal as refusal:
        return [Finding(RUN, refusal.sentence)], []
    notes = []
    findings = [
        _finding(name, partial(disk.check, path / name, written))
        for name, written in files.items()
        if name != PAGE
    ]
    page = _finding(PAGE, partial(disk.check, path / PAGE, files[PAGE])) if PAGE in files else None
    if page is not None and page.problem:
        state = "is not the page" if (path / PAGE).exists() else "is gone, the page"
        notes.append(f"{PAGE} {state} that the run was kept with; `epochal report {path}` writes it again.")
    others = [name for name in RESULTS if name not in files and name != PAGE and (path / name).exists()]
    findings += [Finding(name, f"{RUN} does not list it.") for name in others]
    whole = all(not found.problem or found.name in PARAMETERS for found in findings)
    read = _finding(RUN, partial(load_record, path)) if whole else Finding(RUN)
    return [read, *findings], notes


def _odd(path: Path) -> list[str]:
    """Files that no finished or resumed run needs."""
    known = {RUN, REQUEST, LOCK, WRITER, checkpoints.FOLDER, *RESULTS}
    notes = [
        f"{one.name} is not epochal's, and is never read."
        for one in sorted(path.iterdir())
        if one.name not in known and not one.name.startswith(_PASSING)
    ]
    for one in checkpoints.find(path):
        with suppress(Refusal, OSError):
            own = {MANIFEST, *(f"{name}.safetensors" for name in Manifest.read(one).files)}
            notes += [
                f"{file.relative_to(path)} is not epochal's, and is never read."
                for file in sorted(one.iterdir())
                if file.name not in own
            ]
    left = [one for one in path.iterdir() if one.name.startswith(_PASSING)]
    left += [*path.glob(f"{checkpoints.FOLDER}/tmp-*")]
    left += path.glob(f"{checkpoints.FOLDER}/trash-*")
    notes += [
        f"{one.relative_to(path)} is being written or removed, or was left by a process that died; "
        "the next one removes it."
        for one in sorted(left)
    ]
    return notes
