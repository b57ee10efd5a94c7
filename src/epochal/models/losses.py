"""Losses per sample: `(outputs, targets) -> (batch,)`.

The engine takes means and applies weights of samples and classes, exactly for any batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from epochal.errors import Refusal, did_you_mean

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def log_loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross-entropy of class ids against logits, in nats.

    Args:
        outputs: logits; (batch,) or (batch, 1) for two classes, (batch, classes) for more.
        targets: class ids (batch,).

    Returns:
        (batch,) losses: -log p(target).

    >>> [round(float(x), 4) for x in log_loss(jnp.zeros((2, 1)), jnp.array([0, 1]))]
    [0.6931, 0.6931]
    """
    if outputs.ndim == 1 or outputs.shape[-1] == 1:
        logits = outputs.reshape(targets.shape[0])
        return jax.nn.softplus(logits) - targets.astype(logits.dtype) * logits
    chosen = jnp.take_along_axis(outputs, targets[:, None].astype(jnp.int32), axis=-1)[:, 0]
    return jax.nn.logsumexp(outputs, axis=-1) - chosen


def label_log_loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross-entropy of 0 and 1 against one logit for each label, in nats, the mean over the labels.

    Args:
        outputs: logits (batch, labels).
        targets: 0 and 1, (batch, labels).

    Returns:
        (batch,) losses.

    >>> [round(float(x), 4) for x in label_log_loss(jnp.zeros((1, 2)), jnp.array([[0.0, 1.0]]))]
    [0.6931]
    """
    logits = outputs.reshape(targets.shape)
    return (jax.nn.softplus(logits) - targets.astype(logits.dtype) * logits).mean(axis=-1)


def _per_sample(values: jax.Array, samples: int) -> jax.Array:
    return values.reshape(samples, -1).mean(axis=-1)


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """(output - target)², the mean over the outputs of a sample."""
    return _per_sample(jnp.square(outputs.reshape(targets.shape) - targets), targets.shape[0])


def absolute_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """|output - target|, the mean over the outputs of a sample."""
    return _per_sample(jnp.abs(outputs.reshape(targets.shape) - targets), targets.shape[0])


def huber(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Huber's loss (1964) with the corner at 1: quadratic below, linear above."""
    error = jnp.abs(outputs.reshape(targets.shape) - targets)
    return _per_sample(jnp.where(error <= 1, 0.5 * error * error, error - 0.5), targets.shape[0])


def smoothed(loss: Loss, amount: float) -> Loss:
    """A log loss whose targets are mixed with the uniform distribution (Szegedy et al. 2016, section 7).

    The target of a class is 1 - amount + amount / classes, that of the others amount / classes, as in
    PyTorch's `CrossEntropyLoss(label_smoothing=amount)`; each label counts as two classes.

    >>> float(smoothed(log_loss, 0.2)(jnp.array([[2.0, 0.0]]), jnp.array([0]))[0]).__round__(4)
    0.3269
    """
    if not amount:
        return loss

    def of_classes(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        if outputs.ndim == 1 or outputs.shape[-1] == 1:
            logits = outputs.reshape(targets.shape[0])
            return jax.nn.softplus(logits) - (targets * (1 - amount) + amount / 2) * logits
        return (1 - amount) * log_loss(outputs, targets) + amount * (
            jax.nn.logsumexp(outputs, axis=-1) - outputs.mean(axis=-1)
        )

    def of_labels(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return label_log_loss(outputs, targets * (1 - amount) + amount / 2)

    return of_labels if loss is label_log_loss else of_classes


@dataclass(frozen=True)
class NamedLoss:
    """A loss with its task kinds; for labels, `of_labels` is the function."""

    function: Loss
    tasks: tuple[str, ...] = ("regression",)
    of_labels: Loss | None = None


LOSSES: dict[str, NamedLoss] = {
    "log_loss": NamedLoss(log_loss, ("binary", "multiclass", "multilabel"), label_log_loss),
    "squared_error": NamedLoss(squared_error),
    "absolute_error": NamedLoss(absolute_error),
    "huber": NamedLoss(huber),
}


_OTHER_NAMES = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "l2": "squared_error",
    "mae": "absolute_error",
    "l1": "absolute_error",
    "smooth_l1": "huber",
    "cross_entropy": "log_loss",
    "crossentropy": "log_loss",
    "bce": "log_loss",
    "nll": "log_loss",
}
"""Names of these losses in other libraries."""


def loss_for(name: str | Loss | None, kind: str) -> tuple[str, Loss]:
    """The name and function of a loss for a kind of task; None for its default loss."""
    if callable(name):
        return getattr(name, "__name__", "custom"), name
    fitting = [known for known, loss in LOSSES.items() if kind in loss.tasks]
    chosen = name or fitting[0]
    if chosen not in LOSSES:
        raise Refusal(did_you_mean("loss", _OTHER_NAMES.get(chosen.lower(), chosen), LOSSES, given=chosen))
    if chosen not in fitting:
        raise Refusal(f'loss "{chosen}" does not fit a {kind} task; use one of: {", ".join(fitting)}.')
    loss = LOSSES[chosen]
    return chosen, loss.of_labels if kind == "multilabel" and loss.of_labels is not None else loss.function


def probabilities(outputs: Any, xp: Any) -> Any:
    """Class probabilities (n, classes) of logits (n,), (n, 1) or (n, classes); `xp` is NumPy or jax.numpy.

    >>> import numpy as np
    >>> probabilities(np.zeros((1, 1)), np)
    array([[0.5, 0.5]])
    """
    logits = outputs.reshape(outputs.shape[0], -1)
    if logits.shape[1] == 1:
        logits = xp.concatenate([xp.zeros_like(logits), logits], axis=1)
    logits = logits - logits.max(axis=1, keepdims=True)
    weights = xp.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def label_probabilities(outputs: Any, xp: Any) -> Any:
    """Probabilities (n, labels) of logits, each by itself: they need not sum to 1.

    >>> import numpy as np
    >>> label_probabilities(np.zeros((1, 2)), np)
    array([[0.5, 0.5]])
    """
    return 0.5 * (1 + xp.tanh(0.5 * outputs.reshape(outputs.shape[0], -1)))
