"""The folder of a running training.

It is created whole, with the request, before the first update, and then belongs to one process at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.checkpoints import FOLDER, Checkpoints
from epochal.runs.contents import REQUEST, RUN
from epochal.runs.lock import locked
from epochal.runs.place import RunFolder
from epochal.runs.record import Run
from epochal.runs.saving import publish, refuse_existing
from epochal.runs.sealed import read_sealed, seal


class Home:
    """The folder of a training, locked by this process until `close`."""

    checkpoints: Checkpoints
    """Set by `checkpoints_of`."""

    def __init__(self, place: RunFolder, lock: ExitStack, made: list[Path]) -> None:
        self.place, self.path = place, Path(place.path)
        self._lock, self._made = lock, made

    @classmethod
    def begin(cls, place: RunFolder, request: Mapping[str, Any], identity: Mapping[str, Any]) -> Home:
        """Make a new folder, whole or not at all, and lock it."""
        path = refuse_existing(place.path)
        made = [one for one in (path, *path.parents) if not one.exists()]
        try:
            with disk.new_folder(path) as temporary:
                disk.write(temporary / REQUEST, [_sealed(request, place)])
        except OSError as error:
            raise disk.unwritable(path, error) from error
        lock = ExitStack()
        lock.enter_context(locked(path))
        home = cls(place, lock, made)
        home.checkpoints_of(identity)
        return home

    @classmethod
    def again(cls, path: str | Path, **changes: Any) -> tuple[Home, dict[str, Any]]:
        """Lock an existing folder, with other fields of `RunFolder` if given; also returns its request."""
        path = Path(path)
        request = read_request(path)
        saving = request.pop("saving", {})
        try:
            place = RunFolder(path, **(saving | {name: it for name, it in changes.items() if it is not None}))
        except TypeError as error:
            raise Refusal(
                f'"{path / REQUEST}" is damaged: "saving" has other names than it should.'
            ) from error
        lock = ExitStack()
        lock.enter_context(locked(path))
        return cls(place, lock, []), request

    def checkpoints_of(self, identity: Mapping[str, Any]) -> Checkpoints:
        """The checkpoints of this training."""
        self.checkpoints = Checkpoints(self.path, identity, self.place.keep_every)
        return self.checkpoints

    def ask(self, request: Mapping[str, Any]) -> None:
        """Update the request, such as with more epochs."""
        new = self.path / f".{REQUEST}-{uuid.uuid4().hex[:8]}"
        try:
            disk.write(new, [_sealed(request, self.place)])
            disk.replace(new, self.path / REQUEST)
            disk.sync(self.path)
        except OSError as error:
            with suppress(OSError):
                disk.remove(new)
            raise disk.unwritable(self.path, error) from error

    def publish(self, run: Run) -> Run:
        """Write the results.

        Raises:
            SaveFailed: they can't be written; the checkpoints are intact.
        """
        publish(run, self.path, report=self.place.report)
        return replace(run, folder=self.path)

    def close(self) -> None:
        """Unlock the folder; removed if it was made here and has no results."""
        checkpoints = self.path / FOLDER
        saved = (self.path / RUN).exists() or (checkpoints.is_dir() and any(checkpoints.iterdir()))
        if self._made and not saved:
            with suppress(OSError):
                disk.remove(self._made[0])
                for folder in self._made[1:]:
                    disk.remove_empty(folder)
        self._made = []
        self._lock.close()


def _sealed(request: Mapping[str, Any], place: RunFolder) -> bytes:
    """The request with the options of saving."""
    options = {field.name: getattr(place, field.name) for field in fields(place) if field.name != "path"}
    return seal({**request, "saving": options}).encode()


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
