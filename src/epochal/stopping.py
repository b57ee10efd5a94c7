"""Stopping rules: patience, target, Prechelt's criteria, budget, and their combinations.

A rule accumulates over the evaluations of one repeat. It is traced into the compiled program, so that each
repeat stops on its own without the host; the same rule applied to a finished curve gives the same answer:

    >>> target = TargetValue(0.95, "validation.accuracy")
    >>> rule = any_of(Patience(20, min_epochs=10), target, Budget(seconds=60))
    >>> rule.describe()
    'no improvement of validation.loss for 20 epochs, or validation.accuracy at least 0.95, or 60 seconds'
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from epochal.common.metric_names import higher_is_better
from epochal.engine.rules import HostRule, Never, Observation, Rule, Waits
from epochal.errors import Refusal


def _positive(name: str, value: float, strict: bool = True) -> None:
    if not (value > 0 if strict else value >= 0):
        bound = "greater than 0" if strict else "at least 0"
        raise Refusal(f"{name} must be {bound}; got {value}.")


def _whole(name: str, value: Any, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise Refusal(f"{name} must be a whole number, at least {minimum}; got {value!r}.")


class _Best(NamedTuple):
    value: jax.Array
    epoch: jax.Array
    now: jax.Array


class _OnMonitor(Rule):
    """A rule on one column."""

    monitor: str

    def metric_names(self) -> tuple[str, ...]:
        return (self.monitor,)


@dataclass(frozen=True)
class Patience(_OnMonitor):
    """Stop after `epochs` epochs without improvement.

    Args:
        epochs: epochs (not evaluations) without an improvement.
        min_delta: the smallest change that counts as an improvement, at least 0.
        min_epochs: the earliest epoch at which training stops.
        monitor: the metric to watch.
    """

    epochs: float
    min_delta: float = 0.0
    min_epochs: float = 0.0
    monitor: str = "validation.loss"

    def __post_init__(self) -> None:
        _positive("`patience`", self.epochs)
        _positive("`min_delta`", self.min_delta, strict=False)
        _positive("`min_epochs`", self.min_epochs, strict=False)

    def init(self) -> _Best:
        return _Best(jnp.float32(jnp.inf), jnp.float32(0), jnp.float32(0))

    def step(self, state: _Best, observation: Observation) -> tuple[_Best, jax.Array]:
        value = observation.metrics[self.monitor] * (-1 if higher_is_better(self.monitor) else 1)
        better, epoch = value < state.value - self.min_delta, observation.epoch
        state = _Best(jnp.where(better, value, state.value), jnp.where(better, epoch, state.epoch), epoch)
        return state, (epoch - state.epoch >= self.epochs) & (epoch >= self.min_epochs)

    def reason(self, state: _Best) -> str:
        since = float(state.now) - float(state.epoch)
        return f"no improvement of {self.monitor} for {since:g} epochs (best at epoch {float(state.epoch):g})"

    def describe(self) -> str:
        return f"no improvement of {self.monitor} for {self.epochs:g} epochs"

    def waited(self, state: _Best) -> bool:
        return self.monitor.startswith("validation.")


@dataclass(frozen=True)
class TargetValue(_OnMonitor):
    """Stop when the monitored metric reaches a value."""

    value: float
    monitor: str = "validation.loss"

    def __post_init__(self) -> None:
        if not isfinite(self.value):
            raise Refusal(f"the target value must be finite; got {self.value}.")

    def init(self) -> jax.Array:
        return jnp.float32(0)

    def step(self, state: jax.Array, observation: Observation) -> tuple[jax.Array, jax.Array]:
        value = observation.metrics[self.monitor]
        reached = value >= self.value if higher_is_better(self.monitor) else value <= self.value
        return value.astype(jnp.float32), reached

    def reason(self, state: jax.Array) -> str:
        return f"{self.monitor} reached {float(state):.4g} (target {self.value:g})"

    def describe(self) -> str:
        return f"{self.monitor} at {'least' if higher_is_better(self.monitor) else 'most'} {self.value:g}"


class _Optimum(NamedTuple):
    minimum: jax.Array
    loss: jax.Array
    history: jax.Array
    evaluations: jax.Array


class _OnGeneralization(Rule):
    """A rule on Prechelt's generalization loss and the last training losses."""

    alpha: float
    strip: int = 1

    def init(self) -> _Optimum:
        return _Optimum(jnp.float32(jnp.inf), jnp.float32(0), jnp.zeros(self.strip), jnp.int32(0))

    def metric_names(self) -> tuple[str, ...]:
        return ("validation.loss", "train.running_loss")

    def waited(self, state: _Optimum) -> bool:
        return True

    def _updated(self, state: _Optimum, observation: Observation) -> _Optimum:
        validation, training = (observation.metrics[name] for name in self.metric_names())
        minimum = jnp.minimum(state.minimum, validation)
        unknown = jnp.isnan(training)
        history = jnp.where(unknown, state.history, jnp.roll(state.history, -1).at[-1].set(training))
        count = state.evaluations + jnp.where(unknown, 0, 1)
        return _Optimum(minimum, 100 * (validation / minimum - 1), history, count)


@dataclass(frozen=True)
class GeneralizationLoss(_OnGeneralization):
    """Prechelt's GL: stop when 100 (E_va / E_opt - 1) exceeds `alpha` (Prechelt 1998, section 2).

    E_va is the validation loss, E_opt the lowest so far.
    """

    alpha: float

    def __post_init__(self) -> None:
        _positive("GL", self.alpha)

    def step(self, state: _Optimum, observation: Observation) -> tuple[_Optimum, jax.Array]:
        state = self._updated(state, observation)
        return state, state.loss > self.alpha

    def reason(self, state: _Optimum) -> str:
        return f"the validation loss is {float(state.loss):.3g} % above its minimum (GL {self.alpha:g})"

    def describe(self) -> str:
        return f"validation loss {self.alpha:g} % above its minimum (Prechelt's GL)"


@dataclass(frozen=True)
class ProgressQuotient(_OnGeneralization):
    """Prechelt's PQ: stop when GL / P_k, the quotient of generalization loss and progress, exceeds `alpha`.

    P_k = 1000 (mean / min of the training loss over the last `strip` evaluations - 1) is the progress that
    training still makes (Prechelt 1998, section 2): a rising validation loss is tolerated while the training
    loss falls fast.
    """

    alpha: float
    strip: int = 5

    def __post_init__(self) -> None:
        _positive("PQ", self.alpha)
        _whole("strip", self.strip, 2)

    def _quotient(self, state: _Optimum) -> Any:
        progress = 1000 * (state.history.mean() / state.history.min() - 1)
        return state.loss / jnp.maximum(progress, 1e-12)

    def step(self, state: _Optimum, observation: Observation) -> tuple[_Optimum, jax.Array]:
        state = self._updated(state, observation)
        end = (state.evaluations >= self.strip) & (state.evaluations % self.strip == 0)
        return state, end & (self._quotient(state) > self.alpha)

    def reason(self, state: _Optimum) -> str:
        quotient = float(self._quotient(state))
        return f"generalization loss outweighs training progress {quotient:.3g} to 1 (PQ {self.alpha:g})"

    def describe(self) -> str:
        return f"generalization loss over training progress above {self.alpha:g} (Prechelt's PQ)"


class _Strips(NamedTuple):
    before: jax.Array
    rises: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class RisingStrips(Rule):
    """Prechelt's UP: stop when the validation loss rose over `strips` successive strips.

    A strip is `strip` evaluations; its end is compared with the end of the one before (Prechelt 1998,
    section 2, third class of criteria).
    """

    strips: int
    strip: int = 5

    def __post_init__(self) -> None:
        _whole("UP", self.strips, 1)
        _whole("strip", self.strip, 1)

    def init(self) -> _Strips:
        return _Strips(jnp.float32(jnp.inf), jnp.int32(0), jnp.int32(-1))

    def step(self, state: _Strips, observation: Observation) -> tuple[_Strips, jax.Array]:
        loss = observation.metrics["validation.loss"]
        count = state.evaluations + 1
        end = (count > 0) & (count % self.strip == 0)
        rises = jnp.where(end, jnp.where(loss > state.before, state.rises + 1, 0), state.rises)
        return _Strips(jnp.where(end, loss, state.before), rises, count), end & (rises >= self.strips)

    def reason(self, state: _Strips) -> str:
        return f"the validation loss rose over {int(state.rises)} successive strips of {self.strip} (UP)"

    def describe(self) -> str:
        return f"validation loss up over {self.strips} strips of {self.strip} evaluations (Prechelt's UP)"

    def metric_names(self) -> tuple[str, ...]:
        return ("validation.loss",)

    def waited(self, state: _Strips) -> bool:
        return True


@dataclass(frozen=True)
class Budget(HostRule):
    """Stop after a number of seconds of training or of updates, whichever comes first.

    Updates are exact. The clock is checked about ten times a second, so two runs may
    stop at different updates; each repeat has the whole budget.
    """

    seconds: float | None = None
    updates: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.updates is None:
            raise Refusal("a budget needs seconds or updates; got neither.")
        if self.seconds is not None:
            _positive("the budget of seconds", self.seconds)
        if self.updates is not None:
            _whole("the budget of updates", self.updates, 1)

    def reason(self, state: tuple[()]) -> str:
        return f"the budget of {self.describe()} is spent"

    def describe(self) -> str:
        seconds = None if self.seconds is None else f"{self.seconds:g} seconds"
        updates = None if self.updates is None else f"{self.updates:,} updates"
        return " or ".join(filter(None, (seconds, updates)))


class _Each(NamedTuple):
    states: tuple[Any, ...]
    fired: jax.Array


@dataclass(frozen=True)
class Joined(Rule):
    """Rules of which any, or every one, must fire."""

    rules: tuple[Any, ...]
    every: bool = False

    def init(self) -> _Each:
        return _Each(tuple(rule.init() for rule in self.rules), jnp.zeros(len(self.rules), bool))

    def step(self, state: _Each, observation: Observation) -> tuple[_Each, jax.Array]:
        steps = [rule.step(own, observation) for rule, own in zip(self.rules, state.states, strict=True)]
        fired = jnp.stack([stop for _, stop in steps])
        return _Each(tuple(own for own, _ in steps), fired), fired.all() if self.every else fired.any()

    def reason(self, state: _Each) -> str:
        joined = zip(self.rules, state.states, state.fired, strict=True)
        return " and ".join(rule.reason(own) for rule, own, fired in joined if bool(fired))

    def describe(self) -> str:
        return (", and " if self.every else ", or ").join(rule.describe() for rule in self.rules)

    def metric_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.metric_names()))

    def waited(self, state: _Each) -> bool:
        joined = zip(self.rules, state.states, state.fired, strict=True)
        return any(bool(fired) and waited(rule, own) for rule, own, fired in joined)


def waited(rule: Rule, state: Any) -> bool:
    """Whether a rule stopped only because the validation loss no longer improved."""
    return isinstance(rule, Waits) and rule.waited(state)


def any_of(*rules: Rule) -> Any:
    """Stop as soon as one of the rules does."""
    if not rules:
        raise Refusal("any_of needs at least one rule; got none.")
    return rules[0] if len(rules) == 1 else Joined(tuple(rules))


def all_of(*rules: Rule) -> Any:
    """Stop when all rules say so at the same evaluation; budgets are not allowed."""
    if not rules:
        raise Refusal("all_of needs at least one rule; got none.")
    if any(budgets(rule) for rule in rules):
        raise Refusal("a Budget ends training by itself and can't be part of all_of; use any_of.")
    return rules[0] if len(rules) == 1 else Joined(tuple(rules), every=True)


def budgets(rule: Any) -> tuple[Budget, ...]:
    """The budgets in a rule, which the host checks."""
    if isinstance(rule, Budget):
        return (rule,)
    if isinstance(rule, Joined):
        return tuple(budget for part in rule.rules for budget in budgets(part))
    return ()


def without_budgets(rule: Rule) -> Rule:
    """The rule without its budgets, for the compiled program."""
    if isinstance(rule, Budget):
        return Never()
    if isinstance(rule, Joined):
        left = tuple(part for part in map(without_budgets, rule.rules) if not isinstance(part, Never))
        return Joined(left, rule.every) if len(left) > 1 else next(iter(left), Never())
    return rule


RULES = {
    "patience": Patience,
    "target_value": TargetValue,
    "generalization_loss": GeneralizationLoss,
    "progress_quotient": ProgressQuotient,
    "rising_strips": RisingStrips,
    "budget": Budget,
}
"""The rules by their names in files."""
