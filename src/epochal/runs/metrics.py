"""Held-out metrics: per repeat, over repeats, and of the ensemble."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary, summarize
from epochal.curves.intervals import BLOCKS, influences, new_samples
from epochal.curves.statistics import Floats, Ints
from epochal.data import Task
from epochal.models import METRICS, Metric, bounds_of, indicators, metrics_for, of_subsets, weighted_means


@dataclass(frozen=True)
class RepeatMetrics:
    """The metrics of one repeat, and the influence of each block of samples."""

    values: dict[str, float]
    influences: dict[str, Floats]
    pairs: tuple[Ints, ...] = ()
    """Distinct (cluster, true class) and (cluster, predicted class) pairs, encoded as ints."""


def blocks_of(clusters: NDArray[Any], ordered: bool = False) -> Ints:
    """The block of each sample, at most `BLOCKS` of them, with the samples of a cluster in one.

    Args:
        clusters: (n,) clusters, such as groups, or hashes that find duplicates.
        ordered: whether neighbors are dependent, as in a series: blocks are then stretches
            (Künsch 1989, The jackknife and the bootstrap for general stationary observations), and fewer.

    >>> blocks_of(np.array([7, 7, 3])).tolist()[:2] in ([0, 0], [1, 1])
    True
    """
    ids, of = np.unique(clusters, return_inverse=True)
    if ordered:
        return np.asarray(of * min(BLOCKS // 2, len(ids)) // len(ids), np.int64)
    return np.asarray(np.random.default_rng(0).permutation(len(ids))[of] % BLOCKS, np.int64)


def measured(
    metrics: Sequence[Metric],
    scores: Floats,
    targets: NDArray[Any],
    task: Task,
    block: Ints,
    losses: tuple[Floats, NDArray[Any] | None] | None = None,
    clusters: Ints | None = None,
) -> RepeatMetrics:
    """Built-in metrics of samples in blocks (n,), and the mean of their losses, if given with their weights.

    Scores (n, ...) are logits, or numbers in the target's units; `clusters` (n,) number distinct samples.
    """
    classes, values, functions = len(task.classes), dict[str, float](), dict[str, Any]()
    if losses is not None:
        values["loss"] = mean_loss(*losses)
        functions["loss"] = functools.partial(weighted_means, *losses)
    for metric in metrics:
        values[metric.name] = float(metric.function(scores, targets, classes, np))
        functions[metric.name] = functools.partial(of_subsets, metric, scores, targets, classes)
    added, pairs = {name: influences(one, block) for name, one in functions.items()}, tuple[Ints, ...]()
    if clusters is not None and classes:
        hits = map(np.nonzero, indicators(scores, targets, classes, np)[::-1])
        pairs = tuple(np.unique(clusters[rows] * classes + kinds) for rows, kinds in hits)
    return RepeatMetrics(values, added, pairs)


def sample_size(name: str, counts: Sequence[Ints], samples: int, blocks: int) -> tuple[int, int]:
    """How many samples the interval of a metric rests on (`Metric.sample_size_of`), and how many blocks.

    Of a mean over classes these are the numbers of independent samples with its variance and its degrees of
    freedom (Satterthwaite): of one class its own, else hardly more than of the rarest where one is rare.
    `counts` (classes,) are distinct samples of each class or label, and those predicted as it in any repeat.

    >>> counts = np.array([97, 3]), np.array([99, 1])
    >>> [sample_size(name, counts, 100, 30) for name in ("accuracy", "roc_auc", "recall", "precision", "f1")]
    [(100, 30), (11, 3), (3, 3), (1, 1), (4, 3)]
    """
    metric = METRICS.get(name)
    if metric is None or metric.sample_size_of == "samples" or not counts:
        return samples, blocks
    first = int(len(counts[0]) == 2 and "binary" in metric.tasks and metric.sample_size_of != "classes")
    true, predicted = (one[first:] for one in counts)
    true, predicted = true[true > 0], predicted[true > 0]
    each = {"predicted": predicted, "both": true + predicted}.get(metric.sample_size_of, true)
    if not each.all() or not len(true):  # a class that is never predicted has no precision
        return 0, 0
    samples = min(samples, int(len(each) ** 2 / (1 / each).sum() + 1e-9))
    return samples, min(blocks, samples, int((1 / true).sum() ** 2 / (1 / true**3).sum() + 1e-9))


def mean_loss(losses: Floats, weights: NDArray[Any] | None) -> float:
    """The weighted mean of losses; NaN if all weights are zero."""
    return float(np.average(losses, weights=weights)) if weights is None or weights.any() else float("nan")


def summaries(
    found: Sequence[RepeatMetrics],
    samples: int,
    blocks: int,
    loss: str,
    classes: int,
    optimism: Mapping[str, Floats] | None = None,
    overlap: float = 0.0,
) -> dict[str, Summary]:
    """Each metric over the repeats, with an interval for new samples; none without influences.

    Args:
        found: of each repeat.
        samples: number of distinct held-out samples, in `blocks` blocks (`new_samples`).
        loss: the name of the loss.
        classes: number of classes or labels; 0 for numbers.
        optimism: the optimism of each repeat due to choosing the epoch on the same samples, for metrics where
            it is known; that of others follows from it.
        overlap: the ratio of held-out to training samples if these differ between repeats (`new_samples`).
    """
    optimism = optimism or {}
    known, summed = dict(optimism), dict[str, Summary]()
    added = {name: np.stack([one.influences[name] for one in found]) for name in found[0].influences}
    values = {name: np.array([one.values[name] for one in found]) for name in found[0].values}
    for name in added:
        known.setdefault(name, _predicted_optimism(name, added, optimism))
    if "r2" in added and "r2" not in optimism:
        with np.errstate(all="ignore"):  # 1 - R² is proportional to the square of the RMSE
            known["r2"] = -2 * (1 - values["r2"]) * known["rmse"] / values["rmse"]
    pairs = zip(*(one.pairs for one in found), strict=True)
    counts = [np.bincount(np.unique(np.concatenate(one)) % classes, minlength=classes) for one in pairs]
    for name, column in values.items():
        if name in added:
            sizes = sample_size(name, counts, samples, blocks)
            bounds = bounds_of(name, loss)
            summed[name] = new_samples(column, added[name], *sizes, known[name], overlap, bounds)
        else:
            summed[name] = summarize(column, interval=False)
    return summed


def _predicted_optimism(name: str, added: Mapping[str, Floats], optimism: Mapping[str, Floats]) -> Floats:
    """The optimism of a metric, by regression over samples on the most correlated known one."""
    own, best, gained = added[name].mean(axis=0), 0.0, np.zeros(len(added[name]))
    for other, known in optimism.items():
        influence = added[other].mean(axis=0)
        together, square = float(own @ influence), float(influence @ influence)
        if square and together**2 / square > best:
            best, gained = together**2 / square, together / square * known
    return gained


FEW = 0.04
"""The share of samples that make half of a squared error whose interval is too narrow.

Of normal errors 12 % make it, of Laplace's 7 %, of lognormal ones 2 %: these intervals hold in four of five.
"""


def few_samples(true: Floats, predicted: Floats, repeats: int) -> tuple[int, int] | None:
    """How many samples make half of the squared error, and of how many, where they are at most `FEW` of them.

    Both are (repeats * samples, ...), repeat after repeat, of which the median counts.

    >>> errors = np.r_[np.ones(99), 20.0]
    >>> few_samples(np.zeros(100), errors, 1), few_samples(np.zeros(100), np.ones(100), 1)
    ((1, 100), None)
    """
    squares = np.square(predicted - true).reshape(len(true), -1)
    spread = true.reshape(len(true), -1).var(axis=0)
    squares = (squares / np.where(spread > 0, spread, 1)).mean(axis=1).reshape(repeats, -1)
    if not np.isfinite(squares).all() or not squares.any(axis=1).all():
        return None
    sums = np.cumsum(-np.sort(-squares, axis=1), axis=1)
    many = round(float(np.median((sums < sums[:, -1:] / 2).sum(axis=1) + 1)))
    return (many, squares.shape[1]) if many <= FEW * squares.shape[1] else None


def logits_of(probabilities: Floats, task: Task) -> Floats:
    """Probabilities as logits for metrics: log probabilities of classes, log odds of labels.

    >>> logits_of(np.array([[0.5, 0.5]]), Task("binary", ("no", "yes"))).round(3).tolist()
    [[-0.693, -0.693]]
    """
    logits: Floats = np.log(np.maximum(probabilities, 1e-300))
    return logits - np.log(np.maximum(1 - probabilities, 1e-300)) if task.is_multilabel else logits


NO_LOSS = "it has no loss: the losses of the repeats are on scales of their own."
"""What is said of the ensemble of a regression."""


def ensemble_metrics(
    mean: Floats, targets: NDArray[Any], task: Task, weights: NDArray[Any] | None = None, *, loss: bool = True
) -> dict[str, float]:
    """The metrics of a mean prediction, and its log loss for classes and labels.

    Args:
        mean: (n, classes) probabilities, (n, labels) likewise, or (n, targets) numbers in their own units;
            the mean over the repeats.
        targets: (n,) class ids, (n, labels) of 0 and 1, or numbers shaped as `mean`.
        task: of the samples.
        weights: of the samples, for the loss only.
        loss: whether to include the log loss. Regression has none: each repeat has its own unit.

    >>> task = Task("binary", ("no", "yes"))
    >>> found = ensemble_metrics(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0, 1]), task)
    >>> round(found["loss"], 3), found["accuracy"]
    (0.458, 0.5)
    """
    outputs, classes = mean if task.is_regression else logits_of(mean, task), len(task.classes)
    metrics = metrics_for(task.kind)
    found = {metric.name: float(metric.function(outputs, targets, classes, np)) for metric in metrics}
    if task.is_regression or not loss:
        return found
    if task.is_multilabel:
        right = np.where(targets > 0, mean, 1 - mean)
    else:
        right = mean[np.arange(len(mean)), targets]
    each = np.log(np.maximum(right, 1e-300)).reshape(len(mean), -1).mean(axis=1)
    return {"loss": float(-np.average(each, weights=weights)), **found}
