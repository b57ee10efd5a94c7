"""What must be equal on another machine for a training to give the same figures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from epochal.common.version import VERSION
from epochal.training import describe


def conditions() -> dict[str, str]:
    """What must be the same in all processes, so that a training gives the same figures in each."""
    found = describe.conditions()
    python, _, _ = found["python"].rpartition(".")
    versions = {"Python": python, **found["versions"], "epochal": VERSION}
    return {**versions, "device": found["device"], "code of epochal": _code()}


@cache
def _code() -> str:
    """Eight digits of the source: a version that is being worked on keeps its number."""
    folder, found = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:8]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in words; empty if nothing does.

    >>> differences({"jax": "0.10.2", "numpy": "2.4"}, {"jax": "0.9.0", "numpy": "2.4"})
    'jax 0.9.0 there and 0.10.2 here'
    """
    return ", ".join(
        f"{name} {there.get(name, 'none')} there and {mine} here"
        for name, mine in here.items()
        if there.get(name) != mine
    )
