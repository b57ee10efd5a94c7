"""The compiled training loop.

The whole fold is one `while` loop. Each iteration evaluates if that is due, then makes the updates up to the
next evaluation, the end of the epoch or the limit of the call, in one inner loop for each segment of equally
sized batches. Where a call ends has no influence on what is computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from epochal.engine.evaluate import evaluate_step
from epochal.engine.spec import Spec
from epochal.engine.state import (
    RUNNING,
    Evaluations,
    Limits,
    PerRepeat,
    Position,
    RepeatState,
    SplitPart,
    TrainState,
)
from epochal.engine.update import Packing, make_update_step
from epochal.models import PyTree, Variables

EVALUATION_SLOTS = 1024
"""Most evaluations in one call."""


def over_repeats(repeats: int, function: Callable[..., Any], axes: tuple[Any, ...]) -> Callable[..., Any]:
    """`jax.vmap` over the leading axes, or a plain call for one repeat."""
    if repeats > 1:
        return jax.vmap(function, in_axes=axes)

    def single(*arguments: Any) -> Any:
        bare = [
            argument if axis is None else jax.tree.map(lambda leaf: leaf[0], argument)
            for argument, axis in zip(arguments, axes, strict=True)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*bare))

    return single


def init_repeat_state(spec: Spec, variables: Variables) -> RepeatState:
    """The state of a repeat before its first update."""
    packed = Packing(spec, variables.params)
    params = packed.pack(variables.params)
    rate = spec.optimizer.learning_rate
    nothing = jnp.int32(-1)
    return RepeatState(
        params=params,
        optimizer=spec.optimizer.with_rate(1.0 if rate is None else rate).init(params),
        model=variables.state,
        best_params=params,
        best_model=variables.state,
        best_value=jnp.float32(jnp.inf),
        best_epoch=jnp.int32(0),
        best_index=jnp.int32(0),
        halves=jnp.full((2 if spec.halving else 0, 2), jnp.nan, jnp.float32),
        rule=spec.rule.init(),
        running_loss=jnp.float32(0),
        running_rest=jnp.float32(0),
        broken_epoch=nothing,
        broken_index=nothing,
        status=jnp.int32(RUNNING),
    )


def make_call(
    spec: Spec, shapes: Variables, same_samples: bool
) -> Callable[[TrainState, PerRepeat, tuple[SplitPart, ...], Limits], tuple[TrainState, Evaluations]]:
    """The function of one call: (train_state, per_repeat, parts, limits) -> (train_state, evaluations).

    `same_samples` is whether all repeats share the samples, so that parts have no axis of repeats.
    """
    layout, repeats, by_updates = spec.layout, spec.repeats, spec.evaluate_unit == "updates"
    packed = Packing(spec, shapes.params)
    of_part = None if same_samples else 0
    step = make_update_step(spec, packed)

    def one_update(
        repeat: RepeatState,
        per_repeat: PerRepeat,
        train: SplitPart,
        samples: jax.Array,
        position: Position,
        index: jax.Array,
    ) -> RepeatState:
        count = position.update + (index - position.index)
        return step(
            repeat, train, per_repeat.dropout_keys, position.epoch, index, per_repeat.rates, count, samples
        )

    update_all = over_repeats(repeats, one_update, (0, 0, of_part, 0, None, None))
    evaluate_all = over_repeats(
        repeats, functools.partial(evaluate_step, spec, packed), (0, of_part, 0, None, None)
    )
    order_all = over_repeats(
        repeats,
        lambda words, epoch, arrays: layout.order.table(
            words, epoch, layout.samples, jnp, lax.while_loop, arrays
        ),
        (0, None, 0),
    )

    def table(per_repeat: PerRepeat, position: Position) -> jax.Array:
        """Samples at the positions of an epoch, (repeats, positions); with carry, the next epoch's follow."""
        epoch = position.epoch.astype(jnp.uint32)
        samples = order_all(per_repeat.order, epoch, per_repeat.order_arrays)
        if layout.carry:
            samples = jnp.concatenate(
                [samples, order_all(per_repeat.order, epoch + 1, per_repeat.order_arrays)], axis=1
            )
        if layout.continues_order:
            samples = jnp.roll(samples, -position.start, axis=1)
        return samples

    def batches(start: jax.Array) -> jax.Array:
        if not layout.carry:
            return jnp.int32(layout.batches)
        size = layout.segments[0][1]
        return (layout.positions - start + size - 1) // size

    def next_start(start: jax.Array) -> jax.Array:
        if layout.carry:
            size = layout.segments[0][1]
            return (start + size - layout.positions % size) % size
        if layout.continues_order:
            left = layout.positions - layout.used
            return jnp.where(start >= left, start - left, start + layout.used)
        return start

    def run_updates(
        repeat: RepeatState,
        per_repeat: PerRepeat,
        train: SplitPart,
        order: jax.Array,
        position: Position,
        stop: jax.Array,
    ) -> RepeatState:
        """The updates of one epoch from `position.index` to `stop`."""

        def body(size: int, begin: Any, first: int, index: jax.Array, repeat: RepeatState) -> RepeatState:
            samples = lax.dynamic_slice_in_dim(order, begin + (index - first) * size, size, axis=1)
            return update_all(repeat, per_repeat, train, samples, position, index)

        base, first = (position.start if layout.carry else jnp.int32(0)), 0
        for count, size in layout.segments:
            low, high = position.index, stop
            if not layout.carry:
                low, high = jnp.clip(low, first, first + count), jnp.clip(high, first, first + count)
            repeat = lax.fori_loop(low, high, functools.partial(body, size, base, first), repeat)
            base, first = base + count * size, first + count
        broke = (repeat.broken_index >= 0) & (repeat.broken_epoch < 0)
        return repeat._replace(broken_epoch=jnp.where(broke, position.epoch, repeat.broken_epoch))

    def samples_in(low: jax.Array, high: jax.Array) -> jax.Array:
        """Samples in the batches `low` to `high` of an epoch."""
        if layout.carry:
            return (high - low) * layout.segments[0][1]
        total, first = jnp.int32(0), 0
        for count, size in layout.segments:
            total += (jnp.clip(high, first, first + count) - jnp.clip(low, first, first + count)) * size
            first += count
        return total

    def active(repeats_: RepeatState) -> jax.Array:
        return (repeats_.status == RUNNING) & (repeats_.broken_index < 0)

    def call(
        train_state: TrainState, per_repeat: PerRepeat, parts: tuple[SplitPart, ...], limits: Limits
    ) -> tuple[TrainState, Evaluations]:
        by_name = dict(zip(("train", "validation"), parts, strict=False))
        train = by_name["train"]
        evaluated_parts = tuple(by_name[name] for name in spec.parts)

        def evaluate(
            position: Position, state: RepeatState, evaluations: Evaluations
        ) -> tuple[Position, RepeatState, Evaluations]:
            per = jnp.maximum(limits.per_epoch, 1)
            epoch = jnp.where(
                limits.per_epoch > 0,
                position.update // per + position.update % per / per,
                position.epoch + position.index / batches(position.start),
            )
            state, metrics, running = evaluate_all(
                state, evaluated_parts, per_repeat.target_scale, position, epoch.astype(jnp.float32)
            )
            evaluations = Evaluations(
                count=evaluations.count + 1,
                epoch=evaluations.epoch.at[evaluations.count].set(position.epoch),
                index=evaluations.index.at[evaluations.count].set(position.index),
                running=evaluations.running.at[evaluations.count].set(running),
                values=evaluations.values.at[evaluations.count].set(metrics),
            )
            return position.evaluated(), state, evaluations

        def finished(position: Position) -> jax.Array:
            return (position.epoch == limits.end_epoch) & (position.index == limits.end_index)

        def body(carry: PyTree) -> PyTree:
            position, state, evaluations, order, order_epoch, updates_left = carry
            if not spec.host_metrics:
                position, state, evaluations = lax.cond(
                    position.eval_due, evaluate, lambda *same: same, position, state, evaluations
                )
            order = lax.cond(
                order_epoch == position.epoch, lambda: order, lambda: table(per_repeat, position)
            )
            order_epoch = position.epoch
            in_epoch = batches(position.start)
            stop = jnp.minimum(in_epoch, position.index + updates_left)
            stop = jnp.where(position.epoch == limits.end_epoch, jnp.minimum(stop, limits.end_index), stop)
            if by_updates:
                stop = jnp.minimum(stop, position.index + position.until_eval)
            stop = jnp.where(active(state).any(), stop, position.index)
            state = run_updates(state, per_repeat, train, order, position, stop)
            unseen = ~active(state).any() & (state.status == RUNNING).any()
            # If the last running repeats broke meanwhile, the call ends at the broken update.
            here = jnp.where(state.broken_epoch == position.epoch, state.broken_index, -1).max()
            stop = jnp.where(unseen, here + 1, stop)

            done = stop - position.index
            ended = stop == in_epoch
            until = position.until_eval - (done if by_updates else ended.astype(jnp.int32))
            samples = position.samples_since_eval + samples_in(position.index, stop).astype(jnp.uint32)
            overflow = (samples < position.samples_since_eval).astype(jnp.uint32)
            moved = Position(
                epoch=jnp.where(ended, position.epoch + 1, position.epoch),
                index=jnp.where(ended, 0, stop),
                start=jnp.where(ended, next_start(position.start), position.start),
                until_eval=jnp.where(until <= 0, limits.eval_interval, until),
                eval_due=position.eval_due,
                update=position.update + done,
                samples_since_eval=samples,
                samples_since_eval_high=position.samples_since_eval_high + overflow,
            )
            due = (done > 0) & (until <= 0) | unseen
            return moved._replace(eval_due=due), state, evaluations, order, order_epoch, updates_left - done

        def going(carry: PyTree) -> jax.Array:
            position, state, evaluations, _, _, updates_left = carry
            more = (updates_left > 0) & ~finished(position) & active(state).any()
            if spec.host_metrics:
                return more & ~position.eval_due
            return (evaluations.count < EVALUATION_SLOTS) & (position.eval_due | more)

        evaluations = Evaluations(
            count=jnp.int32(0),
            epoch=jnp.zeros(EVALUATION_SLOTS, jnp.int32),
            index=jnp.zeros(EVALUATION_SLOTS, jnp.int32),
            running=jnp.zeros((EVALUATION_SLOTS, repeats), bool),
            values=jnp.zeros((EVALUATION_SLOTS, repeats, len(spec.metric_names)), jnp.float32),
        )
        positions = layout.positions * (2 if layout.carry else 1)
        order = jnp.zeros((repeats, positions), jnp.int32)
        carry = (train_state.position, train_state.repeats, evaluations, order, jnp.int32(-1), limits.updates)
        position, state, evaluations, _, _, _ = lax.while_loop(going, body, carry)
        return TrainState(position, state), evaluations

    return call
