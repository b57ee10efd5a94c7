"""Checkpoints of a training, written atomically.

    checkpoints/200/manifest.json          sealed: the files with sizes and SHA-256, updates, fingerprint
    checkpoints/200/repeats-0.safetensors  the snapshot of one stack
    checkpoints/tmp-300-3f…                being written, or left by a writer that died
    checkpoints/trash-100-9a…              being removed, or left by one

A checkpoint is the folder whose name is the number of updates made. It is written under another name on the
same file system, file by file, each synced, the manifest last; then the folder is synced, renamed to a free
name, and its parent synced. What was written is read back and verified before an older checkpoint is removed,
by renaming it first. So at any moment the newest checkpoint that verifies is the last one saved, or the one
being saved; there is no other record, neither a pointer nor a time.
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from epochal.data.records import Damaged, Record, built
from epochal.errors import Refusal, SaveFailed, reason
from epochal.runs import disk
from epochal.runs.checksummed_json import digest, parse, read_sealed, seal
from epochal.runs.disk import Digest
from epochal.runs.tensors import read_tensors, write_tensors

FOLDER = "checkpoints"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_ABOUT = "about"
MANIFEST = "manifest.json"
_FORMAT = 1
_LARGEST = 16 << 20
NAME = re.compile(r"[a-z0-9-]{1,100}")


@dataclass(frozen=True)
class Manifest(Record):
    """The manifest of a checkpoint."""

    updates: int
    number: int
    """Its number among the checkpoints of the run, from 1."""
    value: float | None
    """The monitored value, if any; lower is better."""
    fingerprint: dict[str, Any]
    files: dict[str, Digest] = field(default_factory=dict)
    """By file, in order."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"format": _FORMAT, "fingerprint_sha256": digest(self.fingerprint), **super().to_dict()}

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest of the checkpoint in the folder `path`."""
        file = path / MANIFEST
        document = read_sealed(file, _LARGEST)
        if document.get("format") != _FORMAT:
            raise Refusal(
                f'"{file}" must have format {_FORMAT}, which this version of epochal reads; '
                f"got {str(document.get('format'))[:20]}."
            )
        sealed = {name: document.pop(name, None) for name in ("format", "fingerprint_sha256")}
        try:
            manifest = built(cls, document)
            if not all(NAME.fullmatch(name) for name in manifest.files):
                raise Damaged("a piece must have a name of a to z, 0 to 9 and hyphens")
            if digest(manifest.fingerprint) != sealed["fingerprint_sha256"]:
                raise Damaged("fingerprint must have its SHA-256")
        except Damaged as error:
            raise Refusal(f'"{file}" is damaged: it is not what epochal writes ({error.what}).') from error
        if path.name != str(manifest.updates):
            raise Refusal(
                f'"{file}" is damaged: it is of {manifest.updates:,} updates, and its folder is not.'
            )
        return manifest


@dataclass(frozen=True)
class CheckpointFile:
    """The snapshot of one stack: one file of a checkpoint."""

    name: str
    """Letters a to z, digits and hyphens, such as "repeats-0"."""
    tensors: Mapping[str, NDArray[Any]]
    """Arrays by name, of any safetensors dtype, bfloat16 included."""
    about: Mapping[str, Any]
    """JSON values without NaN and infinity."""


@dataclass(frozen=True)
class Loaded:
    """A verified checkpoint."""

    path: Path
    updates: int
    fingerprint: dict[str, Any]
    files: tuple[CheckpointFile, ...]


class Checkpoints:
    """Writes the checkpoints of one run folder; for its single writer, who has its lock (`run_folder`).

    Args:
        folder: the run folder, which must exist. Leftovers of a dead writer are removed.
        fingerprint: JSON that identifies the training; checkpoints of others are not used.
        keep_every: also keep every so many-th checkpoint, besides the last two and the best.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], keep_every: int | None = None) -> None:
        self.folder = folder
        self._place = folder / FOLDER
        self._fingerprint: dict[str, Any] = json.loads(json.dumps(fingerprint, allow_nan=False))
        self._keep_every = keep_every
        self._copies: dict[str, _Copies] = {}
        self._manifests: dict[int, Manifest] = {}
        self._sound: dict[int, bool] = {}
        if self._place.is_symlink():  # a link could make removals hit other folders
            raise Refusal(
                f'"{self._place}" must be a folder in the run folder; it is a link to another place. '
                "Put the checkpoints themselves there."
            )
        try:
            disk.make_folder(self._place)
            for left in [*self._place.glob("tmp-*"), *self._place.glob("trash-*")]:  # of a dead writer
                disk.remove(left)
        except OSError as error:
            raise disk.unwritable(folder, error) from error
        for path in find(folder):
            with suppress(Refusal):
                self._manifests[int(path.name)] = Manifest.read(path)

    def newest(self) -> tuple[Loaded | None, tuple[str, ...]]:
        """The checkpoint with the most updates that verifies, and a sentence for each damaged one."""
        found, passed_over = newest(self.folder)
        if found is not None:
            manifest = self._manifests[found.updates] = Manifest.read(found.path)
            self._sound[found.updates] = True
            for file in found.files:
                self._copies[file.name] = _Copies(weakref.ref(file), manifest.files[file.name], found.path)
        return found, passed_over

    def save(self, updates: int, files: Sequence[CheckpointFile], value: float | None = None) -> Path:
        """Save a checkpoint, and remove those that are not kept; the one with the lowest `value` is.

        A valid one of that many updates stays; a damaged one is replaced. A file that is the same object as
        before is linked to the copy in the checkpoint before the last: so it is written only twice, and
        neighboring checkpoints share no bytes on disk. No array may change until this returns.

        Raises:
            SaveFailed: it can't be written; earlier checkpoints are intact.
        """
        names = [file.name for file in files]
        if len(set(names)) < len(names) or not all(map(NAME.fullmatch, names)):
            raise ValueError(f"pieces must have names of their own, of a-z, 0-9 and hyphens; got {names}")
        path = self._place / str(updates)
        try:
            self._sound.pop(updates, None)
            if not (self._verifies(updates) and self._manifests[updates].fingerprint == self._fingerprint):
                self._commit(path, files, value)
            self._retain(updates)
        except OSError as error:
            raise SaveFailed(
                f'checkpoint {updates} can\'t be written to "{self._place}": {reason(error)}; {self.left}.'
            ) from error
        return path

    @property
    def left(self) -> str:
        """The remaining checkpoint after a failure, in words."""
        return "earlier checkpoints are kept" if find(self.folder) else "there is no earlier checkpoint"

    def _commit(self, path: Path, files: Sequence[CheckpointFile], value: float | None) -> None:
        number = 1 + max((one.number for one in self._manifests.values()), default=0)
        finite = None if value is None or not math.isfinite(value) else float(value)
        updates = int(path.name)
        saved = self._write(path, files, Manifest(updates, number, finite, self._fingerprint))
        try:
            manifest = check(path)
        except Refusal as refusal:
            self._discard([path])
            raise SaveFailed(
                f"checkpoint {updates} can't be read back as it was written ({refusal.sentence}) "
                f"The disk may be failing; {self.left}."
            ) from refusal
        self._manifests[updates], self._sound[updates] = manifest, True
        before, self._copies = self._copies, {}
        for file in files:
            old, written = before.get(file.name), saved[file.name]
            same = old is not None and old.of() is file and old.written == written
            earlier = old.last if old is not None and same else None
            self._copies[file.name] = _Copies(weakref.ref(file), written, path, earlier)

    def _write(self, path: Path, files: Sequence[CheckpointFile], manifest: Manifest) -> dict[str, Digest]:
        """Write a new folder and rename it; `manifest` is complete except for the files."""
        temporary = self._place / f"tmp-{path.name}-{uuid.uuid4().hex}"
        try:
            disk.make(temporary)
            saved = {one.name: self._put(_file(temporary, one.name), one) for one in files}
            document = replace(manifest, files=saved).to_dict()
            disk.write(temporary / MANIFEST, [seal(document).encode()])
            disk.sync(temporary)
            if os.path.lexists(path):
                self._discard([path])
            disk.rename(temporary, path)
            disk.sync(self._place)
        except BaseException:
            with suppress(OSError):
                disk.remove(temporary)
            raise
        return saved

    def _put(self, path: Path, file: CheckpointFile) -> Digest:
        copies = self._copies.get(file.name)
        if copies is not None and copies.earlier is not None and copies.of() is file:
            source = _file(copies.earlier, file.name)
            with suppress(Refusal):
                disk.check(source, copies.written)
                if disk.link(source, path):
                    return copies.written
        return write_tensors(path, file.tensors, {_ABOUT: json.dumps(file.about, allow_nan=False)})

    def _retain(self, saved: int) -> None:
        """Keep the last two and the best valid ones, and every so many-th; remove the rest."""
        stay = {saved}
        for updates in sorted(self._manifests, reverse=True):
            if len(stay) < 2 and self._verifies(updates):
                stay.add(updates)
        valued = [(one.value, updates) for updates, one in self._manifests.items() if one.value is not None]
        stay |= {next((updates for _, updates in sorted(valued) if self._verifies(updates)), saved)}
        if self._keep_every is not None:
            stay |= {u for u, one in self._manifests.items() if one.number % self._keep_every == 0}
        self._discard([path for path in find(self.folder) if int(path.name) not in stay])

    def _verifies(self, updates: int) -> bool:
        """Whether a checkpoint is valid, as far as checked by this writer."""
        if updates not in self._sound:
            try:
                self._manifests[updates] = check(self._place / str(updates))
                self._sound[updates] = True
            except Refusal:
                self._sound[updates] = False
        return self._sound[updates]

    def _discard(self, paths: Sequence[Path]) -> None:
        """Rename before removing, so that no half-removed checkpoint is visible."""
        trash = []
        for path in paths:
            trash.append(self._place / f"trash-{path.name}-{uuid.uuid4().hex}")
            disk.rename(path, trash[-1])
            self._manifests.pop(int(path.name), None)
            self._sound.pop(int(path.name), None)
        if trash:
            disk.sync(self._place)
        for one in trash:
            disk.remove(one)


@dataclass(frozen=True)
class _Copies:
    """The places of the object last saved under a name: in the last checkpoint, and the one before."""

    of: weakref.ref[CheckpointFile]
    written: Digest
    last: Path
    earlier: Path | None = None


# Reading, which needs no lock -------------------------------------------------------------------------------


def find(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, valid or not, the newest first."""
    place = folder / FOLDER
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        names = [entry.name for entry in entries if _NUMBER.fullmatch(entry.name)]
    return [place / name for name in sorted(names, key=int, reverse=True)]


def check(path: Path) -> Manifest:
    """Refuse a damaged checkpoint, holding none of its arrays in memory."""
    manifest = Manifest.read(path)
    for name, written in manifest.files.items():
        disk.check(_file(path, name), written)
    return manifest


def load(path: Path) -> Loaded:
    """Read a checkpoint, or refuse a damaged one."""
    manifest, files = Manifest.read(path), []
    for name, written in manifest.files.items():
        file = _file(path, name)
        tensors, metadata = read_tensors(file, written)
        try:
            about = parse(metadata[_ABOUT])
            if not isinstance(about, dict):
                raise ValueError("what is about it must be an object")
        except (LookupError, ValueError) as error:
            raise Refusal(f'"{file}" is damaged: it is not what epochal writes ({error}).') from error
        files.append(CheckpointFile(name, tensors, about))
    return Loaded(path, manifest.updates, manifest.fingerprint, tuple(files))


def newest(folder: Path) -> tuple[Loaded | None, tuple[str, ...]]:
    """The newest valid checkpoint of a run folder, and a sentence for each damaged one."""
    passed_over: list[str] = []
    for path in find(folder):
        try:
            return load(path), tuple(passed_over)
        except Refusal as refusal:
            passed_over.append(f"checkpoint {path.name} is passed over: {refusal.sentence}")
    return None, tuple(passed_over)


def _file(path: Path, name: str) -> Path:
    return path / f"{name}.safetensors"
