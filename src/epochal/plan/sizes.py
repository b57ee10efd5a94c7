"""Batch sizes: a number, "full", or a schedule."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from epochal.errors import Refusal

Size = int | Literal["full"]
_MAX_CHANGES = 1000


def as_integer(value: Any) -> int | None:
    """The value as an int if its type is integral (NumPy's too, bool not), else None."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def bounded(name: str, value: object, minimum: int, maximum: int, bounds: str, remedy: str = "") -> int:
    """The value as an int within bounds, or a refusal."""
    number = as_integer(value)
    if number is None:
        shown = f'"{value}"' if isinstance(value, str) else value
        raise Refusal(f"{name} must be a whole number {bounds}; got {shown}.{remedy}")
    if not minimum <= number <= maximum:
        raise Refusal(f"{name} must be {bounds}; got {number}.{remedy}")
    return number


class Full(int):
    """The batch size "full": all samples, also after their number changes.

    An int; `dataclasses.replace(plan, samples=...)` reads it as "full" again.
    """


@dataclass(frozen=True, init=False)
class BatchSchedule:
    """Batch sizes that change during training.

    Growing the batch does what decaying the learning rate does, in fewer updates (Smith, Kindermans, Ying
    and Le 2018, "Don't decay the learning rate, increase the batch size", arXiv 1711.00489).

    Args:
        sizes: maps the epoch (or update, counted from 0) at which a size begins to the size, a number of
            samples or "full"; the first begins at 0.
        unit: "epochs" or "updates", of the keys.

    Raises:
        Refusal: the first key is not 0, or a value is not a whole number.

    >>> BatchSchedule({0: 32, 30: 128, 60: "full"}).changes
    ((0, 32), (30, 128), (60, 'full'))
    >>> BatchSchedule({10: 32})
    Traceback (most recent call last):
    epochal.errors.Refusal: batch_size must begin at epoch 0; got 10 as the first beginning. Give it a size \
for 0, too.
    """

    changes: tuple[tuple[int, Size], ...]
    unit: str

    def __init__(self, sizes: Mapping[int, Any], unit: str = "epochs") -> None:
        if unit not in ("epochs", "updates"):
            raise Refusal(f'the unit of a batch schedule must be "epochs" or "updates"; got "{unit}".')
        one = unit.removesuffix("s")
        if not isinstance(sizes, Mapping) or not sizes:
            raise Refusal(
                f"`batch_size` must map {unit} to sizes, such as {{0: 32, 30: 128}}; got {sizes!r}."
            )
        if len(sizes) > _MAX_CHANGES:
            raise Refusal(f"`batch_size` must change at most {_MAX_CHANGES} times; got {len(sizes)} sizes.")
        changes: list[tuple[int, Size]] = []
        for at, size in sizes.items():
            begin = bounded(f"the {one} at which a `batch_size` begins", at, 0, 2**62, "at least 0")
            if isinstance(size, Full) or (isinstance(size, str) and size == "full"):
                changes.append((begin, "full"))
            else:
                changes.append((begin, bounded("`batch_size`", size, 1, 2**62, 'at least 1, or "full"')))
        changes.sort(key=lambda change: change[0])
        if changes[0][0] != 0:
            raise Refusal(
                f"`batch_size` must begin at {one} 0; got {changes[0][0]} as the first beginning. Give it a "
                "size for 0, too."
            )
        object.__setattr__(self, "changes", tuple(changes))
        object.__setattr__(self, "unit", unit)

    def __repr__(self) -> str:
        unit = "" if self.unit == "epochs" else f', unit="{self.unit}"'
        return f"BatchSchedule({dict(self.changes)}{unit})"

    def __str__(self) -> str:
        first, *others = self.changes
        one = self.unit.removesuffix("s")
        return ", ".join(
            [
                _as_text(first[1]),
                *(f"after {at:,} {one}{'s' * (at > 1)}: {_as_text(size)}" for at, size in others),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `of_dict` is the inverse."""
        return {"unit": self.unit, "changes": [list(change) for change in self.changes]}

    @classmethod
    def of_dict(cls, value: Mapping[str, Any]) -> BatchSchedule:
        """From the result of `to_dict`."""
        return cls(dict(value["changes"]), str(value["unit"]))

    def sizes(self, positions: int) -> tuple[int, ...]:
        """The sizes of all changes for an epoch of this many positions."""
        return tuple(positions if size == "full" else int(size) for _, size in self.changes)


def _as_text(size: Size) -> str:
    return size if isinstance(size, str) else f"{size:,}"


class Scheduled(int):
    """The first batch size of a schedule: an int, but equal only to one of the same schedule."""

    schedule: BatchSchedule

    def __new__(cls, size: int, schedule: BatchSchedule) -> Scheduled:
        """The size with its schedule."""
        made = super().__new__(cls, size)
        made.schedule = schedule
        return made

    def __getnewargs__(self) -> tuple[int, BatchSchedule]:  # type: ignore[override]  # int has one argument
        return int(self), self.schedule

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheduled) and (int(self), self.schedule) == (int(other), other.schedule)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((int(self), self.schedule))


def batch_size_of(value: object, samples: int, positions: int) -> int:
    """The batch size argument for epochs of this many positions, or a refusal."""
    if isinstance(value, Full) or (isinstance(value, str) and value == "full"):
        return Full(positions)
    if isinstance(value, Mapping):
        value = BatchSchedule(value)
    if isinstance(value, Scheduled):
        value = value.schedule
    what = "the training samples" if positions == samples else "the uses per epoch"
    bounds = f"between 1 and {positions} ({what})"
    remedy = ' Use "full" for one batch per epoch.'
    if isinstance(value, BatchSchedule):
        sizes = [
            bounded("`batch_size`", size, 1, positions, bounds, remedy) for size in value.sizes(positions)
        ]
        return Scheduled(sizes[0], value)
    return bounded("`batch_size`", value, 1, positions, bounds, remedy)
