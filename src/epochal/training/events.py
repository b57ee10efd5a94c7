"""The events of a training, in order of time; observers read them and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from epochal.curves import Curves
from epochal.runs import Run
from epochal.training.prepared import Prepared


@dataclass(frozen=True)
class RunStarted:
    """The training is prepared; compilation comes next."""

    prepared: Prepared


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of one repeat."""

    repeat: int
    epoch: float
    update: int
    samples: int
    seconds: float
    columns: dict[str, float]


@dataclass(frozen=True)
class Progressed:
    """The progress of all repeats together, about ten times a second."""

    updates: int
    """Updates so far, summed over repeats."""
    max_updates: int
    """If no rule stops a repeat earlier."""
    seconds: float
    """Wall-clock time; `training_seconds` excludes compilation."""
    training_seconds: float


@dataclass(frozen=True)
class RepeatEnded:
    """A repeat has ended, with the reason."""

    repeat: int
    epochs: float
    reason: str


@dataclass(frozen=True)
class Resumed:
    """The training was resumed; comes after `RunStarted`."""

    updates: int
    """Updates so far, over all repeats; 0 without a checkpoint."""
    notes: tuple[str, ...] = ()
    """Notes: skipped checkpoints, another version of JAX."""


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint was written and verified."""

    updates: int
    """Its updates, over all repeats."""
    seconds: float
    """Time of writing, in the background."""


@dataclass(frozen=True)
class CheckpointFailed:
    """A checkpoint could not be written; the training continues as configured."""

    updates: int
    reason: str


@dataclass(frozen=True)
class ClusterNote:
    """News of a cluster: a node was lost, or is left out."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """The last event."""

    run: Run
    save_error: str = ""
    """Why the run could not be written, or empty."""


_OfRun = RunStarted | Resumed | Checkpointed | CheckpointFailed | ClusterNote | RunEnded
Event = _OfRun | Evaluated | Progressed | RepeatEnded


def evaluations(rows: Curves) -> Iterator[Evaluated]:
    """The evaluations that rows of curves are."""
    coordinates = (rows.repeat, rows.epoch, rows.update, rows.samples, rows.seconds)
    columns: list[Any] = [*coordinates, *rows.columns.values()]
    for repeat, epoch, update, samples, seconds, *found in zip(
        *(one.tolist() for one in columns), strict=True
    ):
        yield Evaluated(repeat, epoch, update, samples, seconds, dict(zip(rows.columns, found, strict=True)))
