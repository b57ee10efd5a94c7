"""Notes before a training, one sentence each."""

from __future__ import annotations

import jax
import numpy as np

from epochal.engine.determinism import determinism_note
from epochal.engine.gradient import pieces
from epochal.models import shapes_of
from epochal.models.frozen import Frozen
from epochal.training.class_weights import weights_of_classes
from epochal.training.prepared import Prepared


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
    notes = [*prepared.remarks, *prepared.start.notes, *weight_notes(prepared)]
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
    sizes = {size for batch in prepared.plan.batch_sizes for _, size in pieces(batch, most)}
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
            "batch normalization keeps moments of the parameters that move, and what is evaluated is "
            "their average"
        )
    if prepared.endless:
        per, size = prepared.plan.updates_per_epoch, int(prepared.plan.batch_size)
        notes.append(f"the source has no length: an epoch is {per:,} updates, of {size:,} samples each")
    if prepared.fed and settings.evaluate_train is None and "train" not in spec.parts:
        notes.append(
            "the training loss at fixed parameters is not evaluated, since that reads all training "
            "samples once more; `evaluate_train=True` does"
        )
    if prepared.crowded:
        notes.append(f"the device has no room for {prepared.in_step} repeats in step: they train one by one")
    return (*notes, *prepared.lanes.notes)
