"""The Ray actor that trains, one a core or accelerator.

It gets once what all its jobs share, then job batches, and returns their results. Its task handler says how a
job is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from epochal.training.cluster.conditions import conditions
from epochal.training.loop import Control

__all__ = ["Trade", "Worker"]


class Trade(Protocol):
    """What workers are there for; made of what all parcels have in common."""

    def do(self, packed: Any, held: Mapping[int, Any], control: Control) -> Any:
        """What comes of a packed parcel; None if it was stopped before there was anything to give back."""


class Worker:
    """One process that trains. Two of its methods may run at a time: a training, and what ends it."""

    def __init__(self, trade: Callable[[Any], Trade]) -> None:
        self._kind = trade
        self._trade: Trade | None = None
        self._working = threading.Lock()
        self._controls: dict[int, Control] = {}
        self._stopped: set[int] = set()
        self._held: dict[int, Any] = {}

    def about(self) -> dict[str, str]:
        """Under which conditions it would train."""
        return conditions()

    def do(
        self, call: int, base: Sequence[Any], parcels: Sequence[Any], places: Mapping[int, Any]
    ) -> list[Any]:
        """What comes of each packed parcel, as far as it got before it was stopped.

        Args:
            call: the number by which it can be stopped.
            base: of one element: where the object store has what all parcels share.
            parcels: as they were packed.
            places: where the objects are that the parcels need, by their numbers.
        """
        import ray

        with self._working:
            control = self._controls[call] = Control()
            if call in self._stopped:
                control.stop()
            if self._trade is None:
                self._trade = self._kind(ray.get(base[0]))
            for number, place in places.items():
                if number not in self._held:
                    self._held[number] = ray.get(place)
            found = []
            for packed in parcels:
                one = self._trade.do(packed, self._held, control)
                if one is None:
                    break
                found.append(one)
            del self._controls[call]
            return found

    def stop(self, call: int) -> None:
        """End a call of `do`, which gives back what it has finished."""
        self._stopped.add(call)
        control = self._controls.get(call)
        if control is not None:
            control.stop()
