"""Direction and label of a metric, by its name."""

from __future__ import annotations

_LOWER_IS_BETTER = (
    *("loss", "mse", "rmse", "mae", "mape", "error", "deviance", "perplexity", "hinge", "huber", "pinball"),
    *("nll", "entropy", "distance", "divergence", "cost"),
)
_HIGHER_IS_BETTER = (
    *("accuracy", "auc", "f1", "precision", "recall", "score", "r2", "mcc", "correlation", "iou", "dice"),
    *("kappa", "jaccard", "similarity", "sensitivity", "specificity"),
)
_LABELS = {"auc": "AUC", "f1": "F1", "mae": "MAE", "mcc": "MCC", "r2": "R²", "rmse": "RMSE", "roc": "ROC"}
_AVERAGES = {"macro", "micro"}
_PARTS = {"train": "training", "validation": "validation", "test": "test"}
_DECLARED: dict[str, bool] = {}
"""Directions of custom metrics by name, each written once."""


def declare(name: str, higher: bool) -> bool:
    """Declare the direction of a custom metric; False if its name has the opposite one.

    >>> declare("a_figure", False), declare("a_figure", True), higher_is_better("validation.a_figure")
    (True, False, False)
    """
    return _DECLARED.setdefault(name, higher) == higher


def direction_of(name: str) -> bool | None:
    """Whether higher is better, as far as a name says it.

    >>> direction_of("my_accuracy"), direction_of("brier_score"), direction_of("my_figure")
    (True, False, None)
    """
    lower = name.lower()
    if "brier" in lower or (lower.endswith(_LOWER_IS_BETTER) and not lower.startswith("neg_")):
        return False
    return True if lower.endswith(_HIGHER_IS_BETTER) or lower.startswith("neg_") else None


def higher_is_better(name: str) -> bool:
    """Whether higher values of a curve are better, as for accuracy, F1 and R².

    >>> higher_is_better("validation.accuracy"), higher_is_better("validation.rmse")
    (True, False)
    """
    metric = name.rpartition(".")[2]
    return _DECLARED.get(metric, direction_of(metric) is not False)


def constant_of(name: str) -> str:
    """The baseline of a metric in words."""
    return "a random order" if "average_precision" in name else "always predicting the same"


def label_of(name: str) -> str:
    """A metric or a measured column as people write it.

    >>> label_of("validation.roc_auc_macro"), label_of("r2"), label_of("train.running_loss")
    ('validation ROC AUC (macro)', 'R²', 'training running loss')
    """
    part, dot, metric = name.partition(".")
    if dot and part in _PARTS:
        return f"{_PARTS[part]} {label_of(metric)}"
    words = [_LABELS.get(word, word) for word in name.split("_")]
    if words[-1] in _AVERAGES and len(words) > 1:
        words[-1] = f"({words[-1]})"
    return " ".join(words)
