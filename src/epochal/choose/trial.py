"""`Job` and `Trial`: one training of a comparison, and its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from epochal.choose.setting import Setting
from epochal.curves import Curves

Send = Callable[[str, Sequence["Job"]], Iterable["Trial"]]
"""Sends the jobs of a phase out and yields their trials."""

BROKEN = "not finite"
"""The reason of a training whose loss or parameters were not finite any more."""


class Interrupted(KeyboardInterrupt):
    """A comparison was asked to end; what was finished is kept where there is a folder for it."""


@dataclass(frozen=True)
class Job:
    """One training: a setting, a repeat, and how far it may go.

    updates   at most so many.
    every     updates between two evaluations.
    target    stop when the monitored column is there.
    patience  stop after so many epochs without improvement.
    change    by how much a value must be better to be an improvement.
    draw      the repeat whose initial parameters and order it takes, if not its own; its split is its own.
    blocks    of which weights the influences of blocks of validation samples, and forecasts of a series, are
              wanted: "last", "best", or "" for none.
    """

    setting: Setting
    repeat: int
    updates: int
    every: int
    target: float | None = None
    patience: float | None = None
    change: float = 0.0
    draw: int | None = None
    blocks: str = ""

    @property
    def key(self) -> str:
        """What the job is called in a folder of trials."""
        target = "" if self.target is None else f"{np.float32(self.target):.9g}"
        patience = "" if self.patience is None else f"{self.patience:.9g}"
        draw = "" if self.draw is None else self.draw
        limits = f"{target}|{patience}|{self.change:.9g}|{draw}"
        blocks = f"|{self.blocks}" if self.blocks else ""
        return f"{self.setting.name}|{self.repeat}|{self.updates}|{self.every}|{limits}{blocks}"


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished training.

    curves    its evaluations, as rows of that repeat.
    updates   how many it made.
    seconds   training time, evaluations included and compilation not; on a CPU of one core among others.
    reason    why it stopped before its last update; empty if it did not.
    added     what each block of validation samples adds to a column (`curves.intervals.influences`), where
              the job wants it.
    forecasts (windows, steps) of the same weights for the validation windows of a series, in its units.
    """

    setting: str
    repeat: int
    curves: Curves
    updates: int
    seconds: float
    reason: str
    added: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    forecasts: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def broken(self) -> bool:
        """Whether its loss or parameters were not finite at some point."""
        return self.reason == BROKEN

    def best(self, column: str) -> float:
        """The best value of a column along the curve; NaN if the training broke."""
        if self.broken or not len(self.curves):
            return math.nan
        return float(self.curves.best(column).value[0])
