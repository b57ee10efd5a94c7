"""`Plan`: which samples form which update of a training."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from epochal.plan.audit import Audit, audit
from epochal.plan.batches import Batches
from epochal.plan.summary import document, html, summary


class Plan(Batches):
    """Order + batch size + remainder + epochs: which samples form which update.

    Samples, epochs, batches, updates and slots count from 0, as indices do in Python. Screens, pages and the
    command line count from 1.

    Args:
        samples: the number of training samples, 1 to 2^62.
        batch_size: the samples of one update, 1 to `turns`, or "full" for all of them; or a mapping from
            the epoch at which a size begins to the size, or a `BatchSchedule`, which also counts in updates.
        epochs: passes through the samples, at least 1; with `updates_per_epoch`, how many times that
            many updates are made.
        seed: of the random order, 0 to 2^64 - 1.
        order: "shuffle" (a new random order in every epoch), "shuffle_once", "sequential", "replacement", or
            an `Order` such as `Blocks(12)` or `Stratified(labels)`.
        remainder: the samples that do not fill a batch: "keep" (a smaller last batch),
            "drop" (left out of this epoch), "spread" (batch sizes differ by at most one), "carry" (the last
            batch borrows from the next epoch).
        updates_per_epoch: the length of an epoch, instead of one pass through the samples; passes continue
            across the ends of epochs, so that no sample is favored.

    Raises:
        Refusal: an argument is out of bounds.

    Examples:
        >>> plan = Plan(samples=200, batch_size=5, epochs=1000)
        >>> plan.batches_per_epoch, plan.updates, plan.regime
        (40, 40000, 'mini-batch')
        >>> plan.batch(epoch=999, index=39).tolist()
        [184, 56, 20, 89, 31]
        >>> plan.find(sample=56, epoch=999)
        (Turn(update=39999, epoch=999, batch=39, slot=1),)
        >>> Plan(10, 5, 3, updates_per_epoch=3).find(sample=1, epoch=1)
        (Turn(update=4, epoch=1, batch=1, slot=4),)
        >>> [phase.segments for phase in Plan(10, {0: 2, 4: 5, 6: "full"}, 9).phases]
        [((5, 2),), ((2, 5),), ((1, 10),)]
        >>> Plan(614, 1000, 1)
        Traceback (most recent call last):
        epochal.errors.Refusal: batch_size must be between 1 and 614 (the training samples); got 1000. \
Use "full" for one batch per epoch.
    """

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        return html(self)

    def audit(self, labels: npt.ArrayLike | None = None, epochs: int | None = None) -> Audit:
        """Count classes per batch, uses per sample and samples left out over the first epochs.

        Args:
            labels: the class of each sample; by default those of a stratified or balanced order.
            epochs: how many, 10 or all of the plan's by default.

        >>> Plan(10, 3, 5).audit().most_turns
        5
        """
        return audit(self, labels, epochs)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the outcome of each remainder policy."""
        return document(self)
