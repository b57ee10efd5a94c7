"""Evaluation of a run on labeled data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary, summarize
from epochal.curves.statistics import Floats
from epochal.data import Dataset
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.errors import Refusal
from epochal.models import METRICS, metrics_for
from epochal.models.losses import LOSSES, loss_for
from epochal.runs.evaluation import Bin, Calibration, Evaluation, Residuals
from epochal.runs.forecast import score_forecasts
from epochal.runs.metrics import NO_LOSS, blocks_of, ensemble_metrics, logits_of, measured, summaries
from epochal.runs.overlap import hashes_of, overlap_of
from epochal.runs.per_class import confusion, decided, decisions, label_confusion, per_class
from epochal.runs.predict import (
    check_parameters,
    outputs_of,
    read_samples,
    to_target_units,
    with_target,
    without_target,
)
from epochal.runs.run import Run

_BINS = 10
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def evaluate(
    run: Run,
    data: Any,
    targets: Any = None,
    *,
    parameters: str = "best",
    skip_bad: bool = False,
    reading: Reading = AS_FOUND,
) -> Evaluation:
    """See `Run.evaluate`; `reading` has the file options."""
    check_parameters(parameters)
    if targets is not None:
        data = (data, targets)
    dataset = read_samples(run, data, skip_bad, reading=reading)
    dataset, notes = _labeled(run, dataset)
    assert dataset.targets is not None
    if own := ", ".join(run.settings.get("own_metrics", {})):
        notes.append(f"your own metrics ({own}) are not evaluated here: a run does not hold them.")
    if run.task.is_regression and run.repeats > 1 and not run.ensemble:
        notes.append(f"the ensemble is the mean prediction; {NO_LOSS}")
    outputs = outputs_of(run, dataset, parameters)
    of = _of_numbers if run.task.is_regression else _of_shares
    return Evaluation(
        task=run.task,
        target=run.data["target"],
        source=dataset.source,
        rows=dataset.samples,
        overlap=overlap_of(dataset, run.data["fingerprint"], run.hashes, run.split_codes),
        parameters=parameters,
        threshold=run.threshold,
        raw_notes=(*dataset.raw_notes, *notes, *run.metric_notes),
        **of(run, to_target_units(run, outputs, dataset), dataset, _losses(run, outputs, dataset)),
    )


def _labeled(run: Run, dataset: Dataset) -> tuple[Dataset, list[str]]:
    name = run.data["target"]
    if dataset.targets is None:
        why = [note for note in dataset.raw_notes if "targets are not used" in note]
        raise Refusal(
            why[0].replace("the targets are not used", "fill them in, or leave those rows out")
            if why
            else f'to evaluate, {dataset.source} must have the target "{name}"; it has none. '
            "Predictions need no target: use predict."
        )
    known = with_target(run, dataset)
    if known.all():
        return dataset, []
    if not known.any():
        why = [note for note in dataset.raw_notes if "training did not have" in note]
        none = f'no row of {dataset.source} has a target "{name}" that the run was trained for.'
        raise Refusal(
            why[0].replace("they count in no metric", "nothing is left to evaluate") if why else none
        )
    if dataset.timeline is not None:
        raise Refusal(f'"{name}" must have no missing values where windows are evaluated.')
    return dataset.subset(np.flatnonzero(known)), [f"{without_target(run, known)}, and are left out."]


def _losses(run: Run, outputs: Sequence[Floats], dataset: Dataset) -> list[Floats]:
    """The losses of each repeat, as in training; empty for a custom loss."""
    if run.settings["loss"] not in LOSSES:
        return []
    _, loss = loss_for(run.settings["loss"], run.task.kind)
    found = []
    for fitted, values in zip(run.fitted, outputs, strict=True):
        scaling, targets = fitted.target_scaling, np.asarray(dataset.targets)
        scaled = targets if scaling is None else scaling.apply(targets)
        found.append(np.asarray(loss(jnp.asarray(values), jnp.asarray(scaled)), np.float64))
    return found


def _over_repeats(
    run: Run, scores: Sequence[Floats], targets: NDArray[Any], dataset: Dataset, losses: Sequence[Floats]
) -> dict[str, Summary]:
    hashes, ordered = hashes_of(dataset), dataset.timeline is not None
    units = hashes if len(hashes) and not ordered else np.arange(dataset.samples)
    block = blocks_of(units, ordered)
    units = np.unique(units, return_inverse=True)[1]
    metrics, found = metrics_for(run.task.kind), []
    for number, one in enumerate(scores):
        loss = (losses[number], dataset.sample_weight) if losses else None
        found.append(measured(metrics, one, targets, run.task, block, loss, units))
    sizes = len(np.unique(units)), len(np.unique(block))
    return summaries(found, *sizes, run.settings["loss"], len(run.task.classes))


def _of_shares(run: Run, each: Floats, dataset: Dataset, losses: Sequence[Floats]) -> dict[str, Any]:
    """Metrics, confusion, class table and calibration from probabilities `(repeats, n, classes)`."""
    targets, names, mean = np.asarray(dataset.targets), run.task.classes, each.mean(axis=0)
    at, ensemble_at = {}, {}
    if run.task.is_multilabel:
        counts = np.stack([label_confusion(targets > 0, probabilities > 0.5) for probabilities in each])
        together = label_confusion(targets > 0, mean > 0.5)
        pooled = np.stack([1 - each, each], axis=-1).reshape(len(each), -1, 2)
        calibration = calibrate(pooled, (targets > 0).astype(np.int64).ravel(), ("", "a label"))
        calibration = replace(calibration, of="the probabilities of all labels")
    else:
        cuts = [None] * len(each) if run.threshold is None else run.threshold.per_repeat.per_repeat
        pairs = zip(each, cuts, strict=True)
        counts = np.stack([confusion(targets, decisions(one, cut), len(names)) for one, cut in pairs])
        cut = None if run.threshold is None else run.threshold.value
        together = confusion(targets, decisions(mean, cut), len(names))
        calibration = calibrate(each, targets, names)
        if cut is not None:
            at = {name: summarize(values, interval=False) for name, values in decided(counts).items()}
            ensemble_at = {name: float(values[0]) for name, values in decided(together[None]).items()}
    logits = [logits_of(probabilities, run.task) for probabilities in each]
    return {
        "metrics": _over_repeats(run, logits, targets, dataset, losses),
        "ensemble": ensemble_metrics(mean, targets, run.task, dataset.sample_weight, loss=bool(losses)),
        "at_threshold": at,
        "ensemble_at_threshold": ensemble_at,
        "confusion": counts,
        "ensemble_confusion": together,
        "per_class": per_class(counts, names),
        "calibration": calibration,
    }


def calibrate(each: Floats, targets: NDArray[Any], classes: Sequence[str]) -> Calibration:
    """The reliability of probabilities `(repeats, n, classes)` against class ids `(n,)`; see `Calibration`.

    >>> probabilities = np.array([[[0.2, 0.8]] * 4 + [[0.9, 0.1]] * 4])
    >>> found = calibrate(probabilities, np.array([1, 1, 1, 0, 0, 0, 0, 0]), ("no", "yes"))
    >>> round(found.error, 3), [(one.samples, one.observed) for one in found.bins if one.samples]
    (0.075, [(4, 0.0), (4, 0.75)])
    """

    def pairs(probabilities: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        if len(classes) == 2:
            return probabilities[:, 1], targets == 1
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == targets

    bins, of = _binned(*pairs(each.mean(axis=0))), "the confidence in the predicted class"
    if len(classes) == 2:
        of = f'the probability of "{classes[1]}"'
    errors = summarize([_error(_binned(*pairs(probabilities))) for probabilities in each], interval=False)
    return Calibration(of, bins, _error(bins), errors)


def _binned(probabilities: Floats, hits: NDArray[np.bool_]) -> tuple[Bin, ...]:
    place = np.clip(np.ceil(probabilities * _BINS).astype(int) - 1, 0, _BINS - 1)
    bins = []
    for number in range(_BINS):
        own = place == number
        count = int(own.sum())
        predicted, observed = (float(one[own].mean()) if count else np.nan for one in (probabilities, hits))
        bins.append(Bin(number / _BINS, (number + 1) / _BINS, count, predicted, observed))
    return tuple(bins)


def _error(bins: Sequence[Bin]) -> float:
    samples = sum(one.samples for one in bins)
    return sum(one.samples * abs(one.observed - one.predicted) for one in bins if one.samples) / samples


def _of_numbers(run: Run, each: Floats, dataset: Dataset, losses: Sequence[Floats]) -> dict[str, Any]:
    """Metrics and residuals from numbers `(repeats, n, targets)` in the target's units."""
    line, targets = dataset.timeline, np.asarray(dataset.targets, np.float64)
    targets = targets.reshape(len(targets), -1)
    if line is not None:
        targets = line.inverse_transform(targets, np.arange(len(targets)))
    mean = each.mean(axis=0)
    ensemble = ensemble_metrics(mean, targets, run.task)
    width = targets.shape[1]
    names = [run.data["target"] + (f" {k + 1}" if width > 1 else "") for k in range(width)]
    forecasts = None
    if line is not None:
        names = [f"{k + 1} ahead" for k in range(width)]
        windows = [np.arange(len(targets))] * len(each)
        forecasts = score_forecasts(np.broadcast_to(targets, each.shape), each, line, windows, ensemble=True)
    return {
        "metrics": _over_repeats(run, list(each), targets, dataset, losses),
        "ensemble": ensemble,
        "residuals": tuple(_residuals(name, mean[:, k], targets[:, k]) for k, name in enumerate(names)),
        "forecasts": forecasts,
    }


def _residuals(name: str, predicted: Floats, true: Floats) -> Residuals:
    error = predicted - true
    metrics = {one: float(METRICS[one].function(predicted, true, 0, np)) for one in ("rmse", "mae", "r2")}
    quantiles = dict(zip(_QUANTILES, np.quantile(error, _QUANTILES).tolist(), strict=True))
    return Residuals(name, quantiles, float(error[np.abs(error).argmax()]), **metrics)
