"""Processes that train together: which one prints, and how each exits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from epochal.errors import Refusal

_NAMES = {"coordinator": "--coordinator", "process_id": "--process-id", "processes": "--processes"}


def join_others(given: dict[str, Any]) -> bool:
    """Join other processes if that is asked for, and take the options out; whether this one speaks."""
    options = {name: given.pop(name) for name in _NAMES}
    if given.pop("distributed"):
        if any(value is not None for value in options.values()):
            first, second, third = _NAMES.values()
            raise Refusal(
                f"--distributed finds out what {first}, {second} and {third} say; give one of both."
            )
    elif all(value is None for value in options.values()):
        return True
    from epochal.training.processes import init_distributed, process_group

    init_distributed(**options, names=_NAMES)
    if not process_group().alone:
        _take_standard_output(process_group().is_main_process)
    return process_group().is_main_process


def _take_standard_output(is_main_process: bool) -> None:
    """From now on only this program prints there, not C++ (Gloo has words for it); in process 0 alone."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if is_main_process:
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = os.fdopen(own, "w", buffering=1, encoding=encoding, errors=errors)
    else:
        os.close(own)


def same_folder(folder: Path) -> Path:
    """The folder that process 0 means: a name of its own has the time in it."""
    from epochal.training.processes import process_group

    found: str = process_group().decide("the run folder", str(folder), lambda wishes: wishes[0])
    return Path(found)


def _hosts() -> Any:
    """The module, if anybody has joined others."""
    return sys.modules.get("epochal.training.processes")


def tell_others(text: str) -> None:
    """This process has failed, with this text: the others end as well."""
    hosts = _hosts()
    if hosts is not None:
        hosts.process_group().fail(text)


def ended_together(status: int) -> bool:
    """Whether the process may end as usual, with nobody waiting for it; if not, it is to leave at once."""
    hosts = _hosts()
    if hosts is None or hosts.process_group().alone:
        return status <= 128
    if hosts.process_group().over:
        return False
    hosts.shutdown()
    return status <= 128
