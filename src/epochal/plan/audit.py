"""Audit of a plan: classes per batch, uses per sample, samples left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from epochal.common.text import counted
from epochal.errors import Refusal
from epochal.plan.counts import Counts
from epochal.plan.sample_values import identified

DEFAULT_EPOCHS = 10
_SHOWN = 12
_SIZES_SHOWN = 4


@dataclass(frozen=True)
class ClassCounts:
    """Samples of a class in the batches of one size."""

    size: int
    name: str
    min: int
    max: int
    mean: float


@dataclass(frozen=True)
class Audit:
    """The first epochs of a plan, counted batch by batch.

    Uses that a batch borrows from the next epoch (`carry`) count where the batch starts.
    """

    samples: int
    epochs: int
    updates: int
    sizes: tuple[tuple[int, int], ...]
    """(size, batches) for each batch size, the largest first."""
    uses: tuple[tuple[int, int], ...]
    """(uses, samples): how many samples were used so often over all these epochs, ascending."""
    left_out: tuple[int, ...]
    """Samples left out of each epoch."""
    classes: tuple[ClassCounts, ...]
    """By batch size and class; empty where no labels are known."""

    @property
    def min_uses(self) -> int:
        """Of any sample."""
        return self.uses[0][0]

    @property
    def max_uses(self) -> int:
        """Of any sample."""
        return self.uses[-1][0]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def audit(
    plan: Counts,
    samples_of: Callable[[int, int, int], np.typing.NDArray[np.int64]],
    labels: np.typing.ArrayLike | None = None,
    epochs: int | None = None,
    names: Sequence[str] = (),
) -> Audit:
    """Count batches, classes and uses of samples over the first epochs of a plan.

    Args:
        plan: its samples must fit into memory, a few numbers for each.
        samples_of: `Plan.batches`.
        labels: the class of each sample; by default the labels of the order, if it has any.
        epochs: how many epochs, the first 10 by default.
        names: of the classes in sorted order, for the table.

    >>> from epochal import Plan
    >>> print(Plan(10, 4, 3, order="sequential", remainder="drop").audit())
    3 epochs, 6 updates: 6 batches of 4
      uses per sample  2 to 3 (6 × 2, 4 × 3)
      left out          2 samples in each epoch, none in all of them
    """
    count = min(plan.epochs, DEFAULT_EPOCHS) if epochs is None else epochs
    if not 1 <= count <= plan.epochs:
        raise Refusal(f"`epochs` must be between 1 and {plan.epochs} (those of the plan); got {epochs}.")
    if labels is None and plan.order.needs == "classes":
        labels = plan.order.values
    known, ids = np.zeros(0), None
    if labels is not None:
        ids = identified(labels, "labels")
        if len(ids) != plan.samples:
            raise Refusal(f"labels must be one for each of the {plan.samples:,} samples; got {len(ids):,}.")
        known = np.unique(np.asarray(labels))
    found: dict[int, tuple[Any, Any, Any]] = {}
    sizes: dict[int, int] = {}
    uses, left_out = np.zeros(plan.samples, np.int64), []
    for epoch in range(count):
        row = samples_of(epoch, 0, plan.batches_in(epoch))
        here = np.bincount(row, minlength=plan.samples)
        uses += here
        left_out.append(int((here == 0).sum()))
        at = 0
        for batches, size in plan.segments_in(epoch):
            sizes[size] = sizes.get(size, 0) + batches
            if ids is not None:
                own = ids[row[at : at + batches * size]] + np.repeat(np.arange(batches), size) * len(known)
                table = np.bincount(own, minlength=batches * len(known)).reshape(batches, len(known))
                lowest, highest, total = found.get(size, (table[0], table[0], 0))
                lowest, highest = (
                    np.minimum(lowest, table.min(axis=0)),
                    np.maximum(highest, table.max(axis=0)),
                )
                found[size] = lowest, highest, total + table.sum(axis=0)
            at += batches * size
    times, samples = np.unique(uses, return_counts=True)
    class_names = list(names) if len(names) == len(known) else [str(one) for one in known.tolist()]
    return Audit(
        samples=plan.samples,
        epochs=count,
        updates=sum(sizes.values()),
        sizes=tuple(sorted(sizes.items(), reverse=True)),
        uses=tuple(zip(times.tolist(), samples.tolist(), strict=True)),
        left_out=tuple(left_out),
        classes=tuple(
            ClassCounts(size, name, int(lowest), int(highest), int(total) / sizes[size])
            for size in sorted(found, reverse=True)
            for name, lowest, highest, total in zip(class_names, *found[size], strict=True)
        ),
    )


def _span(lowest: int, highest: int) -> str:
    return f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"


def _lines(found: Audit) -> list[str]:
    sizes = ", ".join(f"{counted(count, 'batch')} of {size:,}" for size, count in found.sizes[:_SIZES_SHOWN])
    if len(found.sizes) > _SIZES_SHOWN:
        sizes += f", and {len(found.sizes) - _SIZES_SHOWN:,} more sizes"
    uses = _span(found.min_uses, found.max_uses)
    if len(found.uses) > 1:
        some = ", ".join(f"{samples:,} × {times:,}" for times, samples in found.uses[:_SHOWN])
        uses += f" ({some}{', …' if len(found.uses) > _SHOWN else ''})"
    made = f"{counted(found.epochs, 'epoch')}, {counted(found.updates, 'update')}"
    lines = [f"{made}: {sizes}", f"  uses per sample  {uses}"]
    if any(found.left_out):
        never = found.uses[0][1] if found.min_uses == 0 else 0
        span = _span(min(found.left_out), max(found.left_out))
        noun = "sample" if max(found.left_out) == 1 else "samples"
        lines.append(f"  left out          {span} {noun} in each epoch, {never or 'none'} in all of them")
    else:
        lines.append("  left out          none")
    if found.classes:
        shown = found.classes[: 2 * _SHOWN]
        width = max(5, *(len(one.name) for one in shown))
        lines += ["", f"  batch size  {'class':<{width}}    min   max   mean"]
        lines += [
            f"  {one.size:>10,}  {one.name:<{width}}  {one.min:>5,}  {one.max:>4,}  {one.mean:>5.4g}"
            for one in shown
        ]
        if len(found.classes) > len(shown):
            lines.append(f"  and {len(found.classes) - len(shown):,} more rows")
    return lines
