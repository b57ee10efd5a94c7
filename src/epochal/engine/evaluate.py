"""Evaluation of parameters inside the compiled program."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from epochal.engine import state
from epochal.engine.mesh import ALONE, DeviceMesh
from epochal.engine.optimizers import eval_params
from epochal.engine.rules import Observation
from epochal.engine.spec import Spec
from epochal.engine.state import Cursor, RepeatState, SplitPart
from epochal.engine.update import ParamRaveler
from epochal.models import Model, Variables, as_model_input

EVALUATION_ROWS = 4096
"""Rows per forward pass, so that memory does not grow with the number of samples; a model that needs much
of it per sample has fewer (`evaluation_rows`).
"""


def forward(model: Model, variables: Variables, inputs: jax.Array, mesh: DeviceMesh = ALONE) -> jax.Array:
    """The outputs of a model for any number of rows, without dropout and with fixed running statistics.

    The rows are sharded over the mesh, the outputs replicated.
    """

    def run(rows: jax.Array) -> jax.Array:
        inputs = as_model_input(mesh.shard(mesh.replicate(rows)))
        outputs, _ = model.apply(variables, inputs, jax.random.key(0), False)
        return mesh.replicate(mesh.shard(outputs))

    samples, size = inputs.shape[0], getattr(model, "evaluation_rows", EVALUATION_ROWS)
    whole = samples // size
    if whole == 0:
        return run(inputs)

    def block(index: jax.Array) -> jax.Array:
        return run(lax.dynamic_slice_in_dim(inputs, index * size, size))

    outputs = lax.map(block, jnp.arange(whole))
    outputs = outputs.reshape(whole * size, *outputs.shape[2:])
    rest = samples - whole * size
    return jnp.concatenate([outputs, run(inputs[samples - rest :])]) if rest else outputs


def metrics_of_part(
    spec: Spec, variables: Variables, part: SplitPart, target_scale: jax.Array
) -> tuple[list[jax.Array], jax.Array]:
    """The loss and the metrics of a part (NaN for those of the host), and its outputs."""
    outputs = forward(spec.model, variables, part.inputs, spec.mesh)
    return _metric_values(spec, outputs, spec.loss(outputs, part.targets), part, target_scale), outputs


def halved(samples: int, how: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The samples of both halves of a part.

    >>> [half.tolist() for half in halved(5, "ordered")]
    [[0, 1], [2, 3, 4]]
    """
    everyone = np.arange(samples) if how == "ordered" else np.random.default_rng(0).permutation(samples)
    return np.sort(everyone[: samples // 2]), np.sort(everyone[samples // 2 :])


def _halves(spec: Spec, part: SplitPart, outputs: jax.Array, target_scale: jax.Array) -> jax.Array:
    """The monitored value on both halves of the validation samples, (2,)."""
    losses, halves = spec.loss(outputs, part.targets), halved(part.targets.shape[0], spec.halving)
    if spec.monitor_index:

        def of(rows: NDArray[np.int64]) -> jax.Array:
            weights = None if part.weights is None else part.weights[rows]
            half = SplitPart(None, part.targets[rows], weights)
            return _metric_values(spec, outputs[rows], losses[rows], half, target_scale)[spec.monitor_index]

        return jnp.stack([of(rows) for rows in halves])
    # The second half is the total minus the first.
    weights = jnp.ones_like(losses) if part.weights is None else part.weights
    first = weights * np.isin(np.arange(losses.shape[0]), halves[0]).astype(np.float32)
    summed, weighed = (losses * first).sum(), first.sum()
    return jnp.stack([summed / weighed, ((losses * weights).sum() - summed) / (weights.sum() - weighed)])


def _metric_values(
    spec: Spec, outputs: jax.Array, losses: jax.Array, part: SplitPart, target_scale: jax.Array
) -> list[jax.Array]:
    weights = jnp.ones_like(losses) if part.weights is None else part.weights
    metrics = [(losses * weights).sum() / weights.sum()]
    for metric in spec.metrics:
        if metric.host:
            metrics.append(jnp.float32(jnp.nan))
            continue
        scored, targets = outputs, part.targets
        if metric.in_target_units:
            scale = target_scale if targets.ndim > 1 else target_scale[0]
            scored, targets = outputs.reshape(targets.shape) * scale, targets * scale
        metrics.append(jnp.asarray(metric.function(scored, targets, spec.classes, jnp), jnp.float32))
    return metrics


def evaluate_step(
    spec: Spec,
    raveler: ParamRaveler,
    repeat_state: RepeatState,
    parts: tuple[SplitPart, ...],
    target_scale: jax.Array,
    cursor: Cursor,
    epoch: jax.Array,
) -> tuple[RepeatState, jax.Array, jax.Array]:
    """Evaluate one repeat: (repeat with best parameters and status, values, was it active)."""
    variables = Variables(
        raveler.unravel(eval_params(repeat_state.optimizer, repeat_state.params)), repeat_state.model
    )
    metrics, halves = list[jax.Array](), None
    for name, part in zip(spec.parts, parts, strict=True):
        found, outputs = metrics_of_part(spec, variables, part, target_scale)
        metrics += found
        if name == "validation" and spec.halving:
            halves = _halves(spec, part, outputs, target_scale)
    return decide(spec, repeat_state, metrics, halves, cursor, epoch)


def decide(
    spec: Spec,
    repeat_state: RepeatState,
    metrics: Sequence[jax.Array] | jax.Array,
    halves: jax.Array | None,
    cursor: Cursor,
    epoch: jax.Array,
) -> tuple[RepeatState, jax.Array, jax.Array]:
    """Update best parameters and status from the parts' values: (repeat, all values, was it active).

    The monitored metric decides which parameters are the best; a stopped repeat is unchanged.
    `halves` has it on both halves of the validation samples, (2,), read with `spec.halving`.
    """
    active = repeat_state.status == state.RUNNING
    diverged = repeat_state.diverged_index >= 0
    moving = jnp.where(
        diverged | (cursor.samples_used == 0), jnp.nan, repeat_state.running_loss / cursor.samples_used
    )
    metrics = [moving, *metrics]
    columns = dict(zip(spec.metric_names, metrics, strict=True))

    losses = jnp.stack([columns[f"{name}.loss"] for name in spec.parts])
    finite = jnp.isfinite(losses).all()
    value = spec.sign * columns[spec.monitor]
    better = active & ~diverged & finite & (value < repeat_state.best_value)
    rule, wants_to_stop = spec.rule.step(repeat_state.rule, Observation(epoch, columns))

    best_halves = repeat_state.halves
    if spec.halving and halves is not None:
        values, best = spec.sign * halves, spec.sign * best_halves.diagonal()
        chosen = (
            active & ~diverged & finite & jnp.isfinite(values) & ~(values >= best)
        )  # NaN before the first
        best_halves = jnp.where(chosen[:, None], halves, best_halves)

    status = jnp.where(wants_to_stop, state.RULE, state.RUNNING)
    status = jnp.where(finite, status, state.DIVERGED_EVALUATION)
    status = jnp.where(diverged, state.DIVERGED_UPDATE, status)

    def choose(where: jax.Array, new: object, old: object) -> object:
        return jax.tree.map(lambda a, b: jnp.where(where, a, b), new, old)

    evaluated = repeat_state._replace(
        best_params=choose(
            better, eval_params(repeat_state.optimizer, repeat_state.params), repeat_state.best_params
        ),
        best_model=choose(better, repeat_state.model, repeat_state.best_model),
        best_value=jnp.where(better, value, repeat_state.best_value),
        best_pass=jnp.where(better, cursor.pass_index, repeat_state.best_pass),
        best_index=jnp.where(better, cursor.index, repeat_state.best_index),
        halves=best_halves,
        rule=choose(active, rule, repeat_state.rule),
        running_loss=jnp.zeros_like(repeat_state.running_loss),
        running_rest=jnp.zeros_like(repeat_state.running_rest),
        status=jnp.where(active, status, repeat_state.status).astype(jnp.int32),
    )
    return evaluated, jnp.stack(metrics), active
