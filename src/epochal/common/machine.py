"""CPU cores and free memory that this process may use, control groups included."""

from __future__ import annotations

import os
from pathlib import Path

ENDLESS = 2**62
"""Unlimited: the system does not report its free memory."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Free memory of this process in bytes, without swapping; `ENDLESS` if unknown.

    The system's available memory, or what a control group (a container) leaves, if less.
    """
    return min(_of_system(), _of_group(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))


def _of_system() -> int:
    """Available memory on Linux, elsewhere the free pages."""
    available = _named(Path("/proc/meminfo"), "MemAvailable:")
    if available is not None:
        return 1024 * available
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return ENDLESS


def _of_group(membership: Path, root: Path) -> int:
    """What the control groups of this process (version 1 or 2) and their parents leave, or unlimited."""
    left = ENDLESS
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, names = root / path.lstrip("/"), ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            folder, names = root / "memory" / path.lstrip("/"), _FIRST_VERSION
        else:
            continue
        for place in (folder, *folder.parents):
            limit, used = (_text(place / name).strip() for name in names[:2])
            if limit.isdecimal() and used.isdecimal():  # there may be no limit: "max"
                # The page cache counts as used, but can be reclaimed.
                reclaimable = _named(place / "memory.stat", names[2]) or 0
                left = min(left, max(0, int(limit) - int(used) + reclaimable))
            if place == root:
                break
    return left


_FIRST_VERSION = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _named(path: Path, name: str) -> int | None:
    """The number after a name in a file of such lines."""
    for line in _text(path).splitlines():
        words = line.split()
        if words[:1] == [name] and words[1:2] and words[1].isdecimal():
            return int(words[1])
    return None
