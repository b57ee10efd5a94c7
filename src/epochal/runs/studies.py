"""Folders of comparisons and advice, as the commands for runs find and name them.

Beside the trials (`choose.store`) such a folder has study.json: the command that makes it and, when it has
ended, its result and the command that trains with it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.common.text import counted, one_line
from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.checksummed_json import read_sealed, seal

STUDY = "study.json"
TRIALS = "trials.jsonl"
_REQUEST = "request.json"
_MAX_REQUEST = 64 << 20
_KINDS = {"comparison": "a comparison", "advice": "an advice"}


@dataclass(frozen=True)
class StudyFolder:
    """A folder with a comparison or an advice.

    Args:
        folder: its path.
        kind: "comparison" or "advice".
        command: the command line that makes and resumes it; empty if made in Python.
        train: the command line that trains with its result; empty until it has ended, or if made in Python.
        result: the result as `to_dict`; None until it has ended.
        trainings: number of finished trainings.
    """

    folder: Path
    kind: str
    command: tuple[str, ...]
    train: tuple[str, ...]
    result: Mapping[str, Any] | None
    trainings: int

    @property
    def called(self) -> str:
        """The kind with its article."""
        return _KINDS[self.kind]

    @property
    def answer(self) -> str:
        """The result in a sentence; empty until it has ended."""
        answer = (self.result or {}).get("answer")
        return one_line(answer, 400) if isinstance(answer, str) else ""

    @property
    def way_on(self) -> str:
        """How to resume it, if it has not ended: a sentence without its subject."""
        count = counted(self.trainings, "training is", "trainings are")
        return f"has not ended ({count} kept); {self.again} goes on with it"

    @property
    def again(self) -> str:
        """How to repeat or resume it from its finished trainings."""
        words = "the same command (in Python: the same call with folder=...)"
        return f"`{shlex.join(self.command)}`" if self.command else words

    @property
    def sentence(self) -> str:
        """What the folder is, and what to do with it, where a trained run is needed."""
        subject = f'"{self.folder}" holds {self.called}'
        if self.result is None:
            return f"{subject} that {self.way_on}."
        if self.result.get("recommended") is False:
            return f"{subject} that recommends nothing; it keeps no trained network."
        which = "its best setting" if self.kind == "comparison" else "what it advises"
        how = f"`{shlex.join(self.train)}`" if self.train else f"`fit(model, data, **{self.kind}.options)`"
        return f"{subject}, which keeps no trained network; {how} trains with {which}."


def read_study(folder: str | Path) -> StudyFolder | None:
    """The comparison or advice in a folder; None for anything else."""
    path = Path(folder)
    kind = _kind(path)
    if kind is None:
        return None
    found = _written(path)
    result = found.get("result")
    command, train = _words(found.get("command")), _words(found.get("train"))
    result = result if isinstance(result, dict) else None
    return StudyFolder(path, kind, command, train, result, trainings_in(path))


def trainings_in(folder: Path) -> int:
    """Number of finished trainings in the folder of a comparison or an advice."""
    trials = folder / TRIALS
    return trials.read_bytes().count(b"\n") if trials.is_file() else 0


def refuse_study(folder: str | Path) -> None:
    """Refuse a folder that holds a comparison or an advice where a trained run is needed."""
    found = read_study(folder)
    if found is not None:
        raise Refusal(found.sentence)


def write_study(
    folder: str | Path,
    result: Mapping[str, Any] | None = None,
    *,
    command: Sequence[str] = (),
    train: Sequence[str] = (),
) -> None:
    """Write the result, if it has ended, and the command lines that make it and train with it, if given."""
    path = Path(folder)
    before = _written(path)
    document = {
        "command": list(command) or before.get("command", []),
        "train": list(train) or before.get("train", []),
        "result": result if result is not None else before.get("result"),
    }
    partial = path / f"{STUDY}.partial"
    if os.path.lexists(partial):
        disk.remove(partial)
    disk.write(partial, [seal(document).encode()])
    disk.replace(partial, path / STUDY)


def _written(path: Path) -> dict[str, Any]:
    """The content of study.json; empty if there is none, or a damaged one."""
    if (path / STUDY).is_file():
        with suppress(Refusal):
            return read_sealed(path / STUDY)
    return {}


def _kind(path: Path) -> str | None:
    """The kind of study that a folder's request.json has; None for a run or none."""
    file = path / _REQUEST
    if not file.is_file() or (path / "run.json").exists() or (path / "lock").exists():
        return None
    try:
        if file.stat().st_size > _MAX_REQUEST:
            return None
        request = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    kind = request.get("kind") or request.get("what") if isinstance(request, dict) else None
    return kind if isinstance(kind, str) and kind in _KINDS else None


def _words(value: object) -> tuple[str, ...]:
    """A command line of epochal; other values are not shown."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return ()
    return tuple(map(one_line, value)) if value[:1] == ["epochal"] else ()
