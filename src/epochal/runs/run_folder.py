"""The folder of a running training, and the settings of what is saved there, and how often.

It is created whole, with the request, before the first update, and then belongs to one process at a time: the
operating system holds the lock on the file `lock`, and ends it with the process, however that ends. Who holds
it is written beside it, to be shown to a second writer.
"""

from __future__ import annotations

import json
import os
import re
import socket
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from epochal.common.text import one_line
from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.checkpoints import FOLDER, Checkpoints
from epochal.runs.checksummed_json import parse, read_sealed, seal
from epochal.runs.run import Run
from epochal.runs.run_files import REQUEST, RUN
from epochal.runs.saving import publish, refuse_existing

Unit = Literal["seconds", "updates", "epochs"]

_UNITS: dict[str, tuple[Unit, int]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("seconds", 60)),
    **dict.fromkeys(("h", "hour", "hours"), ("seconds", 3600)),
    **dict.fromkeys(("update", "updates"), ("updates", 1)),
    **dict.fromkeys(("epoch", "epochs"), ("epochs", 1)),
}


@dataclass(frozen=True)
class Interval:
    """The interval between checkpoints.

    >>> Interval.of("1.5min"), Interval.of("500 updates")
    (Interval(count=90.0, unit='seconds'), Interval(count=500, unit='updates'))
    """

    count: float
    """A whole number of updates or epochs."""
    unit: Unit

    @classmethod
    def of(cls, text: Any) -> Interval:
        """Parse an interval such as 60s, 5min, 500updates or 1epoch."""
        match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)\s*", str(text))
        if match is not None and match[2] in _UNITS and float(match[1]) > 0:
            unit, factor = _UNITS[match[2]]
            if unit == "seconds":
                return cls(float(match[1]) * factor, unit)
            if match[1].isdecimal():
                return cls(int(match[1]), unit)
        raise Refusal(
            "`checkpoint_every` must be seconds, or a whole number, at least 1, of updates or epochs, such "
            f"as 60s, 0.5s, 500updates or 1epoch; got {text!r}."
        )


@dataclass(frozen=True)
class SaveOptions:
    """Where and how a training is saved.

    Args:
        path: a folder that does not exist yet.
        checkpoint_every: the interval between checkpoints: "60s", "500updates", "1epoch".
        keep_every: keep every so many-th checkpoint; the last two and the best one are always kept.
        report: whether to write the page at the end.
        on_checkpoint_error: what to do if a checkpoint can't be written, as on a full disk: "stop" ends the
            training with the last checkpoint intact, "continue" tries again next time.

    >>> SaveOptions("runs/first", checkpoint_every="500updates").interval
    Interval(count=500, unit='updates')
    """

    path: str | Path
    checkpoint_every: str = "60s"
    keep_every: int | None = None
    report: bool = False
    on_checkpoint_error: Literal["stop", "continue"] = "stop"

    def __post_init__(self) -> None:
        Interval.of(self.checkpoint_every)
        every = self.keep_every
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise Refusal(f"keep_every must be a whole number, at least 1, or None; got {every!r}.")
        if self.on_checkpoint_error not in ("stop", "continue"):
            raise Refusal(
                f'`on_checkpoint_error` must be "stop" or "continue"; got {self.on_checkpoint_error!r}.'
            )

    @property
    def interval(self) -> Interval:
        """The interval between checkpoints."""
        return Interval.of(self.checkpoint_every)


LOCK = "lock"
WRITER = "writer.json"


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """A context in which no other process writes to the folder; yields the writer's UUID.

    A second writer is refused, with number, host and time of the first.
    """
    import filelock  # late: it takes longer to import than to lock

    lock, writer = filelock.FileLock(folder / LOCK, timeout=0, is_singleton=False), uuid.uuid4().hex
    since = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"run": writer, "pid": os.getpid(), "host": socket.gethostname(), "since": since}
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


class RunFolder:
    """The folder of a training, locked by this process until `close`."""

    checkpoints: Checkpoints
    """Set by `checkpoints_of`."""

    def __init__(self, options: SaveOptions, made: list[Path]) -> None:
        self.options, self.path, self._made = options, Path(options.path), made
        self._lock = ExitStack()
        self._lock.enter_context(locked(self.path))

    @classmethod
    def begin(
        cls, options: SaveOptions, request: Mapping[str, Any], fingerprint: Mapping[str, Any]
    ) -> RunFolder:
        """Make a new folder, whole or not at all, and lock it."""
        path = refuse_existing(options.path)
        made = [one for one in (path, *path.parents) if not one.exists()]
        try:
            with disk.new_folder(path) as temporary:
                disk.write(temporary / REQUEST, [_sealed(request, options)])
        except OSError as error:
            raise disk.unwritable(path, error) from error
        home = cls(options, made)
        home.checkpoints_of(fingerprint)
        return home

    @classmethod
    def reopen(cls, path: str | Path, **changes: Any) -> tuple[RunFolder, dict[str, Any]]:
        """Lock an existing folder, with other fields of `SaveOptions` if given; also returns its request."""
        path = Path(path)
        request = read_request(path)
        saving = request.pop("saving", {})
        try:
            options = SaveOptions(
                path, **(saving | {name: it for name, it in changes.items() if it is not None})
            )
        except TypeError as error:
            raise Refusal(
                f'"{path / REQUEST}" is damaged: "saving" has other names than it should.'
            ) from error
        return cls(options, []), request

    def checkpoints_of(self, fingerprint: Mapping[str, Any]) -> Checkpoints:
        """The checkpoints of this training."""
        self.checkpoints = Checkpoints(self.path, fingerprint, self.options.keep_every)
        return self.checkpoints

    def update_request(self, request: Mapping[str, Any]) -> None:
        """Update the request, such as with more epochs."""
        new = self.path / f".{REQUEST}-{uuid.uuid4().hex[:8]}"
        try:
            disk.write(new, [_sealed(request, self.options)])
            disk.replace(new, self.path / REQUEST)
            disk.sync(self.path)
        except OSError as error:
            with suppress(OSError):
                disk.remove(new)
            raise disk.unwritable(self.path, error) from error

    def publish(self, run: Run) -> Run:
        """Write the results."""
        publish(run, self.path, report=self.options.report)
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


def _sealed(request: Mapping[str, Any], options: SaveOptions) -> bytes:
    saving = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "path"}
    return seal({**request, "saving": saving}).encode()


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
