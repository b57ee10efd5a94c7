"""The events of a training.

`train` yields them in order of time; observers read them and change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epochal.runs import Run
    from epochal.training.prepared import Prepared

__all__ = [
    "Checkpointed",
    "Evaluated",
    "Event",
    "Noted",
    "Progressed",
    "RepeatEnded",
    "Resumed",
    "RunEnded",
    "RunStarted",
    "Unsaved",
]


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
class Resumed:
    """A training goes on; comes after `RunStarted`."""

    updates: int
    """Made before, over all repeats; 0 where nothing was kept yet."""
    notes: tuple[str, ...] = ()
    """What should be known: checkpoints that were passed over, another version of JAX."""


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint lies on the disk, verified."""

    updates: int
    """Made until then, over all repeats."""
    seconds: float
    """What writing took, beside the training."""


@dataclass(frozen=True)
class Unsaved:
    """A checkpoint could not be written; the training goes on, as it was asked to."""

    updates: int
    reason: str


@dataclass(frozen=True)
class Noted:
    """Something has happened on a cluster: a node was lost, or is left out."""

    words: str


@dataclass(frozen=True)
class RunEnded:
    """The last event."""

    run: Run
    unsaved: str = ""
    """Why the run could not be written into its folder, in a sentence; empty if it was, or has none."""


Event = (
    RunStarted | Resumed | Evaluated | Progressed | Checkpointed | Unsaved | Noted | RepeatEnded | RunEnded
)
