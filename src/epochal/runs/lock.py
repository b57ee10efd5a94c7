"""The lock of a run folder: one writer at a time.

A lock of the operating system on the file `lock`, which ends with its process. The file's content (who,
where, since when) is for the message to a second writer; on file systems without such locks it decides.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from epochal.errors import Refusal, reason
from epochal.runs import disk
from epochal.runs.sealed import parse

__all__ = ["NAME", "locked"]

NAME = "lock"
_LONGEST = 4096
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """A context in which no other process writes to the folder; yields the writer's UUID.

    Raises:
        Refusal: another process writes to it, named with its number, host and time; or the folder can't be
            written.
    """
    path = folder / NAME
    try:
        descriptor = disk.open_shared(path)
    except OSError as error:
        raise Refusal(f'the run folder "{folder}" can\'t be written: {reason(error)}.') from error
    try:
        if not _take(descriptor):
            raise _taken(folder, _said(descriptor))
        writer = uuid.uuid4().hex
        try:
            disk.overwrite(descriptor, json.dumps(_about(writer)).encode())
        except OSError as error:
            raise Refusal(f'the run folder "{folder}" can\'t be written: {reason(error)}.') from error
        try:
            yield writer
        finally:
            with suppress(OSError):  # its content counts only without file locks
                disk.overwrite(descriptor, b"")
    finally:
        os.close(descriptor)


def _about(writer: str) -> dict[str, Any]:
    return {
        "run": writer,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _take(descriptor: int) -> bool:
    """Take the lock if it is free."""
    try:
        import fcntl
    except ImportError:  # Windows
        return not _alive(_said(descriptor))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return not _alive(_said(descriptor))
    return True


def _said(descriptor: int) -> dict[str, Any]:
    """The last writer's content of the lock file, empty if unreadable."""
    with suppress(OSError, ValueError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = parse(os.read(descriptor, _LONGEST))
        if isinstance(found, dict):
            return found
    return {}


def _alive(said: dict[str, Any]) -> bool:
    """Whether the writer may be alive; on another host it may."""
    number = said.get("pid")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return False
    if said.get("host") != socket.gethostname():
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _taken(folder: Path, said: dict[str, Any]) -> Refusal:
    def word(name: str) -> str:
        text = "".join(c if c.isprintable() else "?" for c in str(said.get(name, "unknown")))
        return text[:80]

    return Refusal(
        f'the run folder "{folder}" is in use: process {word("pid")} on {word("host")} has been writing '
        f"to it since {word('since')}. Wait until it has ended, or stop it."
    )
