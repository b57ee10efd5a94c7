"""The gradient noise scale of a model, at a point or along a training.

The gradient of one sample is that of its weighted loss, in training mode, with its own key, so noise from
dropout counts as in training. The noise scale applies to plain gradients. It says little about optimizers
that rescale them (Adam), and is undefined with batch normalization, where a single sample has no gradient. At
equal loss it is the larger, the smaller the learning rate was (up to three times on digits), so it should be
measured along a training with a tuned one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from epochal.choose.statistics.noise_scale import BlockSums, NoiseScale
from epochal.curves.statistics import Floats, Ints, t_factor
from epochal.engine.repeat_stack import RepeatStack
from epochal.engine.update import ParamRaveler
from epochal.errors import Refusal
from epochal.models import Loss, Model, PyTree, Variables, as_model_input, model_input_dtype, shapes_of

BLOCKS = 16  # blocks of the jackknife: enough for its error, and few enough that their sums are kept at once
HELD_NUMBERS = 2**22  # numbers of per-sample gradients that are in memory at once

HALF_WIDTH = 2.131449545559323
"""Half the interval of one measurement in standard errors: t(0.975, 15), of 16 blocks."""

RESAMPLES = 2000  # bootstrap samples of an interval over trainings


def check_separable(model: Model, sample_shape: tuple[int, ...], dtype: Any = np.float32) -> None:
    """Refuse a model whose loss of one sample depends on the other samples of the batch, or on state.

    Tested by evaluation: another second sample must not change the outputs of the first, and a batch must
    not change the state.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    if model_input_dtype(dtype) == np.int32:
        inputs = jnp.zeros((2, *sample_shape), jnp.int32)
        others = inputs.at[1].set(1)
    else:
        inputs = jax.random.normal(keys[0], (2, *sample_shape))
        others = inputs.at[1].set(3 - 5 * inputs[1])
    variables = model.init(keys[1], inputs[0])
    first, state = model.apply(variables, inputs, keys[2], True)
    second, _ = model.apply(variables, others, keys[2], True)
    one, other = np.asarray(first)[0], np.asarray(second)[0]
    before, after = jax.tree.leaves(variables.state), jax.tree.leaves(state)
    if not np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True):
        why = "'s output for a sample depends on the other samples of its batch"
    elif len(before) != len(after) or not all(map(np.array_equal, before, after)):
        why = " keeps state from batch to batch"
    else:
        return
    raise Refusal(
        f"the noise scale needs a gradient of each sample alone, and this model{why}: leave batch "
        "normalization and the like out, or choose the batch size by training at several (the noise scale is "
        "then not used)."
    )


def block_sums(
    model: Model,
    loss: Loss,
    variables: Variables,
    inputs: Any,
    targets: Any,
    weights: Any = None,
    *,
    key: jax.Array,
    blocks: int = BLOCKS,
) -> BlockSums:
    """Sums over the gradients of single samples, in blocks of a random order; compiled once for each shape.

    Memory: the summed gradient of each block, and single ones of about four million numbers at a time.

    The model passes `check_separable`. Inputs, targets and weights (mean 1 over the training samples) have
    one row a sample; the key is that of the order and of each sample's dropout. There are at least 2 blocks.

    >>> import jax, jax.numpy as jnp
    >>> from epochal.models import LOSSES, Variables, model_from_functions
    >>> line = model_from_functions(lambda key, sample: jnp.zeros(sample.shape), lambda w, x: x @ w)
    >>> x = jax.random.normal(jax.random.key(0), (512, 3))
    >>> y = x @ jnp.ones(3) + jax.random.normal(jax.random.key(1), (512,))
    >>> squared = LOSSES["squared_error"].function  # at w = 0: tr(Σ)/|G|² = 60/12
    >>> sums = block_sums(line, squared, Variables(jnp.zeros(3), ()), x, y, key=jax.random.key(2))
    >>> found = sums.noise_scale()
    >>> found.low < 5 < found.high
    True
    """
    samples = inputs.shape[0]
    size = -(-samples // blocks)
    numbers = max(1, sum(leaf.size for leaf in jax.tree.leaves(variables.params)))
    chunk = max(1, min(size, HELD_NUMBERS // numbers))
    chunks = -(-size // chunk)
    chunk = -(-size // chunks)
    fits = max(1, HELD_NUMBERS // (chunk * numbers))
    together = max(count for count in range(1, blocks + 1) if blocks % count == 0 and count <= fits)

    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    order = random.permutation(samples)
    sizes = np.full(blocks, samples // blocks)
    sizes[: samples % blocks] += 1
    # Blocks of one shape: places that no sample has repeat the first one, and do not count.
    places = np.full((blocks, chunks * chunk), order[0], np.int32)
    counts = np.arange(chunks * chunk) < sizes[:, None]
    places[counts] = order
    shape = (blocks, chunks, chunk)
    sums = _summing(model, loss, together)
    squares, gram = sums(
        variables, inputs, targets, weights, places.reshape(shape), counts.reshape(shape), key
    )
    return BlockSums(sizes, np.asarray(squares, np.float64), np.asarray(gram, np.float64))


@functools.lru_cache(maxsize=16)
def _summing(model: Model, loss: Loss, together: int) -> Any:
    """The compiled function that sums gradients, that many blocks at a time."""

    def of_sample(params: PyTree, state: PyTree, inputs: Any, target: Any, weight: Any, key: Any) -> Any:
        outputs, _ = model.apply(Variables(params, state), inputs[None], key, True)
        value = loss(outputs, target[None])[0]
        return value if weight is None else value * weight

    gradients = jax.vmap(jax.grad(of_sample), in_axes=(None, None, 0, 0, 0, 0))

    @jax.jit
    def sums(
        variables: Variables, inputs: Any, targets: Any, weights: Any, places: Any, counts: Any, key: Any
    ) -> tuple[jax.Array, jax.Array]:
        inputs, targets = jnp.asarray(inputs), jnp.asarray(targets)
        weights = None if weights is None else jnp.asarray(weights)

        def add(sums: Any, chunk: Any) -> Any:
            place, count = chunk
            keys = jax.vmap(lambda one: jax.random.fold_in(key, one))(place)
            weight = None if weights is None else weights[place]
            each = gradients(*variables, as_model_input(inputs[place]), targets[place], weight, keys)
            each = jax.tree.map(
                lambda leaf: jnp.where(count.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, 0), each
            )
            square = sum((jnp.square(leaf).sum() for leaf in jax.tree.leaves(each)), jnp.zeros(()))
            total = jax.tree.map(lambda leaf: leaf.sum(axis=0), each)
            return jax.tree.map(jnp.add, sums, (square, total)), None

        def block(chunks: Any) -> Any:
            nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, variables.params))
            return lax.scan(add, nothing, chunks)[0]

        squares, totals = lax.map(block, (places, counts), batch_size=together)
        gram = jnp.zeros((places.shape[0],) * 2)
        for leaf in jax.tree.leaves(totals):
            flat = leaf.reshape(leaf.shape[0], -1)
            gram += jnp.matmul(flat, flat.T, precision=lax.Precision.HIGHEST)
        return squares, gram

    return sums


def variables_of(stack: RepeatStack) -> list[Variables]:
    """The current variables of each repeat of a stack, as the model takes them."""
    spec, inputs = stack.spec, stack.data.parts[0].inputs
    shape = inputs.shape[1:] if stack.data.same_samples else inputs.shape[2:]
    raveler = ParamRaveler(spec, shapes_of(spec.model, shape, inputs.dtype).params)
    repeat_states = stack.train_state.repeat_states
    rows = [
        jax.tree.map(lambda leaf, row=row: leaf[row], (repeat_states.params, repeat_states.model))
        for row in range(spec.n_repeats)
    ]
    return [Variables(raveler.unravel(params), state) for params, state in rows]


def during(stack: RepeatStack, *, samples: int = 1024) -> list[NoiseScale]:
    """The noise scale of each repeat of a stack at its current state, by some training samples drawn anew."""
    train, found = stack.data.parts[0], []
    for row, variables in enumerate(variables_of(stack)):
        part = train if stack.data.same_samples else jax.tree.map(lambda leaf, row=row: leaf[row], train)
        chosen: Ints = np.random.default_rng([0, stack.update, row]).permutation(part.inputs.shape[0])[
            :samples
        ]
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), stack.update % 2**32), row)
        drawn = jax.tree.map(lambda leaf, at=chosen: leaf[at], part)
        found.append(block_sums(stack.spec.model, stack.spec.loss, variables, *drawn, key=key).noise_scale())
    return found


@dataclass(frozen=True)
class NoiseOverTraining:
    """The noise scale of a training: the median of its measurements, in samples, with a 95 % interval."""

    value: float | None  # the median over all measurements; None where more than half of them have no value
    # low, high: the interval. Without a value, `low` is what is known and `high` is infinite
    low: float
    high: float
    measurements: int  # number of measurements
    abstained: int  # number of those without a value
    repeats: int  # trainings that were measured; of one, the interval knows nothing of other seeds
    reason: str = ""  # why there is no value, in one sentence; else empty

    def __str__(self) -> str:
        if self.value is None:
            return f"noise scale not known: {self.reason}"
        return (
            f"noise scale {self.value:.3g} (95 % interval {self.low:.3g}–{self.high:.3g}; median of "
            f"{self.measurements} measurements in {self.repeats} training{'' if self.repeats == 1 else 's'})"
        )


def over_training(measurements: Sequence[Sequence[NoiseScale]]) -> NoiseOverTraining:
    """Summarize measurements along several trainings, evenly spaced over each.

    The noise scale grows along a training. The median is what half of the updates were above; the ratio of
    the means over a run would be that of its first updates, whose gradients are by far the largest. A
    measurement without a value counts as large, since its gradient is lost in noise, and is left out where
    nothing is known of it.

    The interval, in logarithms, is a bootstrap at three levels: over the trainings, over the measurements of
    each, and over the error of each, which the measurements of a training share. Few trainings make a
    bootstrap too narrow, so the t interval of their medians is covered as well.

    >>> def measured(value):
    ...     return NoiseScale(value, value / 1.2, value * 1.2, trace=1.0, squared_norm=1 / value, samples=512)
    >>> print(over_training([[measured(30.0), measured(200.0), measured(500.0)] for _ in range(3)]))
    noise scale 200 (95 % interval 30.2–498; median of 9 measurements in 3 trainings)
    """
    every = [one for row in measurements for one in row]
    reasons = [one.reason for one in every if one.value is None]
    summary = functools.partial(
        NoiseOverTraining, measurements=len(every), abstained=len(reasons), repeats=len(measurements)
    )
    if 2 * len(reasons) >= len(every):
        reason = f"{len(reasons)} of {len(every)} measurements have no value; {reasons[-1]}"
        return summary(None, float(np.median([one.low for one in every])), math.inf, reason=reason)
    rows = []
    for row in measurements:
        known = [(one.value, one.low, one.high) for one in row if one.low > 0]
        if known:
            logs = [math.inf if value is None else math.log(value) for value, _, _ in known]
            errors = [0.0 if value is None else math.log(b / a) / (2 * HALF_WIDTH) for value, a, b in known]
            rows.append((np.array(logs), np.array(errors)))
    random = np.random.default_rng(0)
    drawn = [_resampled_median(rows, random) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, 0.025, method="lower"), np.quantile(drawn, 0.975, method="higher")
    medians = np.array([np.median(values) for values, _ in rows])
    if len(rows) > 1 and np.isfinite(medians).all():
        middle, half = medians.mean(), t_factor(len(rows)) * medians.std(ddof=1)
        low, high = min(low, middle - half), max(high, middle + half)
    value = np.median(np.concatenate([values for values, _ in rows]))
    return summary(*(float(np.exp(one)) for one in (value, low, high)))


def _resampled_median(rows: list[tuple[Floats, Floats]], random: np.random.Generator) -> float:
    drawn = []
    for row in random.integers(len(rows), size=len(rows)):
        values, errors = rows[row]
        places = random.integers(values.size, size=values.size)
        drawn.append(values[places] + errors[places] * random.normal())
    return float(np.median(np.concatenate(drawn)))
