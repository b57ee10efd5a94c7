"""A text that can be opened repeatedly, compressed or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["Content"]


@dataclass(frozen=True)
class Content:
    """A text that may be opened again and again, however it is packed.

    `plain` is the path where the bytes lie as they are; `size` counts the bytes on the disk.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    plain: Path | None = None
    notes: tuple[str, ...] = ()
    encoding: str | None = None
    """Known where the text was made here."""
