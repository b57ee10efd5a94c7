"""Which rule turns a gradient into a change of the parameters?

Optimizers are Optax's. A named one is built inside the compiled program around the learning rate of the
update, so that the rate is a number and not a part of the program; an Optax object is taken as it is.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

from epochal.engine.schedules import Schedule
from epochal.errors import Refusal, did_you_mean

__all__ = ["OPTIMIZERS", "Optimizer", "optimizer_for"]


@dataclass(frozen=True)
class _Named:
    build: Callable[..., optax.GradientTransformation]
    learning_rate: float
    elementwise: bool = True
    lazy: bool = False
    """Whether nothing moves where the gradient is 0, neither parameters nor its own state."""


OPTIMIZERS: dict[str, _Named] = {
    "sgd": _Named(optax.sgd, 0.01, lazy=True),
    "momentum": _Named(lambda rate, momentum=0.9: optax.sgd(rate, momentum=momentum), 0.01),
    "nesterov": _Named(lambda rate, momentum=0.9: optax.sgd(rate, momentum=momentum, nesterov=True), 0.01),
    "adam": _Named(optax.adam, 1e-3),
    "adamw": _Named(
        lambda rate, weight_decay=0.01, **rest: optax.adamw(rate, weight_decay=weight_decay, **rest), 1e-3
    ),
    "nadam": _Named(optax.nadam, 1e-3),
    "amsgrad": _Named(optax.amsgrad, 1e-3),
    "radam": _Named(optax.radam, 1e-3),
    "adamax": _Named(optax.adamax, 2e-3),
    "adabelief": _Named(optax.adabelief, 1e-3),
    "adagrad": _Named(optax.adagrad, 0.05, lazy=True),
    "adadelta": _Named(optax.adadelta, 1.0),
    "rmsprop": _Named(optax.rmsprop, 1e-3),
    "lion": _Named(optax.lion, 1e-4),
    "yogi": _Named(optax.yogi, 1e-2),
    "lamb": _Named(optax.lamb, 1e-3, elementwise=False),
    "lars": _Named(optax.lars, 1e-2, elementwise=False),
}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as the engine takes it.

    `elementwise` says that each parameter moves by its own gradient alone, so that all of them can be kept
    in one vector; it is assumed of no object that a user brings.
    """

    name: str
    options: tuple[tuple[str, float], ...] = ()
    given: optax.GradientTransformation | None = None
    elementwise: bool = False
    learning_rate: float | None = None
    """The rate of its updates where no schedule moves it; None if the object has its own."""

    def at(self, rate: jax.Array | float) -> optax.GradientTransformation:
        """The transformation for an update with that learning rate."""
        if self.given is not None:
            return self.given
        return OPTIMIZERS[self.name].build(rate, **dict(self.options))


def optimizer_for(
    optimizer: Any, learning_rate: float | None, options: dict[str, float] | None = None
) -> Optimizer:
    """What `fit` was given as an optimizer: a name with options, or an Optax object.

    >>> optimizer_for("adam", None).learning_rate
    0.001
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if callable(learning_rate) or isinstance(learning_rate, Schedule):
        raise Refusal(
            f"learning_rate must be a number; got {learning_rate!r}: use schedule= for a rate that "
            "changes, or an Optax object built with it."
        )
    if isinstance(optimizer, optax.GradientTransformation):
        if learning_rate is not None:
            raise Refusal(
                f"learning_rate={learning_rate:g} has no effect on an Optax object, which has its own; "
                "leave it out, or name the optimizer."
            )
        if options:
            raise Refusal(
                f"optimizer_options ({', '.join(options)}) have no effect on an Optax object, which has its "
                "own; leave them out, or name the optimizer."
            )
        return Optimizer("optax", given=optimizer)
    if not isinstance(optimizer, str):
        raise Refusal(f"optimizer must be a name or an Optax object; got {type(optimizer).__name__}.")
    if optimizer not in OPTIMIZERS:
        raise Refusal(did_you_mean("optimizer", optimizer, OPTIMIZERS))
    named = OPTIMIZERS[optimizer]
    rate = named.learning_rate if learning_rate is None else learning_rate
    if not isinstance(rate, numbers.Real) or not 0 < rate < float("inf"):
        raise Refusal(f"learning_rate must be greater than 0 and finite; got {rate}.")
    rate, bounds = float(rate), np.finfo(np.float32)
    if not float(bounds.tiny) <= rate <= float(bounds.max):
        raise Refusal(f"learning_rate must be between 1.2e-38 and 3.4e38 (float32); got {rate:g}.")
    chosen = Optimizer(optimizer, tuple(sorted((options or {}).items())), None, named.elementwise, rate)
    try:
        chosen.at(rate)
    except TypeError as error:
        raise Refusal(f'optimizer "{optimizer}" does not take these options: {error}.') from error
    return chosen
