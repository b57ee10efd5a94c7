"""How an advice reads: the answer first, or why there is none, and what to know about it."""

from __future__ import annotations

import math

from epochal.choose.confirm import Confirmed
from epochal.choose.search import rate_at
from epochal.directions import label_of

__all__ = ["answer", "remarks"]


def answer(found: Confirmed, rate: float | None, whole: bool) -> str:
    """The advice in a sentence or two, with what to expect and what the defaults give.

    `whole` is whether the batch holds all training samples.
    """
    final, defaults = found.final, found.defaults
    quality = final.quality
    column, seeds = label_of(final.rules.column), _seeds(len(final.values))
    if found.nothing:
        if final.broken:
            return (
                "No recommendation: every setting that was tried broke (the loss was not finite) in at least "
                f"one of {seeds}."
            )
        return (
            "No recommendation: no setting that was tried beats the baseline by more than chance. The "
            f"nearest has {column} {_figure(found)} on {seeds}; the baseline, a constant prediction, has "
            f"{quality.written(float(final.baseline.mean()))}."
        )
    at = "" if rate is None else f", learning rate {rate:g}"
    epochs = f"{found.lengths.epochs:,} epoch{'' if found.lengths.epochs == 1 else 's'}"
    if math.isinf(found.lengths.high):
        epochs = f"at least {epochs}"
    size = f"{final.point.batch_size:,}{' (all training samples)' if whole else ''}"
    figure = f"{column} {_figure(found)} on {seeds}"
    if found.usual:
        return (
            f"Keep the defaults (batch size {size}{at}) and take {epochs}: {figure}. No other setting "
            "that was tried does better there."
        )
    shared = defaults.quality
    return (
        f"Take batch size {size}{at} and {epochs}: {figure}; the defaults would give "
        f"{shared.written(shared.mean)}."
    )


def _figure(found: Confirmed) -> str:
    quality = found.final.quality
    if quality.ci95 is None:
        return quality.written(quality.mean)
    low, high = map(quality.written, quality.ci95)
    return f"{quality.written(quality.mean)} ({low} to {high})"


def _seeds(count: int) -> str:
    return f"{count:,} fresh seeds" if count != 1 else "1 fresh seed"


def remarks(found: Confirmed) -> list[str]:
    """What to know about what the fresh seeds said, one sentence each."""
    notes, final = [], found.final
    if found.nothing:
        notes.append(
            "Check that the target is the right column, that some input can be known to say something about "
            "it, and whether more rows can be had."
        )
    elif final.failures:
        notes.append(
            f"{final.failures} of {_seeds(final.looked_at)} diverged or ended worse than the baseline: what "
            "the inputs say about the target is little, or the training is not reliable."
        )
    for one in found.left_out:
        rate = "" if one.point.step is None else f", learning rate {rate_at(one.point.step):g}"
        notes.append(
            f"Batch size {one.point.batch_size:,}{rate} came out ahead, but {one.failures} of "
            f"{one.looked_at} fresh seeds diverged or ended worse than the baseline: it was left out."
        )
    return notes
