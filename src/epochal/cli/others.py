"""The exit of a process, reported to those that train with it."""

from __future__ import annotations

import sys
from typing import Any


def _hosts() -> Any:
    """The module, if anybody has joined others."""
    return sys.modules.get("epochal.training.hosts")


def tell_others(words: str) -> None:
    """This process has failed, in these words: the others end as well."""
    hosts = _hosts()
    if hosts is not None:
        hosts.together().fail(words)


def ended_together(status: int) -> bool:
    """Whether the process may end as usual, with nobody waiting for it; if not, it is to leave at once.

    Raises:
        HostLost: at the end of all, a process is gone that the others rely on.
    """
    hosts = _hosts()
    if hosts is None or hosts.together().alone:
        return status <= 128
    if hosts.together().over:
        return False
    hosts.part()
    return status <= 128
