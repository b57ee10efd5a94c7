"""The manifest of a checkpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epochal.data.records import Damaged, Record, built
from epochal.errors import Refusal
from epochal.runs.disk import Written
from epochal.runs.sealed import digest, read_sealed

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
    identity: dict[str, Any]
    files: dict[str, Written] = field(default_factory=dict)
    """By piece, in order."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"format": _FORMAT, "identity_sha256": digest(self.identity), **super().to_dict()}

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest of the checkpoint in the folder `path`.

        Raises:
            Refusal: there is none, it is damaged, or another version wrote it.
        """
        file = path / MANIFEST
        document = read_sealed(file, _LARGEST)
        if document.get("format") != _FORMAT:
            raise Refusal(
                f'"{file}" must have format {_FORMAT}, which this version of epochal reads; '
                f"got {str(document.get('format'))[:20]}."
            )
        try:
            manifest = cls._of(document)
        except Damaged as error:
            raise Refusal(f'"{file}" is damaged: it is not what epochal writes ({error.what}).') from error
        if path.name != str(manifest.updates):
            raise Refusal(
                f'"{file}" is damaged: it is of {manifest.updates:,} updates, and its folder is not.'
            )
        return manifest

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Manifest:
        sealed = {name: document.pop(name, None) for name in ("format", "identity_sha256")}
        found = built(cls, document)
        if found.updates < 0 or found.number < 0:
            raise Damaged("updates and number must be at least 0")
        if not all(NAME.fullmatch(name) for name in found.files):
            raise Damaged("a piece must have a name of a to z, 0 to 9 and hyphens")
        if digest(found.identity) != sealed["identity_sha256"]:
            raise Damaged("identity must have its SHA-256")
        return found
