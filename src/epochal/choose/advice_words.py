"""An advice as text: the answer, its reasons, and notes."""

from __future__ import annotations

import math

from epochal.choose.confirm import USUAL_EPOCHS, Confirmed
from epochal.choose.finals import Final
from epochal.choose.search import rate_at
from epochal.common.metric_names import label_of
from epochal.curves import Summary
from epochal.curves.statistics import counted


def answer(found: Confirmed, rate: float | None, whole: bool) -> str:
    """The advice in a sentence or two, with what to expect and what the defaults give.

    `whole` is whether the batch holds all training samples.
    """
    final = found.final
    column, quality = found.shown(final)
    seeds = _seeds(len(final.values))
    if found.nothing:
        if final.broken:
            return (
                "No recommendation: every setting that was tried broke (the loss was not finite) in at least "
                f"one of {seeds}."
            )
        return (
            "No recommendation: no setting that was tried beats the baseline by more than chance. The "
            f"nearest has {label_of(column)} {_figure(quality)} on {seeds}; the baseline (always "
            f"predicting the same) has {quality.written(found.baseline)}."
        )
    at = "" if rate is None else f", learning rate {rate:g}"
    epochs = counted(found.lengths.epochs, "epoch")
    if math.isinf(found.lengths.high):
        epochs = f"at least {epochs}"
    size = f"{final.point.batch_size:,}{' (all training samples)' if whole else ''}"
    figure = f"{label_of(column)} {_figure(quality)} on {seeds}"
    first = "" if final.baseline_known else (
        f"What the baseline (always predicting the same) reaches in {label_of(final.rules.column)} is "
        "not known, so nothing shows that anything is learned."
    )  # fmt: skip
    failed = f"But {_failures(final)}." if final.failures else ""
    if found.usual:
        last = (
            f"Keep the defaults (batch size {size}{at}) and take {epochs}: {figure}. {_others(found.ahead)}"
        )
    else:
        last = f"Take batch size {size}{at} and {epochs}: {figure}; {_of_defaults(found)}."
    concern = "" if found.forecasts is None else found.forecasts.concern("validation")
    return " ".join(filter(None, (concern, first, last, failed, _beats(found))))


def _others(ahead: Final | None) -> str:
    """How the other settings did where the defaults are advised."""
    if ahead is None:
        return "No other setting that was tried does better there."
    failed = f"failed on {ahead.failures} of {_seeds(ahead.looked_at)}"
    return f"Another was better on average, but {failed if ahead.failures else 'may not beat the baseline'}."


def _of_defaults(found: Confirmed) -> str:
    defaults = found.defaults
    many = len(defaults.values)
    if defaults.broken:
        return f"the defaults diverged on {defaults.broken} of {_seeds(many)}"
    _, quality = found.shown(defaults)
    within = "" if defaults.trained == USUAL_EPOCHS else f" in {defaults.trained:,} epochs"
    return f"the defaults{within} would give {quality.written(quality.mean)}"


def _failures(final: Final) -> str:
    return f"{final.failures} of {_seeds(final.looked_at)} diverged or ended worse than the baseline"


def _beats(found: Confirmed) -> str:
    """Which naive forecast of a series, the best of those, the advised setting surely beats."""
    if found.forecasts is None or found.forecasts.unbeaten:
        return ""
    best = min(found.forecasts.naive, key=lambda one: one.rmse.mean)
    return f"It beats {best.name} (RMSE {best.rmse.written(best.rmse.mean)} on the same windows)."


def _figure(quality: Summary) -> str:
    if quality.ci95 is None:
        return quality.written(quality.mean)
    low, high = map(quality.written, quality.ci95)
    return f"{quality.written(quality.mean)} ({low} to {high})"


def _seeds(count: int) -> str:
    return counted(count, "fresh seed")


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
            f"{_failures(final)}: what the inputs say about the target is little, or the training is not "
            "reliable. More validation samples would tell."
        )
    if final.rules.samples and not found.nothing:
        notes.append(
            f"All repeats validate on the same {final.rules.samples:,} samples, which chose the setting, "
            "too: its figure is slightly optimistic for new rows."
        )
    for one in found.left_out:
        rate = "" if one.point.step is None else f", learning rate {rate_at(one.point.step):g}"
        notes.append(
            f"Batch size {one.point.batch_size:,}{rate} came out ahead, but {one.failures} of "
            f"{one.looked_at} fresh seeds diverged or ended worse than the baseline: it was left out."
        )
    return notes
