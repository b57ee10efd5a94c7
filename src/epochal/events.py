"""What does a training tell while it runs?

`train` yields these, in order of time; observers read them and change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epochal.prepared import Prepared
    from epochal.run import Run

__all__ = ["Evaluated", "Event", "Progressed", "RepeatEnded", "RunEnded", "RunStarted"]


@dataclass(frozen=True)
class RunStarted:
    """Everything is settled; compilation comes next."""

    prepared: Prepared


@dataclass(frozen=True)
class Evaluated:
    """The figures of one repeat at one point of its training."""

    repeat: int
    epoch: float
    update: int
    samples: int
    seconds: float
    columns: dict[str, float]


@dataclass(frozen=True)
class Progressed:
    """About ten times a second: how far all repeats together are."""

    updates: int
    """Made so far, summed over repeats."""
    most_updates: int
    """If no rule stops a repeat earlier."""
    seconds: float
    """Since the start, by the clock; `training_seconds` leaves out compilation."""
    training_seconds: float


@dataclass(frozen=True)
class RepeatEnded:
    """One repeat has ended, and why."""

    repeat: int
    epochs: float
    reason: str


@dataclass(frozen=True)
class RunEnded:
    """The last event."""

    run: Run


Event = RunStarted | Evaluated | Progressed | RepeatEnded | RunEnded
