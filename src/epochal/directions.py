"""Which way is a figure better?"""

from __future__ import annotations

__all__ = ["higher_is_better"]

_LOWER_IS_BETTER = ("loss", "mse", "rmse", "mae", "error", "deviance", "perplexity", "hinge", "huber")


def higher_is_better(name: str) -> bool:
    """Whether a curve is read upwards: accuracy, F1, R² are; losses and errors are not.

    >>> higher_is_better("validation.accuracy"), higher_is_better("validation.rmse")
    (True, False)
    """
    return not name.rpartition(".")[2].lower().endswith(_LOWER_IS_BETTER)
