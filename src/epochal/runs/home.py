"""The folder of a running training.

It is created whole, with the request, before the first update, and then belongs to one process at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from epochal.errors import Refusal, reason
from epochal.runs import disk
from epochal.runs.checkpoints import Checkpoints
from epochal.runs.contents import REQUEST, RUN
from epochal.runs.lock import locked
from epochal.runs.place import RunFolder
from epochal.runs.record import Run
from epochal.runs.saving import publish, refuse_existing
from epochal.runs.sealed import read_sealed, seal


class Home:
    """The folder of a training, locked by this process until `close`."""

    def __init__(self, place: RunFolder, held: ExitStack, made: list[Path]) -> None:
        self.place, self.path = place, Path(place.path)
        self._held, self._made = held, made
        self._checkpoints: Checkpoints | None = None

    @classmethod
    def begin(cls, place: RunFolder, request: Mapping[str, Any], identity: Mapping[str, Any]) -> Home:
        """Make a new folder, whole or not at all, and lock it.

        Raises:
            Refusal: it exists, or can't be written.
        """
        path = refuse_existing(place.path)
        made: list[Path] = []
        temporary = path.parent / f".{path.name}-{uuid.uuid4().hex[:8]}"
        held = ExitStack()
        try:
            made += disk.make_folder(path.parent)
            made += disk.make_folder(temporary)
            disk.write(temporary / REQUEST, [seal({**request, "saving": saving_of(place)}).encode()])
            disk.sync(temporary)
            disk.rename(temporary, path)
            disk.sync(path.parent)
            held.enter_context(locked(path))
        except OSError as error:
            with suppress(OSError):
                disk.remove(temporary)
            raise Refusal(f'the run folder "{path}" can\'t be written: {reason(error)}.') from error
        home = cls(place, held, [path, *(one for one in made if one != temporary)])
        home.checkpoints_of(identity)
        return home

    @classmethod
    def again(cls, path: str | Path, **changes: Any) -> tuple[Home, dict[str, Any]]:
        """Lock an existing folder; also returns its request.

        Args:
            path: the folder.
            **changes: fields of `RunFolder` to change.

        Raises:
            Refusal: no such folder, one without a request, a damaged one, or one locked by another process.
        """
        path = Path(path)
        request = read_request(path)
        saving = request.pop("saving", {})
        try:
            place = RunFolder(path, **(saving | {name: it for name, it in changes.items() if it is not None}))
        except TypeError as error:
            raise Refusal(
                f'"{path / REQUEST}" is damaged: "saving" has other names than it should.'
            ) from error
        held = ExitStack()
        held.enter_context(locked(path))
        return cls(place, held, []), request

    def checkpoints_of(self, identity: Mapping[str, Any]) -> Checkpoints:
        """The checkpoints of this training."""
        self._checkpoints = Checkpoints(self.path, identity, self.place.keep_every)
        return self._checkpoints

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints."""
        assert self._checkpoints is not None
        return self._checkpoints

    def ask(self, request: Mapping[str, Any]) -> None:
        """Update the request, such as with more epochs."""
        new = self.path / f".{REQUEST}-{uuid.uuid4().hex[:8]}"
        try:
            disk.write(new, [seal({**request, "saving": saving_of(self.place)}).encode()])
            disk.replace(new, self.path / REQUEST)
            disk.sync(self.path)
        except OSError as error:
            with suppress(OSError):
                disk.remove(new)
            raise Refusal(f'the run folder "{self.path}" can\'t be written: {reason(error)}.') from error

    def publish(self, run: Run) -> Run:
        """Write the results.

        Raises:
            SaveFailed: they can't be written; the checkpoints are intact.
        """
        publish(run, self.path, report=self.place.report)
        return replace(run, folder=self.path)

    def close(self) -> None:
        """Unlock the folder; removed if it was made here and has no results."""
        kept = self.path / "checkpoints"
        worth = (self.path / RUN).exists() or (kept.is_dir() and any(kept.iterdir()))
        if self._made and not worth:
            gone, *above = self._made
            with suppress(OSError):
                disk.remove(gone)
                for folder in above:
                    disk.remove_empty(folder)
        self._made = []
        self._held.close()


def saving_of(place: RunFolder) -> dict[str, Any]:
    """The saving options as JSON."""
    return {
        "checkpoint_every": place.checkpoint_every,
        "keep_every": place.keep_every,
        "report": place.report,
        "if_unsaved": place.if_unsaved,
    }


def read_request(path: Path) -> dict[str, Any]:
    """The request in a run folder."""
    if not (path / REQUEST).is_file():
        if (path / RUN).is_file():
            raise Refusal(
                f'the run in "{path}" was saved when it had ended and can\'t go on; train with `out=PATH`.'
            )
        raise Refusal(
            f'"{path}" is not a run folder: it has no {REQUEST}. `epochal runs` lists the runs here.'
        )
    return read_sealed(path / REQUEST)
