"""What should be known before a training begins?"""

from __future__ import annotations

import jax

from epochal.engine.determinism import determinism_note
from epochal.engine.gradient import pieces
from epochal.models import shapes_of
from epochal.models.frozen import Frozen
from epochal.prepared import Prepared

__all__ = ["notes_of"]


def notes_of(prepared: Prepared) -> tuple[str, ...]:
    """One sentence each, as the screen and reports show them."""
    notes, most = (
        [*prepared.remarks, *prepared.start.notes, *prepared.weight_notes],
        prepared.spec.micro_batch,
    )
    if prepared.settings.precision != "float32":
        notes.append(
            f"computes in {prepared.settings.precision}; parameters, optimizer and losses are float32"
        )
    if prepared.settings.deterministic:
        notes.append(determinism_note())
    if isinstance(prepared.spec.model, Frozen):
        notes.append(prepared.spec.model.describe(prepared.dataset.shape, prepared.dataset.dtype))
    if prepared.settings.augment:
        notes.append(f"images vary in training: {', '.join(map(str, prepared.settings.augment))}")
    normalizes = getattr(prepared.model, "batch_norm", False)
    if most is not None and jax.tree.leaves(
        shapes_of(prepared.model, prepared.dataset.shape, prepared.dataset.dtype).state
    ):
        what = "batch normalization" if normalizes else "what the model keeps from batch to batch"
        notes.append(f"{what} sees micro-batches of {most:,} samples, not whole batches")
    sizes = {size for batch in prepared.plan.batch_sizes for _, size in pieces(batch, most)}
    if normalizes and min(sizes) == 1:
        seen, remedy = ("batch", "--remainder spread")
        if most is not None:
            seen, remedy = ("micro-batch", "another --micro-batch")
        notes.append(
            f"batch normalization sees a {seen} of 1 sample in each epoch, whose variance is 0; "
            f"{remedy} avoids it"
        )
    if prepared.endless:
        per, size = prepared.plan.updates_per_epoch, int(prepared.plan.batch_size)
        notes.append(f"the source has no length: an epoch is {per:,} updates, of {size:,} samples each")
    if prepared.fed and prepared.settings.evaluate_train is None and "train" not in prepared.spec.parts:
        notes.append(
            "the training loss at fixed parameters is not evaluated, since that reads all training "
            "samples once more; --evaluate-train does"
        )
    if prepared.crowded:
        notes.append(
            f"the device has no room for {prepared.settings.repeats} repeats in step: they train one by one"
        )
    return (*notes, *prepared.lanes.notes)
