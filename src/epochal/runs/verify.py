"""Verification of a run folder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.common.option_text import call
from epochal.errors import Refusal
from epochal.runs import checkpoints, disk
from epochal.runs.checkpoints import MANIFEST, Manifest
from epochal.runs.checksummed_json import read_sealed
from epochal.runs.loading import load_record
from epochal.runs.run_files import PAGE, PARAMETERS, REQUEST, RESULTS, RUN, listed, read_run
from epochal.runs.run_folder import LOCK, WRITER

_TEMPORARY = (".result-*", f".{REQUEST}-*", f"{checkpoints.FOLDER}/tmp-*", f"{checkpoints.FOLDER}/trash-*")


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
    """The result of a verification, of a run folder or of one with a comparison or an advice."""

    folder: Path
    finished: bool
    """Whether its result exists."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """Harmless oddities, a sentence each."""
    advice: tuple[str, ...]
    """What can be used, and how to go on, a sentence each."""
    details: dict[str, Any]
    """What else JSON has."""

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not any(finding.problem for finding in self.findings)

    @property
    def conclusion(self) -> str:
        """What is damaged and what can still be done, in a few sentences."""
        names = [finding.name for finding in self.findings if finding.problem]
        damage = f"damaged: {', '.join(names)}." if names else "sound: every file is as it was written."
        return " ".join([damage, *self.advice])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": str(self.folder),
            "finished": self.finished,
            "sound": self.sound,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            **self.details,
            "conclusion": self.conclusion,
        }


def verify(folder: str | Path) -> Verified:
    """Read and hash every file of a run folder; nothing is changed."""
    path = Path(folder)
    saved = checkpoints.find(path)
    finished, requested = (path / RUN).exists(), (path / REQUEST).exists()
    if not (finished or requested or saved):
        raise Refusal(
            f'"{path}" is not a run folder: it has no {RUN}, {REQUEST} or checkpoints. '
            "`epochal runs` lists the runs here."
        )
    findings = [checked(REQUEST, read_sealed, path / REQUEST)] if requested or saved else []
    sound_request = bool(findings) and not findings[0].problem
    results, notes = _results(path) if finished else ([], [])
    findings += results
    newest: int | None = None
    for one in saved:
        found = checked(f"{checkpoints.FOLDER}/{one.name}", checkpoints.check, one)
        if found.problem and not one.exists():
            continue  # removed in the meantime by a running training
        findings.append(found)
        if newest is None and not found.problem and sound_request:
            newest = int(one.name)
    problems = {found.name for found in results if found.problem}
    record = finished and problems <= set(PARAMETERS)
    parameters, damaged = record and not problems, any(found.problem for found in findings)
    advice = []
    if finished and damaged:
        usable = "The results can't be used."
        if parameters:
            usable = "The results can be used: predictions, curves and report."
        elif record:
            usable = "Of the results, curves, metrics and report can be used; predictions can't be made."
        advice.append(usable)
    if not finished or (damaged and not parameters):
        again = f"; remove {RUN} first, and the results are written again" if finished else ""
        resume = call("ep.resume", str(path))
        if newest is not None:
            advice.append(f"{resume} goes on from update {newest:,}{again}.")
        elif sound_request:
            advice.append(f"{resume} begins anew: there is no sound checkpoint{again}.")
        else:
            advice.append(f"It can't be resumed: there is no sound {REQUEST}.")
    usable_parts = {"record": record, "parameters": parameters}
    details = {"usable": usable_parts, "resumes_from_update": newest}
    return Verified(path, finished, tuple(findings), (*notes, *_odd(path)), tuple(advice), details)


def checked(name: str, check: Callable[..., object], *arguments: Any) -> Finding:
    """The finding of a check, which refuses what is damaged."""
    try:
        check(*arguments)
    except Refusal as refusal:
        return Finding(name, refusal.sentence.partition(" is damaged: ")[2] or refusal.sentence)
    return Finding(name)


def foreign(folder: Path, known: Collection[str], above: Path) -> list[str]:
    """A note on each other file of a folder, named from the folder `above`."""
    return [
        f"{one.relative_to(above)} is not epochal's, and is never read."
        for one in sorted(folder.iterdir())
        if one.name not in known
    ]


def _results(path: Path) -> tuple[list[Finding], list[str]]:
    """The files of a finished run, and a note on its page, which can be rewritten."""
    try:
        files = listed(path, read_run(path))
    except Refusal as refusal:
        return [Finding(RUN, refusal.sentence)], []
    notes = []
    page = files.pop(PAGE, None)
    if page is not None and checked(PAGE, disk.check, path / PAGE, page).problem:
        state = "is not the page" if (path / PAGE).exists() else "is gone, the page"
        notes.append(f"{PAGE} {state} that the run was kept with; `epochal report {path}` writes it again.")
    findings = [checked(name, disk.check, path / name, written) for name, written in files.items()]
    others = [name for name in RESULTS if name not in files and name != PAGE and (path / name).exists()]
    findings += [Finding(name, f"{RUN} does not list it.") for name in others]
    whole = all(not found.problem or found.name in PARAMETERS for found in findings)
    return [checked(RUN, load_record, path) if whole else Finding(RUN), *findings], notes


def _odd(path: Path) -> list[str]:
    temporary = [one for pattern in _TEMPORARY for one in path.glob(pattern)]
    known = {RUN, REQUEST, LOCK, WRITER, checkpoints.FOLDER, *RESULTS, *(one.name for one in temporary)}
    notes = foreign(path, known, path)
    for one in checkpoints.find(path):
        with suppress(Refusal, OSError):
            own = {MANIFEST, *(f"{name}.safetensors" for name in Manifest.read(one).files)}
            notes += foreign(one, own, path)
    return notes + [
        f"{one.relative_to(path)} is being written or removed, or was left by a process that died; "
        "the next one removes it."
        for one in sorted(temporary)
    ]
