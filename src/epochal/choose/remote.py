"""The trainings of a comparison on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax

from epochal.choose.bench import Bench
from epochal.choose.trial import Job, Setting, Trial
from epochal.training.executor import RayCluster, Shared, Stopped
from epochal.training.prepared import Prepared

REMEDY = (
    "what is finished is kept where there is a folder: the same call goes on from there, with the cluster or "
    "without"
)


@contextmanager
def training_on(address: str | None, bench: Bench) -> Iterator[None]:
    """Within, the jobs of a bench are trained on the Ray cluster at that address, if there is one."""
    if address is None:
        yield
        return
    here = bench.executor
    bench.executor = RayCluster(address, _trainer, bench.base, packed, lambda: bench.control.stopped, REMEDY)
    try:
        yield
    finally:
        bench.executor.close()
        bench.executor = here


def notes_of(bench: Bench) -> list[str]:
    """What is to be known of trainings that were not made on this machine."""
    where = bench.executor.summary()
    return [f"trained on {where}; update times are of this machine."] if where else []


def packed(jobs: Sequence[Job], share: Callable[[Any], Shared]) -> list[Job]:
    """Jobs in which models, and other options that are no plain values, are shared.

    Sent with each job they would be other objects each time, and their programs compiled each time.
    """

    def plain(value: Any) -> Any:
        return value if value is None or isinstance(value, bool | int | float | str) else share(value)

    return [replace(job, setting=_each(job.setting, plain)) for job in jobs]


def unpacked(jobs: Sequence[Job]) -> list[Job]:
    """The jobs that were packed."""

    def whole(value: Any) -> Any:
        return value.value if isinstance(value, Shared) else value

    return [replace(job, setting=_each(job.setting, whole)) for job in jobs]


def _each(setting: Setting, change: Callable[[Any], Any]) -> Setting:
    changes = {name: change(value) for name, value in setting.changes.items()}
    return Setting(setting.name, change(setting.model), changes)


def _trainer(base: Prepared) -> Callable[..., list[Trial] | None]:
    """The function with which a worker trains jobs."""
    bench = Bench.on(base)

    def trained(jobs: Sequence[Job], devices: tuple[jax.Device, ...], stopped: Stopped) -> list[Trial] | None:
        return bench.train(unpacked(jobs), devices, stopped)

    return trained
