"""Connecting to a Ray cluster, leaving it again, and what must be equal on its nodes."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from epochal.common.version import VERSION
from epochal.errors import Refusal, first_line, require
from epochal.training import describe


def connect(address: str) -> tuple[Any, Callable[[], None]]:
    """Connect to the cluster at that address; returns the module `ray` and the function that leaves it.

    A process that was connected to one before stays so; without Ray or such a cluster it is refused.
    """
    ray = _ray()
    if ray.is_initialized():
        return ray, lambda: None
    if not address or address == "local":
        raise Refusal(
            f'`ray` must be the address of a running cluster, such as "auto"; got "{address}". '
            "`ray start --head` starts one."
        )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon and port.isdecimal():  # fail at once where nobody listens; Ray itself would try for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise Refusal(
            f'`ray` must be the address of a running cluster; "{address}" can\'t be joined: '
            f"{first_line(error)}. `ray status` says where one is, `ray start --head` starts one."
        ) from error
    finally:
        # Ray's own handler would print where it was and end the process at once.
        with suppress(ValueError):  # only the main thread has signals
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return ray, ray.shutdown


def _ray() -> Any:
    """Ray; unless somebody has imported it before, it does not print to standard output, which is ours."""
    ours = not ("ray" in sys.modules or "RAY_DEDUP_LOGS_SKIP_REGEX" in os.environ)
    if ours:
        os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = ".*"  # read once, when it is imported
    try:
        return require("ray", extra="ray", purpose="training on a Ray cluster")
    finally:
        if ours:
            del os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"]


def environment() -> dict[str, str]:
    """What must be the same in all processes, so that a training gives the same numbers in each."""
    found = describe.environment()
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


def environment_differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in words; empty if nothing does.

    >>> environment_differences({"jax": "0.10.2", "numpy": "2.4"}, {"jax": "0.9.0", "numpy": "2.4"})
    'jax 0.9.0 there and 0.10.2 here'
    """
    return ", ".join(
        f"{name} {there.get(name, 'none')} there and {mine} here"
        for name, mine in here.items()
        if there.get(name) != mine
    )
