"""The lock of a run folder: one writer at a time.

The operating system holds the lock on the file `lock`, and ends it with the process, however that ends. Who
holds it is written beside it, to be shown to a second writer.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from epochal.common.printable import one_line
from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.sealed import parse

NAME = "lock"
WRITER = "writer.json"


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """A context in which no other process writes to the folder; yields the writer's UUID.

    Raises:
        Refusal: another process writes to it, named with its number, host and time; or the folder can't be
            written.
    """
    import filelock  # late: it takes longer to import than to lock

    lock, writer = filelock.FileLock(folder / NAME, timeout=0, is_singleton=False), uuid.uuid4().hex
    about = {
        "run": writer,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        with warnings.catch_warnings():  # a file system without locks gets a marker, which needs no word
            warnings.simplefilter("ignore", UserWarning)
            lock.acquire()
    except filelock.Timeout as error:
        raise _taken(folder) from error
    except (OSError, NotImplementedError) as error:
        raise disk.unwritable(folder, error) from error
    try:
        try:
            with suppress(FileNotFoundError):
                disk.remove(folder / WRITER)
            disk.write(folder / WRITER, [json.dumps(about).encode()])
        except OSError as error:
            raise disk.unwritable(folder, error) from error
        yield writer
    finally:
        with suppress(OSError):
            disk.remove(folder / WRITER)
        lock.release()


def _taken(folder: Path) -> Refusal:
    about: dict[str, object] = {}
    with suppress(Refusal, ValueError, TypeError):
        about = dict(parse(disk.read(folder / WRITER, limit=4096)))
    pid, host, since = (one_line(about.get(name, "unknown"), 80) for name in ("pid", "host", "since"))
    return Refusal(
        f'the run folder "{folder}" is in use: process {pid} on {host} has been writing to it since {since}. '
        "Wait until it has ended, or stop it."
    )
