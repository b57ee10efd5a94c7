"""`Candidate`, `Job` and `Trial`: a setting that is tried, one training of it with its limits, its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves
from epochal.curves.statistics import Floats
from epochal.engine.rules import Observation
from epochal.models import Model

Send = Callable[[str, Sequence["Job"]], Iterable["Trial"]]
"""Sends the jobs of a phase out and yields their trials."""

DIVERGED = "not finite"  # the reason of a training whose loss or parameters were not finite any more


@dataclass(frozen=True, eq=False)
class Candidate:
    """A setting that is tried: a model, and what differs from the options that all candidates share."""

    name: str  # what people call it; unique within a comparison
    model: Model | Any  # what `fit` takes as a model
    # options of `epochal.Settings` that differ from the shared ones, such as {"batch_size": 8}
    changes: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", MappingProxyType(dict(self.changes)))

    def with_(self, name: str | None = None, **changes: Any) -> Candidate:
        """The same with further changes, and another name if one is given."""
        return Candidate(self.name if name is None else name, self.model, {**self.changes, **changes})


def short_text(value: Any) -> str:
    """A value of a setting in short: numbers with four digits, objects by their name.

    >>> short_text(0.0031622776), short_text("full"), short_text(32)
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

    candidate: Candidate
    repeat: int
    updates: int  # at most so many
    eval_interval: int  # updates between two evaluations
    target_value: float | None = None  # stop when the monitored metric is there
    patience: float | None = None  # stop after so many epochs without improvement
    min_delta: float = 0.0  # by how much a value must be better to be an improvement
    # the repeat whose initial parameters and order it takes, if not its own; its split is its own
    seed_repeat: int | None = None
    # parameters to score on blocks of validation samples (influences, forecasts): "last", "best" or ""
    scored_parameters: str = ""

    @property
    def key(self) -> str:
        """What the job is called in a folder of trials."""
        target_value = "" if self.target_value is None else f"{np.float32(self.target_value):.9g}"
        patience = "" if self.patience is None else f"{self.patience:.9g}"
        seed = "" if self.seed_repeat is None else self.seed_repeat
        limits = f"{target_value}|{patience}|{self.min_delta:.9g}|{seed}"
        blocks = f"|{self.scored_parameters}" if self.scored_parameters else ""
        return f"{self.candidate.name}|{self.repeat}|{self.updates}|{self.eval_interval}|{limits}{blocks}"


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished training."""

    candidate_name: str
    repeat: int
    curves: Curves  # its evaluations, as rows of that repeat
    updates: int  # how many it made
    # training time, evaluations included and compilation not; on a CPU of one core among others
    seconds: float
    reason: str  # why it stopped before its last update; empty if it did not
    # what each block of validation samples adds to a metric (`curves.intervals.influences`), where the job
    # wants it
    influences: Mapping[str, Floats] = field(default_factory=dict)
    # (windows, steps) of the same parameters for the validation windows of a series, in its units
    forecasts: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def diverged(self) -> bool:
        """Whether its loss or parameters were not finite at some point."""
        return self.reason == DIVERGED

    def best(self, metric: str) -> float:
        """The best value of a metric along the curve; NaN if the training diverged."""
        if self.diverged or not len(self.curves):
            return math.nan
        return float(self.curves.best(metric).value[0])


class _State(NamedTuple):
    target_value: jax.Array  # in the direction in which lower is better; minus infinity for none
    patience: jax.Array  # epochs without improvement; infinite for no limit
    min_delta: jax.Array  # by how much a value must be better to be an improvement
    best: jax.Array
    best_epoch: jax.Array


@dataclass(frozen=True)
class TrialStopping:
    """The stopping rule of a trial: at a target value of `monitor`, or after epochs without improvement."""

    monitor: str

    @property
    def _sign(self) -> float:
        return -1.0 if higher_is_better(self.monitor) else 1.0

    def init(self) -> _State:
        """No limits, nothing seen."""
        infinite = jnp.float32(jnp.inf)
        return _State(-infinite, infinite, jnp.float32(0), infinite, jnp.float32(0))

    def limited(self, target_value: float | None, patience: float | None, min_delta: float = 0.0) -> _State:
        """The state before the first evaluation of a training with limits; `init` sets none."""
        goal = -np.inf if target_value is None else self._sign * target_value
        wait = np.inf if patience is None else patience
        numbers: Any = np.array([goal, wait, min_delta, np.inf, 0.0], np.float32)
        return _State(*numbers)

    def step(self, state: _State, observation: Observation) -> tuple[_State, jax.Array]:
        """Compare with the target and with the best so far."""
        value = self._sign * observation.metrics[self.monitor]
        better = value < state.best - state.min_delta
        best = jnp.where(better, value, state.best)
        epoch = jnp.where(better, observation.epoch, state.best_epoch)
        stop = (value <= state.target_value) | (observation.epoch - epoch >= state.patience)
        return state._replace(best=best, best_epoch=epoch), stop

    def reason(self, state: Any) -> str:
        """Which of the two it was."""
        return f"{self.monitor} reached its target, or nothing improved for {float(state.patience):g} epochs"

    def describe(self) -> str:
        """The rule in words."""
        return f"{self.monitor} at its target, or without improvement"

    def metric_names(self) -> tuple[str, ...]:
        """The watched metric."""
        return (self.monitor,)
