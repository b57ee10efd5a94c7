"""Processes that train together, and which one prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from epochal.errors import Refusal

_NAMES = {"coordinator": "--coordinator", "process_id": "--process-id", "processes": "--processes"}


def join_others(given: dict[str, Any]) -> bool:
    """Join other processes if that is asked for, and take the options out; whether this one speaks."""
    asked = {name: given.pop(name) for name in _NAMES}
    if given.pop("distributed"):
        if any(value is not None for value in asked.values()):
            first, second, third = _NAMES.values()
            raise Refusal(
                f"--distributed finds out what {first}, {second} and {third} say; give one of both."
            )
    elif all(value is None for value in asked.values()):
        return True
    from epochal.training.hosts import join, together

    join(**asked, names=_NAMES)
    if not together().alone:
        _take_standard_output(together().leads)
    return together().leads


def _take_standard_output(leads: bool) -> None:
    """From now on only this program prints there, not C++ (Gloo has words for it); in process 0 alone."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if leads:
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = os.fdopen(own, "w", buffering=1, encoding=encoding, errors=errors)
    else:
        os.close(own)


def same_folder(folder: Path) -> Path:
    """The folder that process 0 means: a name of its own has the time in it."""
    from epochal.training.hosts import together

    found: str = together().decide("the run folder", str(folder), lambda wishes: wishes[0])
    return Path(found)
