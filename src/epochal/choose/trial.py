"""`Setting`, `Job` and `Trial`: a combination of options, one training of it, and its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from epochal.curves import Curves
from epochal.curves.statistics import Floats
from epochal.models import Model

Send = Callable[[str, Sequence["Job"]], Iterable["Trial"]]
"""Sends the jobs of a phase out and yields their trials."""

BROKEN = "not finite"  # the reason of a training whose loss or parameters were not finite any more


@dataclass(frozen=True, eq=False)
class Setting:
    """One way to train: a model, and what differs from the settings that all share."""

    name: str  # what people call it; unique within a comparison
    model: Model | Any  # what `fit` takes as a model
    # options of `epochal.Settings` that differ from the common ones, such as {"batch_size": 8}
    changes: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", MappingProxyType(dict(self.changes)))

    def with_(self, name: str | None = None, **changes: Any) -> Setting:
        """The same with further changes, and another name if one is given."""
        return Setting(self.name if name is None else name, self.model, {**self.changes, **changes})


def shown(value: Any) -> str:
    """A value of a setting in short: numbers with four digits, objects by their name.

    >>> shown(0.0031622776), shown("full"), shown(32)
    ('0.003162', 'full', '32')
    """
    if isinstance(value, float):
        return f"{value:.4g}"
    described = getattr(value, "name", None)
    return str(described) if isinstance(described, str) else str(value)


class Interrupted(KeyboardInterrupt):
    """A comparison was asked to end; what was finished is kept where there is a folder for it."""


@dataclass(frozen=True)
class Job:
    """One training: a setting, a repeat, and how far it may go."""

    setting: Setting
    repeat: int
    updates: int  # at most so many
    every: int  # updates between two evaluations
    target: float | None = None  # stop when the monitored column is there
    patience: float | None = None  # stop after so many epochs without improvement
    change: float = 0.0  # by how much a value must be better to be an improvement
    # the repeat whose initial parameters and order it takes, if not its own; its split is its own
    draw: int | None = None
    # of which weights the influences of blocks of validation samples, and forecasts of a series, are wanted:
    # "last", "best", or "" for none
    blocks: str = ""

    @property
    def key(self) -> str:
        """What the job is called in a folder of trials."""
        target = "" if self.target is None else f"{np.float32(self.target):.9g}"
        patience = "" if self.patience is None else f"{self.patience:.9g}"
        limits = f"{target}|{patience}|{self.change:.9g}|{'' if self.draw is None else self.draw}"
        blocks = f"|{self.blocks}" if self.blocks else ""
        return f"{self.setting.name}|{self.repeat}|{self.updates}|{self.every}|{limits}{blocks}"


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished training."""

    setting: str
    repeat: int
    curves: Curves  # its evaluations, as rows of that repeat
    updates: int  # how many it made
    # training time, evaluations included and compilation not; on a CPU of one core among others
    seconds: float
    reason: str  # why it stopped before its last update; empty if it did not
    # what each block of validation samples adds to a column (`curves.intervals.influences`), where the job
    # wants it
    added: Mapping[str, Floats] = field(default_factory=dict)
    # (windows, steps) of the same weights for the validation windows of a series, in its units
    forecasts: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def broken(self) -> bool:
        """Whether its loss or parameters were not finite at some point."""
        return self.reason == BROKEN

    def best(self, column: str) -> float:
        """The best value of a column along the curve; NaN if the training broke."""
        if self.broken or not len(self.curves):
            return math.nan
        return float(self.curves.best(column).value[0])
