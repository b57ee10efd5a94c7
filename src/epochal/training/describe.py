"""The description of a run: settings, data and environment as JSON, and notes, one sentence each."""

from __future__ import annotations

import datetime
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax
import numpy as np

from epochal.data import Dataset
from epochal.engine.compiler import always_same, determinism_note
from epochal.engine.gradient import micro_batches
from epochal.models import Variables, described, shapes_of
from epochal.models.initial import Initial
from epochal.models.wrappers import Frozen
from epochal.settings import DECLARED
from epochal.training.class_weights import weights_of_classes
from epochal.training.prepared import Prepared
from epochal.training.repeat_stacks import RepeatStacks


def describe_settings(prepared: Prepared) -> dict[str, Any]:
    """The effective settings as JSON."""
    settings, spec, optimizer = prepared.settings, prepared.spec, prepared.spec.optimizer
    every, unit = settings.evaluation
    schedule = prepared.plan.batch_schedule
    own_values = getattr(settings.order, "values", None) is not None
    better = {True: "higher is better", False: "lower is better", None: ""}
    return {
        "model": described(prepared.model),
        **{name: getattr(settings, name) for name in DECLARED},
        "batch_size": int(prepared.plan.batch_size),
        "batch_schedule": schedule and schedule.to_dict(),
        "micro_batch": spec.micro_batch,
        "optimizer": optimizer.name,
        "optimizer_options": dict(optimizer.options),
        "learning_rate": optimizer.learning_rate,
        "schedule": spec.schedule.describe(),
        "loss": prepared.loss_name,
        "metrics": [metric.name for metric in spec.metrics],
        "own_metrics": {one.name: better[one.greater_is_better] for one in spec.metrics if one.custom},
        "monitor": spec.monitor,
        "stop": prepared.rule.describe(),
        "order": prepared.order.name,
        "order_options": prepared.order.options,
        "order_by": "given" if own_values else prepared.order.needs or None,
        "vary": list(settings.vary),
        "validation": _held_out(settings.validation, prepared.validation),
        "test": _held_out(settings.test, prepared.test),
        "class_weight": settings.class_weight
        if isinstance(settings.class_weight, str | None)
        else dict(settings.class_weight),
        "standardize": getattr(prepared.scalings[0], "standardizes", False),
        "target_standardized": prepared.target_scalings[0] is not None,
        "evaluate_every": f"{every} {unit}",
        "evaluate_train": "train" in spec.parts,
        "stream": prepared.streamed,
        "initial": _initial(settings.initial),
        "freeze": list(settings.freeze),
        "augment": [str(transform) for transform in settings.augment],
    }


def _initial(given: Any) -> Any:
    if given is None or isinstance(given, Variables):
        return "drawn" if given is None else "given"
    if not isinstance(given, Initial):
        return {"path": str(given)}
    named = {"reinitialize": list(given.reinitialize), "rename": dict(given.rename), "repeat": given.repeat}
    return {"path": str(given.path)} | {name: value for name, value in named.items() if value}


def _held_out(part: Any, own: Dataset | None) -> Any:
    if own is None and not isinstance(part, int | float):
        return 0.0  # all rows of the given data had labels unseen in training
    if own is None:
        return part
    return {"source": own.source, "samples": own.samples, "fingerprint": own.fingerprint}


def weight_notes(prepared: Prepared) -> tuple[str, ...]:
    """The class weights of the first repeat, relative to their mean over the training samples."""
    train = prepared.splits[0].train
    weights = weights_of_classes(prepared.settings.class_weight, prepared.dataset, train)
    if weights is None or prepared.dataset.targets is None:
        return ()
    counts = np.bincount(prepared.dataset.targets[train], minlength=len(prepared.task.classes))
    relative = weights / np.average(weights, weights=counts)
    shown = [f"{name} {one:.3g}" for name, one in zip(prepared.task.classes[:8], relative, strict=False)]
    more = f" and {len(relative) - 8:,} more" if len(relative) > 8 else ""
    return (f"class weights: {', '.join(shown)}{more}; in the losses of all parts, not in metrics",)


def notes_of(prepared: Prepared) -> tuple[str, ...]:
    """Notes before training."""
    settings, spec, model, dataset = prepared.settings, prepared.spec, prepared.model, prepared.dataset
    most = spec.micro_batch
    notes = [*prepared.notes, *prepared.initial.notes, *weight_notes(prepared)]
    if settings.precision != "float32":
        notes.append(f"computes in {settings.precision}; parameters, optimizer and losses are float32")
    if settings.deterministic:
        notes.append(determinism_note())
    if isinstance(spec.model, Frozen):
        notes.append(spec.model.describe(dataset.shape, dataset.dtype))
    if settings.augment:
        notes.append(f"images vary in training: {', '.join(map(str, settings.augment))}")
    normalizes = getattr(model, "batch_norm", False)
    if most is not None and jax.tree.leaves(shapes_of(model, dataset.shape, dataset.dtype).state):
        what = "batch normalization" if normalizes else "what the model keeps from batch to batch"
        notes.append(f"{what} sees micro-batches of {most:,} samples, not whole batches")
    sizes = {size for batch in prepared.plan.batch_sizes for _, size in micro_batches(batch, most)}
    if normalizes and min(sizes) == 1:
        seen, remedy = "batch", '`remainder="spread"`'
        if most is not None:
            seen, remedy = "micro-batch", "another `micro_batch`"
        notes.append(
            f"batch normalization sees a {seen} of 1 sample in each epoch, whose variance is 0; "
            f"{remedy} avoids it"
        )
    if normalizes and spec.optimizer.name.startswith("schedule_free"):
        notes.append(
            "batch normalization keeps statistics of the parameters that move, and what is evaluated is "
            "their average"
        )
    if prepared.endless:
        per, size = prepared.plan.updates_per_epoch, int(prepared.plan.batch_size)
        notes.append(f"the source has no length: an epoch is {per:,} updates, of {size:,} samples each")
    if prepared.streamed and settings.evaluate_train is None and "train" not in spec.parts:
        notes.append(
            "the training loss at fixed parameters is not evaluated, since that reads all training "
            "samples once more; `evaluate_train=True` does"
        )
    if not prepared.fits_vmapped:
        notes.append(
            f"the device has no room for {prepared.max_vmapped} repeats in step: they train one by one"
        )
    return (*notes, *prepared.stacks.notes)


def describe_data(prepared: Prepared) -> dict[str, Any]:
    """The data and its parts as numbers."""
    dataset = prepared.dataset
    described = dataset.to_dict()
    described.pop("encoder", None)
    described["notes"] += weight_notes(prepared)
    described["training_notes"] = list(notes_of(prepared))
    described["shape"] = list(dataset.shape)
    described["sizes"] = {name: prepared.part_size(name) for name in ("train", "validation", "test")}
    return described


def describe_model(settings: dict[str, Any]) -> str:
    """A model in a few words.

    >>> describe_model({"kind": "mlp", "hidden": [64, 64]})
    'MLP 64-64'
    >>> describe_model({"kind": "cnn", "filters": [32, 64], "dense": [128]})
    'CNN 32-64, dense 128'
    """
    kind = settings.get("kind")
    if kind == "mlp":
        return f"MLP {_dashes(settings.get('hidden'))}" if settings.get("hidden") else "linear model"
    if kind == "cnn":
        dense = f", dense {_dashes(settings['dense'])}" if settings.get("dense") else ""
        return f"CNN {_dashes(settings.get('filters'))}{dense}"
    if kind in ("lstm", "gru"):
        layers = settings.get("layers")
        several = min(layers, 10) if isinstance(layers, int) else 1
        return f"{kind.upper()} {_dashes([settings.get('units')] * several)}"
    if kind == "text":
        reading, sizes = settings.get("reading"), (settings.get("embedding"), settings.get("units"))
        by = "the mean" if reading == "mean" else f"a {str(reading).upper()}"
        return f"text by {by} of {sizes[0]} numbers a token, {sizes[1]} units"
    inner = settings.get({"stateful": "network", "pairwise": "of"}.get(str(kind), ""))
    if isinstance(inner, dict) and inner.get("kind") != kind:
        described = describe_model(inner)
        return f"{described}, stateful" if kind == "stateful" else f"pairwise {described}"
    return str(settings.get("path") or kind)


def _dashes(numbers: Any) -> str:
    return "-".join(map(str, numbers)) if isinstance(numbers, list) else str(numbers)


def environment(stacks: RepeatStacks | None = None, deterministic: bool = False) -> dict[str, Any]:
    """What was trained on: devices, mode, versions, date."""
    device = jax.local_devices()[0]
    kinds = dict.fromkeys((device.platform, device.device_kind))  # on a CPU both are "cpu"
    versions = {}
    for package in ("epochal", "jax", "jaxlib", "optax", "numpy", "flax"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": ": ".join(kinds),
        **({"devices": stacks.devices, "devices_per_batch": stacks.devices_per_batch} if stacks else {}),
        "deterministic": always_same(deterministic),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }
