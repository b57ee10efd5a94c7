"""The trainings of a comparison on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from epochal.choose.bench import Bench
from epochal.choose.trial import Job, Setting, Trial
from epochal.training.executor import RayCluster, Shared
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

    def shared(value: Any) -> Any:
        return value if value is None or isinstance(value, bool | int | float | str) else share(value)

    return _each(jobs, shared)


def unpacked(jobs: Sequence[Job]) -> list[Job]:
    """The jobs that were packed."""
    return _each(jobs, lambda value: value.value if isinstance(value, Shared) else value)


def _each(jobs: Sequence[Job], change: Callable[[Any], Any]) -> list[Job]:
    """Jobs with another model and other options."""
    settings = [
        Setting(
            job.setting.name,
            change(job.setting.model),
            {name: change(value) for name, value in job.setting.changes.items()},
        )
        for job in jobs
    ]
    return [replace(job, setting=setting) for job, setting in zip(jobs, settings, strict=True)]


def _trainer(base: Prepared) -> Callable[..., list[Trial] | None]:
    bench = Bench.on(base)
    return lambda jobs, devices, stopped: bench.train(unpacked(jobs), devices, stopped)
