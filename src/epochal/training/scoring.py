"""Held-out scores of the best parameters of each repeat."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal import models
from epochal.common.waiting import interruptible
from epochal.curves import intervals
from epochal.engine.compiler import options_for
from epochal.engine.evaluate import forward
from epochal.engine.prefetch import AHEAD, Reader
from epochal.engine.state import RepeatState, SplitPart
from epochal.engine.streamed_stack import evaluate_in_blocks
from epochal.models.subsets import one_by_one
from epochal.runs import Fitted, ForecastScores, Scores, score_forecasts
from epochal.runs.metrics import RepeatMetrics, blocks_of, ensemble_metrics, measured, summaries
from epochal.runs.overlap import hashes_of
from epochal.runs.per_class import confusion, label_confusion
from epochal.training.prepared import Prepared

_MAX_KEPT = 2**22
"""Most probabilities of several classes to keep for one part, over all repeats (32 MB)."""


@functools.lru_cache(maxsize=16)
def _scoring(model: models.Model, loss: models.Loss, deterministic: bool) -> Any:
    """The compiled function (variables, inputs, targets) -> (outputs, losses)."""

    def score(
        variables: models.Variables, inputs: jax.Array, targets: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        outputs = forward(model, variables, inputs)
        return outputs, loss(outputs, targets)

    return jax.jit(score, compiler_options=options_for(deterministic))


def _outputs(prepared: Prepared, learned: Fitted, part: SplitPart | Reader) -> tuple[Any, Any]:
    """The outputs and losses of the best parameters for all samples of a part."""
    model = models.computing_in(prepared.model, prepared.settings.precision)
    scoring = _scoring(model, prepared.spec.loss, prepared.settings.deterministic)

    def score(inputs: Any, targets: Any) -> Any:
        return interruptible(lambda: jax.block_until_ready(scoring(learned.best, inputs, targets)))

    if isinstance(part, SplitPart):
        return score(part.inputs, part.targets)
    with ThreadPoolExecutor(AHEAD) as executor:
        return evaluate_in_blocks(part, part.part, lambda read: score(read.inputs, read.targets), executor)


def optimism_of(prepared: Prepared, states: Sequence[RepeatState]) -> dict[str, NDArray[np.float64]]:
    """The optimism of the monitored metric due to choosing the epoch, per repeat; empty if unknown."""
    spec, found = prepared.spec, np.concatenate([np.asarray(state.halves, np.float64) for state in states])
    name = spec.monitor.partition(".")[2]
    foreign = any(
        one.custom or prepared.dataset.timeline is not None for one in spec.metrics if one.name == name
    )
    return {name: intervals.optimism(found)} if found.shape[1] and not foreign else {}


def blocks_of_part(prepared: Prepared, name: str) -> NDArray[np.int64]:
    """The block of each sample of a data set; groups, duplicates and stretches of time stay together."""
    dataset, own = prepared.data_of(name), prepared.data_of(name) is not prepared.dataset
    if dataset.timeline is not None or (prepared.settings.split == "chronological" and not own):
        blocks = np.arange(dataset.samples)
        # Repeats that share a split: the stretches are those of the held-out samples.
        rows = np.sort(prepared.indices(0, name)) if prepared.same_samples else blocks
        blocks[rows] = blocks_of(rows, ordered=True)
        return blocks
    return blocks_of(_clusters(prepared, name))


def _clusters(prepared: Prepared, name: str) -> NDArray[Any]:
    """Clusters of samples of a data set: groups, or duplicates."""
    dataset = prepared.data_of(name)
    if dataset.groups is not None:
        return dataset.groups
    hashes = hashes_of(dataset)
    return hashes if len(hashes) else np.arange(dataset.samples)


def effective_samples(prepared: Prepared, repeats: Sequence[int]) -> float:
    """The effective number of independent validation samples, the smallest over repeats.

    Kish's (1965, Survey Sampling, section 11.7): the square of the sum of the weights over the sum of their
    squares, where duplicates, and samples of one group, count as one with their weights added.
    """
    clusters = _clusters(prepared, "validation")
    found = []
    for repeat in repeats:
        _, of = np.unique(clusters[prepared.indices(repeat, "validation")], return_inverse=True)
        weights = prepared.targets_and_weights(repeat, "validation")[1]
        sums = np.bincount(of, None if weights is None else weights.astype(np.float64))
        found.append(float(sums.sum() ** 2 / np.square(sums).sum()) if sums.any() else 1.0)
    return min(found)


def scores_of(
    prepared: Prepared, fitted: Mapping[int, Fitted], name: str, optimism: Mapping[str, NDArray[np.float64]]
) -> Scores:
    """Scores of the best parameters of each repeat on a part."""
    task, spec = prepared.task, prepared.spec
    wanted, own_metrics = models.metrics_for(task.kind), [metric for metric in spec.metrics if metric.custom]
    blocks, found = blocks_of_part(prepared, name), list[RepeatMetrics]()
    clusters = np.unique(_clusters(prepared, name), return_inverse=True)[1]
    rows = np.unique(np.concatenate([prepared.indices(repeat, name) for repeat in fitted]))
    counts, labels, shares, true, predicted = [], [], [], [], []
    total: Any = 0.0
    columns = slice(1, 2) if task.kind == "binary" else slice(None)
    values = len(fitted) * prepared.part_size(name) * len(task.classes)
    keep = task.kind == "binary" or values <= _MAX_KEPT
    for repeat, learned in fitted.items():
        part = prepared.reader(repeat, name) if prepared.streamed else prepared.part(repeat, name)
        outputs, losses = _outputs(prepared, learned, part)
        scores, targets = np.asarray(outputs, np.float64), part.targets
        if task.is_regression:
            each = scores = prepared.to_target_units(repeat, name, scores.reshape(targets.shape))
            targets = prepared.truth(repeat, name)
            true.append(targets)
            predicted.append(scores)
        elif task.is_classification:
            each = models.probabilities(scores, np)
            counts.append(confusion(targets, each.argmax(axis=1), len(task.classes)))
        else:
            each = models.label_probabilities(scores, np)
            counts.append(label_confusion(targets > 0, scores > 0))
        if keep and not task.is_regression:
            labels.append(targets.astype(np.int64))
            shares.append(each[:, columns])
        total = total + each
        index = prepared.indices(repeat, name)
        with_weights = np.asarray(losses, np.float64), part.weights
        one = measured(wanted, scores, targets, task, blocks[index], with_weights, clusters[index])
        for metric in own_metrics:
            one.values[metric.name] = models.evaluated(metric, scores, targets, spec.classes)
        found.append(one)
    ensemble = {}
    if name == "test" and len(fitted) > 1:  # all repeats share the test samples: a sum is enough
        known = not callable(prepared.settings.loss)
        ensemble = ensemble_metrics(total / len(fitted), targets, task, part.weights, loss=known)
    overlap = 0.0
    if name == "validation" and not prepared.same_validation:
        overlap = prepared.part_size(name) / prepared.part_size("train")
    sizes = len(np.unique(clusters[rows])), len(np.unique(blocks[rows]))
    summed = summaries(found, *sizes, prepared.loss_name, len(task.classes), optimism, overlap)
    allowed = bool(optimism) and len(fitted) > 1
    if not task.is_regression:
        own = {"labels": np.stack(labels), "probabilities": np.stack(shares)} if keep else {}
        return Scores(summed, np.stack(counts), ensemble=ensemble, corrected=allowed, **own)
    numbers = np.concatenate(true), np.concatenate(predicted)
    return Scores(summed, None, *numbers, ensemble=ensemble, corrected=allowed)


def in_units_of(
    prepared: Prepared, repeat: int, name: str, values: NDArray[Any], metric: models.Metric
) -> NDArray[Any]:
    """Targets or outputs of a part in the units of a metric in evaluations: on the host the target's own.

    The program knows the scaling of the target, but not the levels of a series.
    """
    if metric.host:
        return prepared.inverse_transform(repeat, name, values)
    scaling = prepared.target_scalings[repeat]
    return scaling.inverse_transform(values) if scaling is not None and metric.in_target_units else values


def block_influences(
    prepared: Prepared, learned: Fitted, repeat: int
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """What each block of the validation samples adds to the metrics of an evaluation, by name.

    With it come the forecasts (windows, steps) of windows of a series, in the target's units; none of others.
    """
    part = prepared.part(repeat, "validation")
    outputs, losses = _outputs(prepared, learned, part)
    scores, targets = np.asarray(outputs, np.float64), part.targets
    if prepared.task.is_regression:
        scores, targets = scores.reshape(targets.shape), targets.astype(np.float64)
    block = blocks_of_part(prepared, "validation")[prepared.indices(repeat, "validation")]
    own_losses = (np.asarray(losses, np.float64), part.weights)
    found = measured([], scores, targets, prepared.task, block, own_losses).influences
    for metric in prepared.spec.metrics:
        ours, true = (in_units_of(prepared, repeat, "validation", one, metric) for one in (scores, targets))
        if not metric.custom:
            found |= measured([metric], ours, true, prepared.task, block).influences
            continue

        def of(rows: Any, metric: models.Metric = metric, ours: Any = ours, true: Any = true) -> float:
            return models.evaluated(metric, ours[rows], true[rows], prepared.spec.classes)

        found[metric.name] = intervals.influences(one_by_one(of), block)
    forecasts = np.empty((0, 0))
    if prepared.windows_of(repeat, "validation") is not None and prepared.task.is_regression:
        forecasts = prepared.to_target_units(repeat, "validation", scores).reshape(len(targets), -1)
    return {f"validation.{name}": values for name, values in found.items()}, forecasts


def forecasts_of(
    prepared: Prepared,
    repeats: Sequence[int],
    scores: Mapping[str, Scores],
    optimism: Mapping[str, NDArray[np.float64]],
) -> dict[str, ForecastScores]:
    """Forecast scores of each part, with naive forecasts; empty for other samples.

    The optimism of the RMSE is in proportion to that of the loss, or half that of its square.
    """
    found = {}
    for name, one in scores.items():
        lines = [window for repeat in repeats if (window := prepared.windows_of(repeat, name)) is not None]
        if not lines or one.true is None or one.predicted is None:
            continue
        shape = (len(repeats), len(lines[0][1]), -1)
        true, predicted = one.true.reshape(shape), one.predicted.reshape(shape)
        relative: Any = 0.0
        if name == "validation" and "loss" in optimism:
            power = 2 if prepared.loss_name == "squared_error" else 1
            relative = -optimism["loss"] / np.array(one.metrics["loss"].per_repeat) / power
        found[name] = score_forecasts(true, predicted, lines[0][0], [index for _, index in lines], relative)
    return found
