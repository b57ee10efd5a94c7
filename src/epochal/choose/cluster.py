"""Trainings of a comparison on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from epochal.choose.away import Luggage, Parcel, unpacked
from epochal.choose.bench import Bench
from epochal.choose.trial import Job, Trial
from epochal.training.cluster.dispatch import Cluster
from epochal.training.loop import Control
from epochal.training.prepared import Prepared

__all__ = ["Sweep", "going_to"]

REMEDY = (
    "what is finished is kept where there is a folder: the same call goes on from there, with the cluster or "
    "without"
)


@contextmanager
def going_to(address: str | None, bench: Bench) -> Iterator[None]:
    """Within, the trainings of a bench go to the Ray cluster at that address, if there is one."""
    if address is None:
        yield
        return
    bench.away = sweep = Sweep(address, bench.base)
    try:
        yield
    finally:
        bench.away = None
        sweep.close()


class Sweep:
    """Workers on a Ray cluster for one comparison.

    Args:
        address: of the cluster.
        base: the samples and seeds that all jobs share.
    """

    def __init__(self, address: str, base: Prepared) -> None:
        self._cluster = Cluster(address, base, Trials, REMEDY)
        self._luggage = Luggage(self._cluster.put)

    @property
    def where(self) -> str:
        """How many workers are there, on how many nodes."""
        return self._cluster.where

    def heard(self) -> str:
        """What has happened since this was last asked."""
        return self._cluster.heard()

    def told(self) -> tuple[str, ...]:
        """Where the trainings were made, and what was lost."""
        return (f"trained on {self._cluster.told()}; update times are of this machine.",)

    def trained(
        self, parcels: Sequence[Parcel], stopped: Callable[[], bool]
    ) -> Iterator[list[tuple[Job, Trial]]]:
        """The trials of each parcel as they come back; ends early once `stopped` says so."""
        for parcel, trials in self._cluster.done(parcels, self._packed, stopped):
            jobs = {(job.setting.name, job.repeat): job for job in parcel.jobs}
            yield [(jobs[trial.setting, trial.repeat], trial) for trial in trials]

    def close(self) -> None:
        """Let the workers go."""
        self._cluster.close()

    def _packed(self, parcel: Parcel) -> tuple[list[dict[str, Any]], dict[int, Any]]:
        places: dict[int, Any] = {}
        packed = []
        for job in parcel.jobs:
            values, needed = self._luggage.packed(job)
            packed.append(values)
            places |= needed
        return packed, places


class Trials:
    """What a worker does for a comparison: it gives back the trials of packed jobs that train in step."""

    def __init__(self, base: Prepared) -> None:
        self._bench = Bench.on(base)

    def do(
        self, packed: Sequence[Mapping[str, Any]], held: Mapping[int, Any], control: Control
    ) -> list[Trial] | None:
        """The trials; None if they were stopped."""
        self._bench.control = control
        return self._bench.train([unpacked(values, held) for values in packed]) or None
