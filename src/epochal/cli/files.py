"""Output files: checked in advance, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from epochal.cli.interrupts import unwinding
from epochal.errors import Refusal, reason


def check_new_file(path: Path, force: bool = False) -> None:
    """Refuse a file that can't be written, before the work for it is done."""
    if path.is_dir():
        raise Refusal(f'"{path}" is a folder; name a file in it with --out.')
    if path.exists() and not force:
        raise Refusal(
            f'"{path}" exists already; name another file with --out, or write over it with --force.'
        )
    if not path.parent.is_dir():
        raise Refusal(f'"{path}" can\'t be written: there is no folder "{path.parent}".')
    _try(path.parent, f'"{path}"')


def check_folder(path: Path) -> None:
    """Refuse a new folder that can't be made, before the work for it is done; parents are made on the way."""
    parent = next(one for one in path.absolute().parents if os.path.lexists(one))
    if not parent.is_dir():
        raise Refusal(f'the run folder "{path}" can\'t be written: "{parent}" is not a folder.')
    _try(parent, f'the run folder "{path}"')


def _try(folder: Path, what: str) -> None:
    try:
        Path(tempfile.mkdtemp(prefix=".epochal-", dir=folder)).rmdir()
    except OSError as error:
        raise Refusal(f"{what} can't be written: {reason(error)}.") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place at the end, or goes without a trace."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with unwinding():
            yield partial
            partial.replace(path)
    except OSError as error:
        raise Refusal(f'"{path}" can\'t be written: {reason(error)}; nothing was written.') from error
    finally:
        partial.unlink(missing_ok=True)
