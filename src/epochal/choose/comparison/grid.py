"""The grid of settings of a comparison.

A list among the options is an axis, and the settings are all combinations of the axes. A setting's name holds
only what varies.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from epochal.choose.trials.trial import Candidate, short_text
from epochal.engine.optimizers import OPTIMIZERS
from epochal.errors import Refusal, did_you_mean
from epochal.plan import Order
from epochal.plan.sizes import Full
from epochal.settings import COMPARE_DEFAULTS, DECLARED, Settings
from epochal.settings.value_kinds import plain_number
from epochal.training.prepare import DEFAULT_BATCH
from epochal.training.signatures import settings_of

GRID_AXES = ("model", "batch_size", "optimizer", "learning_rate", "schedule", "order", "remainder", "epochs")
"""What may vary between the settings of a comparison, in the order in which names are made of it."""

TUNE = COMPARE_DEFAULTS["learning_rate"]  # the learning rate of a setting whose rate is searched


@dataclass(frozen=True)
class Axis:
    """The values of one option, each with a label ("" for one that speaks for itself)."""

    name: str
    values: tuple[tuple[str, Any], ...]

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return len(self.values) > 1


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate of a comparison, not trained yet, with what tells it from the others of the grid."""

    candidate: Candidate  # as the runner takes it; without a learning rate where that is to be tuned
    axes: Mapping[str, Any]  # the values that make it differ, by option, as JSON holds them
    family: tuple[str, str]  # (model, optimizer) in words, "" for what does not vary
    tuned: bool  # whether its rate is to be searched

    @property
    def name(self) -> str:
        """What the setting is called."""
        return self.candidate.name


def axes_of(model: Any, options: Mapping[str, Any]) -> tuple[dict[str, Axis], dict[str, Any]]:
    """Split what was asked for into axes and what all settings have in common.

    >>> axes, common = axes_of("a model", {"batch_size": [8, 32], "optimizer": "sgd", "seed": 3})
    >>> [axis.name for axis in axes.values() if axis.varies], common
    (['batch_size'], {'seed': 3})
    """
    for name in options:
        if name not in DECLARED:
            settings_of({name: options[name]})
    if "evaluate_every" in options or "evaluate_train" in options:
        raise Refusal(
            "`evaluate_every` and `evaluate_train` are not for a comparison, which evaluates all settings "
            "alike; leave them out."
        )
    usual = Settings()
    given = {**COMPARE_DEFAULTS, **options, "model": model}
    if "repeats" not in options:
        del given["repeats"]
    axes = {name: _axis(name, given.pop(name, getattr(usual, name, None))) for name in GRID_AXES}
    return axes, given


def _axis(name: str, given: Any) -> Axis:
    """The values of one option: a list, a mapping from labels, or a single value."""
    if isinstance(given, Mapping):
        values = [(str(label), plain_number(value)) for label, value in given.items()]
    elif isinstance(given, list) or (
        # A model may be a pair of functions, and an Optax object is a tuple.
        isinstance(given, tuple | range | np.ndarray) and name != "model" and not hasattr(given, "update")
    ):
        values = [("", plain_number(value)) for value in given]
    else:
        values = [("", plain_number(given))]
    if not values:
        raise Refusal(f"`{name}` must have at least 1 value to compare; got an empty list.")
    return Axis(name, tuple(values))


def entries(axes: Mapping[str, Axis], samples: int, chosen_sizes: bool) -> tuple[list[Entry], list[str]]:
    """All combinations, each once, and notes about what was merged.

    Batch sizes that were not chosen are taken as far as they fit, and where something else is compared there
    is only the one that a training has.
    """
    asked, others = axes["batch_size"], any(axes[name].varies for name in GRID_AXES if name != "batch_size")
    if others and not chosen_sizes:
        asked = _axis("batch_size", DEFAULT_BATCH)
    sizes, notes = _sizes(asked, samples, chosen_sizes)
    if asked is not axes["batch_size"]:
        notes.append(f"all settings have batch size {asked.values[0][1]}; `batch_size` gives others.")
    axes = {**axes, "batch_size": sizes}
    labels = {name: _labels(axis, samples) for name, axis in axes.items()}
    varying = [name for name in GRID_AXES if axes[name].varies]
    found: dict[str, Entry] = {}
    fixed_rates = []
    any_named = any(isinstance(optimizer, str) for _, optimizer in axes["optimizer"].values)
    for places in itertools.product(*(range(len(axes[name].values)) for name in GRID_AXES)):
        at = dict(zip(GRID_AXES, places, strict=True))
        values = {name: axes[name].values[place][1] for name, place in at.items()}
        texts = {name: labels[name][place] for name, place in at.items()}
        model, named = values.pop("model"), isinstance(values["optimizer"], str)
        if not named and (any_named or values["learning_rate"] == TUNE):
            values["learning_rate"], texts["learning_rate"] = None, ""
            fixed_rates.append(texts["optimizer"])
        tuned = values["learning_rate"] == TUNE
        if named and values["optimizer"] not in OPTIMIZERS:
            raise Refusal(did_you_mean("optimizer", values["optimizer"], OPTIMIZERS))
        name = ", ".join(texts[axis] for axis in varying if texts[axis]) or texts["batch_size"]
        changes = {key: value for key, value in values.items() if not (key == "learning_rate" and tuned)}
        shown_axes = {key: as_json(values[key]) if key != "model" else texts[key] for key in varying}
        if "batch_size" in shown_axes:
            shown_axes["batch_size"] = int(
                samples if values["batch_size"] == "full" else values["batch_size"]
            )
        family = tuple(texts[key] if axes[key].varies else "" for key in ("model", "optimizer"))
        entry = Entry(Candidate(name, model, changes), shown_axes, (family[0], family[1]), tuned)
        found.setdefault(name, entry)
    if fixed_rates:
        notes.append(
            f"{', '.join(dict.fromkeys(fixed_rates))}: an Optax object keeps its own learning rate, "
            "whatever learning_rate says; name the optimizer to have its rate set or tuned."
        )
    return list(found.values()), notes


def _sizes(axis: Axis, samples: int, chosen: bool) -> tuple[Axis, list[str]]:
    """The batch sizes as far as the samples go, each once; one of all samples is "full"."""
    found: dict[Any, tuple[str, Any]] = {}
    merged, large = [], []
    for label, size in axis.values:
        if size != "full" and (isinstance(size, bool) or not isinstance(size, int)):
            raise Refusal(
                f'`batch_size` must be a whole number or "full"; got {size!r}. '
                'Give a list such as [8, 32, "full"].'
            )
        if size != "full" and size < 1:
            raise _out_of_range(size, samples)
        if chosen and size != "full" and size > samples:
            large.append(size)
            continue
        if size != "full" and (isinstance(size, Full) or size >= samples):
            merged.append(size)
            size = "full"
        found.setdefault(size, (label, size))
    if large and not found:
        raise _out_of_range(large[0], samples)
    notes = [
        f"batch size {' and '.join(f'{size:,}' for size in sizes)} is {what}: there are {samples:,} training "
        "samples."
        for sizes, what in ((large, "left out"), (merged, '"full" here'))
        if sizes
    ]
    return Axis("batch_size", tuple(found.values())), notes


def _out_of_range(size: int, samples: int) -> Refusal:
    return Refusal(
        f"`batch_size` must be between 1 and {samples} (the training samples); got {size}. "
        'Use "full" for one batch per epoch.'
    )


def _labels(axis: Axis, samples: int) -> list[str]:
    found: list[str] = []
    for place, (label, value) in enumerate(axis.values):
        plain = word = label or _word(axis.name, value, samples)
        if not any(_same(value, other) for _, other in axis.values[:place]):
            numbers = itertools.count(2)
            while word in found:
                word = f"{plain} {next(numbers)}"
        found.append(word)
    return found


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and not hasattr(one, "init") and one == other)


def _word(axis: str, value: Any, samples: int) -> str:
    if axis == "batch_size":
        return f"full batch ({samples:,})" if value == "full" else f"batch {value:,}"
    if axis == "learning_rate":
        return (
            "rate tuned" if value == TUNE else "usual rate" if value is None else f"rate {short_text(value)}"
        )
    if axis == "epochs":
        return f"{value:,} epochs" if isinstance(value, int) else str(value)
    if axis == "optimizer" and not isinstance(value, str):
        return "optax"
    if axis == "model":
        hidden = getattr(value, "hidden", None)
        kind = type(value).__name__
        if isinstance(hidden, tuple):
            return f"{kind}({', '.join(map(str, hidden))})"
        return str(getattr(value, "__name__", kind))
    if axis == "order" and isinstance(value, Order) and "length" in value.options:
        return f"{value.name} of {value.options['length']:,}"
    if axis == "schedule" and hasattr(value, "describe"):
        return str(value.describe())
    return short_text(value)


def as_json(value: Any) -> Any:
    """An option as JSON holds it: the same for equal options, in another process too.

    >>> from epochal.models import MLP
    >>> as_json(MLP(8))["hidden"], as_json("full"), as_json((1, 2))
    ([8], 'full', [1, 2])
    """
    value = plain_number(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "fingerprint"):
        return value.fingerprint
    if hasattr(value, "to_dict"):
        return as_json(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "describe") and callable(value.describe):
        return value.describe()
    leaves = jax.tree.leaves(value)
    if leaves and all(isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves):
        content = b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in leaves)
        return hashlib.sha256(content).hexdigest()
    if isinstance(value, Sequence) and not hasattr(value, "init"):
        return [as_json(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {"kind": type(value).__name__} | {
            name: as_json(getattr(value, name)) for name in value.__dataclass_fields__
        }
    named = getattr(value, "name", None)
    return named if isinstance(named, str) else getattr(value, "__qualname__", type(value).__name__)
