"""What helps where 2 % of the rows are positive: class weights, a balanced order, a threshold?

A generated table (12,000 rows, 8 inputs, 2 % positives) is split into training, validation and test rows, in
each repeat anew, and the same network is trained on the same splits in three ways:

    plain             every row counts the same
    class weights     a positive counts as much as 49 negatives
    balanced order    half of each batch is positive: positives come 49 times as often

The best epoch is the one with the highest average precision on the validation rows. That is a matter of ranks
and favors no way; the validation loss of a balanced order is not what it was trained for.

All is measured on test rows. A threshold of one half is set against those that make F1, or balanced accuracy,
greatest on the validation rows. The last lines show what weights and over-sampling do to the probabilities:
their mean should be the share of positives, 0.02, and is not; dividing the odds by 49 repairs it (Elkan
2001).

    python examples/rare_positives.py     # less than a minute; writes rare_positives.png
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import epochal as ep
from epochal.curves import Summary, summarize
from epochal.runs.per_class import decided
from epochal.runs.threshold import apply_threshold

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "class weights": {"class_weight": "balanced"},
    "balanced order": {"order": "balanced"},
}


def table(rows: int = 12_000, share: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and classes: the positives are the rows with the highest noisy score, which is not linear."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 8)).astype(np.float32)
    score = 1.5 * inputs[:, 0] + inputs[:, 1] * inputs[:, 2] + np.abs(inputs[:, 3])
    noisy = score + 0.7 * random.logistic(size=rows)
    return inputs, (noisy > np.quantile(noisy, 1 - share)).astype(int)


def train(
    data: tuple[np.ndarray, np.ndarray],
    ways: Mapping[str, dict[str, Any]] = WAYS,
    repeats: int = 10,
    epochs: int = 30,
) -> dict[str, ep.Run]:
    """The same repeats (splits, starts) in each way."""
    return {
        name: ep.fit(
            ep.MLP(32),
            data,
            epochs=epochs,
            batch_size=64,
            learning_rate=0.01,
            validation=0.25,
            test=0.25,
            repeats=repeats,
            metrics=("average_precision",),
            monitor="validation.average_precision",
            evaluate_train=False,
            threshold="f1",
            **way,
        )
        for name, way in ways.items()
    }


def corrected(probabilities: np.ndarray, factor: float) -> np.ndarray:
    """Probabilities with their odds divided by how much more a positive counted than a negative."""
    return probabilities / (probabilities + factor * (1 - probabilities))


def figures(run: ep.Run) -> dict[str, np.ndarray]:
    """What is compared, one value a repeat, of the test rows."""
    scores, metrics, chosen = run.scores["test"], run.metrics["test"], run.at_threshold["test"]
    assert scores.labels is not None and scores.probabilities is not None
    positive, shares = scores.labels == 1, scores.probabilities[..., 0]
    share = positive.mean()
    weighted = run.settings["class_weight"] == "balanced" or run.settings["order"] == "balanced"
    repaired = corrected(shares, (1 - share) / share) if weighted else shares

    confusion = apply_threshold("balanced_accuracy", run.scores, "1")[1]["test"].confusion_at_threshold
    assert confusion is not None

    def log_loss(given: np.ndarray) -> np.ndarray:
        safe = np.clip(given, 1e-12, 1 - 1e-12)
        return -np.where(positive, np.log(safe), np.log1p(-safe)).mean(axis=1)

    return {
        "average precision": np.array(metrics["average_precision"].per_repeat),
        "recall above 0.5": np.array(metrics["recall"].per_repeat),
        "F1 above 0.5": np.array(metrics["f1"].per_repeat),
        "F1, threshold for it": np.array(chosen["f1"].per_repeat),
        "recall, threshold for F1": np.array(chosen["recall"].per_repeat),
        "balanced accuracy above 0.5": np.array(metrics["balanced_accuracy"].per_repeat),
        "the same, threshold for it": decided(confusion)["balanced_accuracy"],
        "threshold for F1": np.array(run.threshold.per_repeat.per_repeat if run.threshold else []),
        "mean probability": shares.mean(axis=1),
        "log loss": log_loss(shares),
        "log loss, odds divided": log_loss(repaired),
    }


def difference(mine: np.ndarray, other: np.ndarray) -> Summary:
    """Of two ways in the same repeats, in pairs: the luck of a split falls out."""
    return summarize(mine - other)


def said(runs: Mapping[str, ep.Run]) -> str:
    """The table: mean ± sd over the repeats, and below it the paired difference from the first way."""
    found = {name: figures(run) for name, run in runs.items()}
    first = next(iter(found))
    lines = [f"{'':<30}" + "".join(f"{name:>24}" for name in found)]
    for figure, reference in found[first].items():
        own = {name: summarize(values[figure]) for name, values in found.items()}
        lines.append(
            f"{figure:<30}" + "".join(f"{one.mean:>15.3f} ± {one.sd or 0:.3f}" for one in own.values())
        )
        cells = [f"{'':>24}"]
        for name in list(found)[1:]:
            apart = difference(found[name][figure], reference)
            low, high = apart.ci95 or (np.nan, np.nan)
            cells.append(f"{f'{low:+.3f} to {high:+.3f}':>24}")
        lines.append(f"{'  difference, 95 % interval':<30}" + "".join(cells))
    return "\n".join(lines)


def picture(runs: Mapping[str, ep.Run], path: str = "rare_positives.png") -> None:
    """Precision against recall, and how often a row of some probability is positive."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for (name, run), color in zip(runs.items(), ("#1c2330", "#c2501a", "#2563b0"), strict=False):
        (curve,) = run.precision_recall("test")
        left.fill_between(
            curve.recall, curve.low, curve.high, step="pre", color=color, alpha=0.12, linewidth=0
        )
        summary = curve.average_precision
        left.plot(
            curve.recall,
            curve.mean,
            drawstyle="steps-pre",
            color=color,
            label=f"{name}: {summary.format_value(summary.mean)} ± {summary.format_value(summary.sd or 0)}",
        )
        scores = run.scores["test"]
        assert scores.labels is not None and scores.probabilities is not None
        shares, positive = scores.probabilities.ravel(), scores.labels.ravel() == 1
        # Bins with the same number of positives each, so that every dot is about equally sure.
        edges = np.quantile(shares[positive], np.linspace(0, 1, 9))
        edges[0], edges[-1] = 0, 1
        bins = np.clip(np.searchsorted(edges, shares, side="right") - 1, 0, 7)
        predicted = np.bincount(bins, shares, 8) / np.bincount(bins, minlength=8)
        observed = np.bincount(bins, positive, 8) / np.bincount(bins, minlength=8)
        right.loglog(predicted, observed, "o-", color=color, label=name)
    left.axhline(curve.base_rate, color="#646f80", linestyle="--", linewidth=1)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    left.set_title("Average precision on test rows (dashed: the base rate)", fontsize=10.5)
    left.legend(frameon=False)
    ends = (1e-3, 1)
    right.plot(ends, ends, color="#646f80", linestyle="--", linewidth=1)
    right.set(xlabel="predicted probability", ylabel="share of positives", xlim=ends, ylim=ends)
    right.set_title("On the dashed line, a probability is what it says", fontsize=10.5)
    right.legend(frameon=False)
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    trained = train(table(), repeats=int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    print(said(trained))
    picture(trained)
