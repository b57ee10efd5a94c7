"""How does a disk fail, so that it can be tried at every operation?

A `Disk` stands in for the module `os` in `epochal.runs.disk`, where every operation is by which a run folder
is written. It counts those operations and fails at one of them: the process dies there (`Death`, which
nothing catches, and after which nothing has an effect any more, so that no clean-up helps), or there is an
error. And it knows what is left after a power cut: of a file, the bytes of its last fsync; of a folder, the
names.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CUTS = (
    "kill",
    "power",
    "power, names kept",
    "power, inner names kept",
    "power, last names kept",
    "power, first names lost",
)
"""What is left: all that was done; what was synced; names without their bytes; of the names of a folder that
has changed since it was synced none, all, the last change without those before, or all without the first."""


class Death(BaseException):
    """The process is gone."""


@dataclass
class _Node:
    """A file or a folder, whatever its names: what of it is sure to be on the disk."""

    folder: bool
    content: bytes = b""
    names: dict[str, _Node] = field(default_factory=dict)
    changes: list[dict[str, _Node | None]] = field(default_factory=list)
    """What was done to the names of a folder since it was synced."""


class Disk:
    """`os`, but for the operation number `at` (from 0), and what comes after it.

    Args:
        root: the folder whose state is followed.
        at: the operation that fails; None counts only.
        error: what it fails with; a death if None.
        only: operations that count; all if None.
        lasting: whether all counted operations from that one on fail, as on a full disk; death always lasts.
    """

    part = 200
    """A disk may take a part of what it is to write, and has to be asked again."""

    def __init__(
        self,
        root: Path,
        at: int | None = None,
        error: int | None = None,
        only: tuple[str, ...] | None = None,
        lasting: bool = False,
    ) -> None:
        self.root, self.at, self.error, self.only, self.lasting = root, at, error, only, lasting
        self.done: list[str] = []
        self.dead = False
        self._paths: dict[int, Path] = {}
        self._nodes: dict[int, _Node] = {}
        self._know(root)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _know(self, path: Path) -> _Node:
        """All that is there in the beginning is on the disk."""
        number = path.lstat().st_ino
        if number not in self._nodes:
            node = self._nodes[number] = _Node(path.is_dir())
            if node.folder:
                node.names = {one.name: self._know(one) for one in path.iterdir()}
            else:
                node.content = path.read_bytes()
        return self._nodes[number]

    def _node(self, path: Path) -> _Node:
        """Of a file that is there; of one that was written past this disk, nothing is sure."""
        return self._nodes.setdefault(path.lstat().st_ino, _Node(path.is_dir()))

    def _step(self, name: str) -> None:
        if self.dead:
            raise Death
        if self.only is not None and name not in self.only:
            return
        self.done.append(name)
        now = len(self.done) - 1
        if self.at is None or now < self.at or (now > self.at and not self.lasting):
            return
        if self.error is None:
            self.dead = True
            raise Death
        raise OSError(self.error, os.strerror(self.error))

    # The operations ----------------------------------------------------------------------------------------

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        new = bool(flags & os.O_CREAT) and not path.exists()
        if flags & os.O_CREAT:
            self._step("open")
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = path
        if new:
            self._new(path)
        return descriptor

    def write(self, descriptor: int, data: Any) -> int:
        try:
            self._step("write")
        except Death:
            if self.done and self.done[-1] == "write" and len(self.done) - 1 == self.at:
                os.write(descriptor, data[: len(data) // 2])  # torn
                self.at = -1
            raise
        return os.write(descriptor, data[: self.part])

    def fsync(self, descriptor: int) -> None:
        self._step("fsync")
        path = self._paths[descriptor]
        node = self._node(path)
        if node.folder:
            node.names, node.changes = {one.name: self._node(one) for one in path.iterdir()}, []
        else:
            node.content = path.read_bytes()

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        self._step("close")

    def mkdir(self, path: Path) -> None:
        self._step("mkdir")
        os.mkdir(path)
        self._new(path)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        self._move(source, target)
        os.rename(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self._step("replace")
        self._move(source, target)
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step("link")
        os.link(source, target)
        self._node(target.parent).changes.append({target.name: self._node(source)})

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        os.unlink(path)
        self._node(path.parent).changes.append({path.name: None})

    def rmdir(self, path: Path) -> None:
        self._step("rmdir")
        os.rmdir(path)
        self._node(path.parent).changes.append({path.name: None})

    def _new(self, path: Path) -> None:
        node = self._nodes[path.lstat().st_ino] = _Node(path.is_dir())
        self._node(path.parent).changes.append({path.name: node})

    def _move(self, source: Path, target: Path) -> None:
        moved, old, new = self._node(source), self._node(source.parent), self._node(target.parent)
        if old is new:
            new.changes.append({source.name: None, target.name: moved})
        else:
            old.changes.append({source.name: None})
            new.changes.append({target.name: moved})

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._step("ftruncate")
        os.ftruncate(descriptor, size)

    # What is left ------------------------------------------------------------------------------------------

    def left(self, cut: str, target: Path) -> Path:
        """Make in `target` what is left of the root after the process, or the power, was gone."""
        if cut == "kill":
            return Path(shutil.copytree(self.root, target, symlinks=True))
        _lay(self._nodes[self.root.stat().st_ino], target, cut, depth=0)
        return target


def _lay(node: _Node, target: Path, cut: str, depth: int) -> None:
    if not node.folder:
        target.write_bytes(node.content)
        return
    target.mkdir()
    kept = {
        "power": slice(0),
        "power, names kept": slice(None),
        "power, inner names kept": slice(None) if depth > 1 else slice(0),
        "power, last names kept": slice(-1, None),
        "power, first names lost": slice(1, None),
    }[cut]
    names: dict[str, _Node | None] = dict(node.names)
    for change in node.changes[kept]:
        names |= change
    for name, inner in names.items():
        if inner is not None:
            _lay(inner, target / name, cut, depth + 1)
