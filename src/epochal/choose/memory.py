"""Settings of a comparison that do not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from epochal.choose.setting import Setting
from epochal.choose.trial import Job
from epochal.common.machine import cores
from epochal.engine.memory import SHARE, besides, bytes_available, bytes_said
from epochal.training.executor import Task, Threads

if TYPE_CHECKING:
    from epochal.choose.bench import Bench

Key = TypeVar("Key")


def left_out(bench: Bench, settings: Mapping[Key, Setting]) -> dict[Key, str]:
    """Why settings are left out that are too large; their programs are compiled side by side.

    Those whose update time is known were compiled before, and fit.
    """
    tasks = [Task((key, one)) for key, one in settings.items() if bench.store.timing(one.name) is None]
    threads = Threads(lambda work, devices, stopped: too_large(bench, work[1]), [()] * cores())
    reasons = dict(threads.map_unordered(tasks))
    return {task.work[0]: reasons[task] for task in tasks if reasons[task]}


def too_large(bench: Bench, setting: Setting) -> str:
    """Why a setting is left out, in one sentence; empty if it fits. Its program is compiled and not run."""
    size, free = bench.prepared(setting).plan.batch_size, bytes_available()
    need = besides(bench.lane([Job(setting, 0, 1, 1)]))
    if need <= SHARE * free:
        return ""
    return f"batch size {size:,} needs about {bytes_said(need)} and {bytes_said(free)} are free: left out"
