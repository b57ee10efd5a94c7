"""Optimizers by name, and Optax objects.

A named one is built inside the compiled program around the learning rate of the update, so the rate is an
argument, not part of the program. An Optax object is used unchanged.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
import optax.contrib

from epochal.engine.schedules import Schedule
from epochal.errors import Refusal, did_you_mean


@dataclass(frozen=True)
class _Named:
    build: Callable[..., optax.GradientTransformation]
    learning_rate: float
    elementwise: bool = False
    """Whether each parameter depends on its own gradient alone, so that all can be one vector."""
    lazy: bool = False
    """Whether a zero gradient changes neither parameters nor state."""
    decays: tuple[str, ...] = ()
    """The optimizer's own weight decay options; without any, decay is added to the update."""


_schedule_free_adamw = optax.contrib.schedule_free_adamw
_DECAY = ("weight_decay",)
OPTIMIZERS: dict[str, _Named] = {
    "sgd": _Named(optax.sgd, 0.01, elementwise=True, lazy=True),
    "momentum": _Named(lambda rate, momentum=0.9: optax.sgd(rate, momentum=momentum), 0.01, elementwise=True),
    "nesterov": _Named(
        lambda rate, momentum=0.9: optax.sgd(rate, momentum=momentum, nesterov=True), 0.01, elementwise=True
    ),
    "adam": _Named(optax.adam, 1e-3, elementwise=True),
    "adamw": _Named(partial(optax.adamw, weight_decay=0.01), 1e-3, elementwise=True, decays=_DECAY),
    "nadam": _Named(optax.nadam, 1e-3, elementwise=True),
    "amsgrad": _Named(optax.amsgrad, 1e-3, elementwise=True),
    "radam": _Named(optax.radam, 1e-3, elementwise=True),
    "adamax": _Named(optax.adamax, 2e-3, elementwise=True),
    "adabelief": _Named(optax.adabelief, 1e-3, elementwise=True),
    "adagrad": _Named(optax.adagrad, 0.05, elementwise=True, lazy=True),
    "adadelta": _Named(optax.adadelta, 1.0, elementwise=True),
    "rmsprop": _Named(optax.rmsprop, 1e-3, elementwise=True),
    "lion": _Named(optax.lion, 1e-4, elementwise=True, decays=_DECAY),
    "yogi": _Named(optax.yogi, 1e-2, elementwise=True),
    "lamb": _Named(optax.lamb, 1e-3, decays=_DECAY),
    "lars": _Named(optax.lars, 1e-2, decays=_DECAY),
    "muon": _Named(optax.contrib.muon, 1e-2, decays=("weight_decay", "adam_weight_decay")),
    "schedule_free_adam": _Named(
        partial(_schedule_free_adamw, weight_decay=0.0), 2.5e-3, elementwise=True, decays=_DECAY
    ),
    "schedule_free_adamw": _Named(
        partial(_schedule_free_adamw, weight_decay=0.01), 2.5e-3, elementwise=True, decays=_DECAY
    ),
    "schedule_free_sgd": _Named(optax.contrib.schedule_free_sgd, 0.1, elementwise=True, decays=_DECAY),
}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as the engine takes it.

    `elementwise` means that each parameter depends on its own gradient alone, so that all can be kept
    in one vector; it is never assumed for Optax objects.
    """

    name: str
    options: tuple[tuple[str, float], ...] = ()
    given: optax.GradientTransformation | None = None
    elementwise: bool = False
    learning_rate: float | None = None
    """The rate without a schedule; None if the object has its own."""
    weight_decay: float = 0.0
    """Decoupled weight decay (Loshchilov and Hutter 2019), if the optimizer has no option of its own."""

    def with_rate(self, rate: jax.Array | float) -> optax.GradientTransformation:
        """The transformation for this learning rate."""
        if self.given is not None:
            return self.given
        named = OPTIMIZERS[self.name].build(rate, **dict(self.options))
        if not self.weight_decay:
            return named
        return optax.chain(named, optax.add_decayed_weights(-rate * self.weight_decay))

    @property
    def lazy(self) -> bool:
        """Whether a zero gradient changes nothing."""
        return self.given is None and OPTIMIZERS[self.name].lazy and not self.weight_decay


def eval_params(state: Any, params: Any) -> Any:
    """The parameters to evaluate, save and predict with, by the optimizer's state.

    Those at which gradients are taken, except for schedule-free optimizers, whose iterates are averaged
    (Defazio et al. 2024, equation 5).
    """

    def is_averaging(one: Any) -> bool:
        return isinstance(one, optax.contrib.ScheduleFreeState)

    for one in jax.tree.leaves(state, is_leaf=is_averaging):
        if is_averaging(one):
            return optax.contrib.schedule_free_eval_params(one, params)
    return params


def optimizer_for(
    optimizer: Any,
    learning_rate: float | None,
    options: dict[str, float] | None = None,
    weight_decay: float | None = None,
) -> Optimizer:
    """The `optimizer` argument of `fit`: a name with options, or an Optax object.

    >>> optimizer_for("adam", None).learning_rate
    0.001
    """
    if callable(learning_rate) or isinstance(learning_rate, Schedule):
        raise Refusal(
            f"`learning_rate` must be a number; got {learning_rate!r}: use schedule= for a rate that "
            "changes, or an Optax object built with it."
        )
    if isinstance(optimizer, optax.GradientTransformation):
        for what, it, given in (
            (f"`learning_rate={learning_rate or 0:g}` has", "it", learning_rate is not None),
            (f"optimizer_options ({', '.join(options or ())}) have", "them", options),
            (f"`weight_decay={weight_decay or 0:g}` has", "it", weight_decay is not None),
        ):
            if given:
                raise Refusal(
                    f"{what} no effect on an Optax object, which has its own; leave {it} out, or name the "
                    "optimizer."
                )
        return Optimizer("optax", given=optimizer)
    if not isinstance(optimizer, str):
        raise Refusal(f"`optimizer` must be a name or an Optax object; got {type(optimizer).__name__}.")
    if optimizer not in OPTIMIZERS:
        raise Refusal(did_you_mean("optimizer", optimizer, OPTIMIZERS))
    named = OPTIMIZERS[optimizer]
    rate = named.learning_rate if learning_rate is None else learning_rate
    if not isinstance(rate, numbers.Real) or not 0 < rate < float("inf"):
        raise Refusal(f"`learning_rate` must be greater than 0 and finite; got {rate}.")
    rate, bounds = float(rate), np.finfo(np.float32)
    if not float(bounds.tiny) <= rate <= float(bounds.max):
        raise Refusal(f"`learning_rate` must be between 1.2e-38 and 3.4e38 (float32); got {rate:g}.")
    options = dict(options or {})
    if weight_decay is not None and named.decays:
        if named.decays[0] in options:
            raise Refusal("`weight_decay` must be given once; leave it out of optimizer_options.")
        options = dict.fromkeys(named.decays, weight_decay) | options
    if optimizer.startswith("schedule_free") and not 0 < options.get("b1", 0.9) <= 1:
        raise Refusal(f'b1 of "{optimizer}" must be greater than 0 and at most 1; got {options["b1"]:g}.')
    beside = 0.0 if weight_decay is None or named.decays else weight_decay
    chosen = Optimizer(optimizer, tuple(sorted(options.items())), None, named.elementwise, rate, beside)
    try:
        chosen.with_rate(rate)
    except TypeError as error:
        raise Refusal(f'optimizer "{optimizer}" does not take these options: {error}.') from error
    return chosen
