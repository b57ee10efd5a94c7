"""The glossary of the pages about comparisons and advice."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["GOALS", "JUDGED", "NOISE", "REGIMES", "STANDINGS", "explained", "meaning_of"]

STANDINGS = {
    "best": ("◆", "recommended"),
    "tied": ("●", "no significant difference"),
    "worse": ("○", "worse"),
    "dropped": ("✕", "given up early"),
    "broken": ("⚡", "not finite"),
}
"""A shape and words for each standing, so that meaning does not depend on color."""

REGIMES = {
    "batch": (
        "batch gradient descent",
        "All training samples form one batch: one smooth, exact update an epoch, and so few updates.",
    ),
    "mini-batch": (
        "mini-batch gradient descent",
        "Some samples form a batch: many updates an epoch, and the machine still works on many samples at "
        "once.",
    ),
    "stochastic": (
        "stochastic gradient descent",
        "Each sample is a batch of its own: the most updates an epoch, each of them cheap and rough.",
    ),
}
"""The three regimes by the first word of their names."""

JUDGED = (
    (
        "Compared in pairs.",
        "Repeat 1 of every setting had the same split, start and order, and so had repeat 2, and so on. So "
        "the settings are compared repeat by repeat, and luck that all of them share cancels out.",
    ),
    (
        "The 95 % interval.",
        "It is the range of values that fit what was measured. If the whole experiment were done again and "
        "again, such ranges would hold the true mean 19 times of 20.",
    ),
    (
        "Many comparisons, and several looks.",
        "Comparing many settings, or looking again and again, finds some difference by luck alone. So the "
        "more settings and looks there are, the clearer a difference must be: of comparisons of equal "
        "settings at most 1 in 50 names any as worse. The intervals of differences hold together, with a "
        "confidence of 98 %.",
    ),
    (
        "P(better).",
        "It is the share of repeats in which a setting beat the best one. 50 % is a draw; a difference "
        "matters in practice when the better one wins more than 3 of 4 times.",
    ),
    (
        "No significant difference, or practically the same.",
        "No significant difference does not say that settings are equal: these repeats cannot tell, more "
        "may. Practically the same does: the whole interval of the difference is within the margin, the "
        "smallest difference that matters: by default a fifth of the standard deviation over repeats.",
    ),
)

NOISE = (
    (
        "What a gradient is.",
        "Each sample of a batch says in which direction the network should change to do better on that "
        "sample. The average over the batch is the direction of the update.",
    ),
    (
        "What the noise scale is.",
        "Samples disagree, so a small batch gives a rough direction, and a larger one a better direction. "
        "The gradient noise scale is the number of samples at which what they disagree in is as large as "
        "what they agree on: much smaller batches waste updates, much larger ones waste samples.",
    ),
    (
        "How theory turns it into a batch size.",
        "A larger batch needs fewer updates, but each of them takes longer. From the noise scale and the "
        "measured time of an update follows the batch size at which the product of the two is least.",
    ),
    (
        "Why it is not the last word.",
        "The noise grows during training, and the theory is about plain gradient descent with a well-tuned "
        "learning rate. So it only says where to begin, and short trainings are measured where it may be "
        "wrong.",
    ),
)

GOALS = {
    "time": ("time to the target", "least time until the network is as good as the best", "fastest"),
    "samples": (
        "samples to the target",
        "fewest samples until the network is as good as the best",
        "one with the fewest samples",
    ),
    "updates": (
        "updates to the target",
        "fewest updates until the network is as good as the best",
        "one with the fewest updates",
    ),
    "quality": ("quality reached", "best quality on held-out samples", "best"),
}
"""For each goal: the name of its price, what is minimized, and the advised value."""


_MEANINGS = {
    "loss": "how wrong the network is",
    "accuracy": "the share that the network gets right",
    "balanced_accuracy": "the share that the network gets right, each class counting the same",
    "r2": "the share of the variance that the network explains",
    "mae": "how far off the network is on average",
    "rmse": "how far off the network is, counting large errors more,",
}


def meaning_of(column: str) -> str:
    """The meaning of a column in plain words; empty if unknown.

    >>> meaning_of("validation.loss")
    'how wrong the network is on samples that it did not learn from'
    """
    part, _, metric = column.partition(".")
    known = _MEANINGS.get(metric, "")
    on = "samples that it did not learn from" if part == "validation" else "the samples that it learned from"
    return f"{known} on {on}" if known else ""


def explained(words: Sequence[tuple[str, str]]) -> str:
    """A list of terms with their meaning."""
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in words)
    return f"<dl>{rows}</dl>"
