"""Trainings of a comparison in other processes: job batches and results.

A job travels as plain values; an object (a model, an optimizer) is held once by each process and referenced
by a number, so that its program is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from epochal.choose.setting import Setting
from epochal.choose.trial import Job, Trial

__all__ = ["Away", "Luggage", "Parcel", "unpacked"]

_PLAIN = (bool, int, float, str)


@dataclass(frozen=True, eq=False)
class Parcel:
    """Jobs that train in step.

    jobs     they have the same program, plan and limits.
    program  the same for parcels that are compiled once.
    large    whether one of them is enough for all cores of a machine.
    """

    jobs: list[Job]
    program: Hashable
    large: bool

    @property
    def count(self) -> int:
        """How many trainings it is."""
        return len(self.jobs)

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return self.jobs[0].setting.name


class Away(Protocol):
    """Processes elsewhere that train."""

    @property
    def where(self) -> str:
        """How many there are, in words."""

    def trained(
        self, parcels: Sequence[Parcel], stopped: Callable[[], bool]
    ) -> Iterator[list[tuple[Job, Trial]]]:
        """The trials of each parcel as they come back, in any order; ends early once `stopped` says so."""

    def heard(self) -> str:
        """What has happened since this was last asked, such as that a machine was lost; mostly empty."""

    def told(self) -> tuple[str, ...]:
        """What is to be known of the whole, one sentence each."""


@dataclass(frozen=True)
class _Held:
    """Stands for an object that the other side holds."""

    number: int


class Luggage:
    """Numbers for what is not plain, each object once.

    Args:
        put: makes an object available to the other side, and says how it is found there.
    """

    def __init__(self, put: Callable[[Any], Any]) -> None:
        self._put = put
        self._numbers: dict[int, int] = {}
        self._objects: list[Any] = []
        self._places: list[Any] = []

    def packed(self, job: Job) -> tuple[dict[str, Any], dict[int, Any]]:
        """A job as plain values, and where the objects are that it needs, by their numbers."""
        places: dict[int, Any] = {}

        def plain(value: Any) -> Any:
            if value is None or isinstance(value, _PLAIN):
                return value
            number = self._numbers.get(id(value))
            if number is None:
                number = self._numbers[id(value)] = len(self._objects)
                self._objects.append(value)  # as long as it is kept no other object has its id
                self._places.append(self._put(value))
            places[number] = self._places[number]
            return _Held(number)

        setting = job.setting
        values = {one.name: getattr(job, one.name) for one in fields(Job)}
        values["setting"] = (
            setting.name,
            plain(setting.model),
            {name: plain(value) for name, value in setting.changes.items()},
        )
        return values, places


def unpacked(values: Mapping[str, Any], held: Mapping[int, Any]) -> Job:
    """The job that was packed, with the objects that are held here.

    >>> from epochal.choose.setting import Setting
    >>> model, bag = object(), Luggage(put=lambda value: value)
    >>> job = Job(Setting("batch 8", model, {"batch_size": 8}), repeat=2, updates=30, every=5)
    >>> packed, places = bag.packed(job)
    >>> unpacked(packed, places).key == job.key, unpacked(packed, places).setting.model is model
    (True, True)
    """

    def value(one: Any) -> Any:
        return held[one.number] if isinstance(one, _Held) else one

    name, model, changes = values["setting"]
    setting = Setting(name, value(model), {key: value(one) for key, one in changes.items()})
    return Job(**{**values, "setting": setting})
