"""A text that can be opened repeatedly, compressed or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Content:
    """A text that can be opened repeatedly, compressed or not.

    `plain` is the path of uncompressed bytes; `size` counts the bytes on disk.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    plain: Path | None = None
    notes: tuple[str, ...] = ()
    encoding: str | None = None
    """Known if the text was generated here."""
