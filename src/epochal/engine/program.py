"""The compiled training loop.

A whole training is one `while` loop. An iteration evaluates if that is due, then makes the updates up to the
next evaluation, the end of the pass or the limit of the call, in one inner loop for each segment of equally
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
    Cursor,
    Evaluations,
    Limits,
    PerRepeat,
    RepeatState,
    SplitPart,
    TrainState,
)
from epochal.engine.update import ParamRaveler, make_update_step
from epochal.models import PyTree, Variables

MAX_EVALUATIONS_PER_CALL = 1024
"""Most evaluations in one call."""


def over_repeats(n_repeats: int, function: Callable[..., Any], axes: tuple[Any, ...]) -> Callable[..., Any]:
    """`jax.vmap` over the leading axes, or a plain call for one repeat."""
    if n_repeats > 1:
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
    raveler = ParamRaveler(spec, variables.params)
    params = raveler.ravel(variables.params)
    rate = spec.optimizer.learning_rate
    nothing = jnp.int32(-1)
    return RepeatState(
        params=params,
        optimizer=spec.optimizer.with_rate(1.0 if rate is None else rate).init(params),
        model=variables.state,
        best_params=params,
        best_model=variables.state,
        best_value=jnp.float32(jnp.inf),
        best_pass=jnp.int32(0),
        best_index=jnp.int32(0),
        halves=jnp.full((2 if spec.halving else 0, 2), jnp.nan, jnp.float32),
        rule=spec.rule.init(),
        running_loss=jnp.float32(0),
        running_rest=jnp.float32(0),
        diverged_pass=nothing,
        diverged_index=nothing,
        status=jnp.int32(RUNNING),
    )


def make_call(
    spec: Spec, shapes: Variables, same_samples: bool
) -> Callable[[TrainState, PerRepeat, tuple[SplitPart, ...], Limits], tuple[TrainState, Evaluations]]:
    """The function of one call: (train_state, per_repeat, parts, limits) -> (train_state, evaluations).

    `same_samples` is whether all repeats share the samples, so that parts have no axis of repeats.
    """
    layout, n_repeats, by_updates = spec.layout, spec.n_repeats, spec.evaluate_unit == "updates"
    raveler = ParamRaveler(spec, shapes.params)
    of_part = None if same_samples else 0
    step = make_update_step(spec, raveler)

    def one_update(
        repeat_state: RepeatState,
        per_repeat: PerRepeat,
        train: SplitPart,
        samples: jax.Array,
        cursor: Cursor,
        index: jax.Array,
    ) -> RepeatState:
        count = cursor.update + (index - cursor.index)
        return step(
            repeat_state,
            train,
            per_repeat.dropout_keys,
            cursor.pass_index,
            index,
            per_repeat.rates,
            count,
            samples,
        )

    update_all = over_repeats(n_repeats, one_update, (0, 0, of_part, 0, None, None))
    evaluate_all = over_repeats(
        n_repeats, functools.partial(evaluate_step, spec, raveler), (0, of_part, 0, None, None)
    )
    order_all = over_repeats(
        n_repeats,
        lambda words, pass_index, arrays: layout.order.table(
            words, pass_index, layout.samples, jnp, lax.while_loop, arrays
        ),
        (0, None, 0),
    )

    def table(per_repeat: PerRepeat, cursor: Cursor) -> jax.Array:
        """Samples at the positions of a pass, (repeats, positions); with carry, the next pass's follow."""
        pass_index = cursor.pass_index.astype(jnp.uint32)
        samples = order_all(per_repeat.order, pass_index, per_repeat.order_arrays)
        if layout.carry:
            samples = jnp.concatenate(
                [samples, order_all(per_repeat.order, pass_index + 1, per_repeat.order_arrays)], axis=1
            )
        if layout.continues_order:
            samples = jnp.roll(samples, -cursor.start, axis=1)
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
        repeat_states: RepeatState,
        per_repeat: PerRepeat,
        train: SplitPart,
        order: jax.Array,
        cursor: Cursor,
        stop: jax.Array,
    ) -> RepeatState:
        """The updates of one pass from `cursor.index` to `stop`."""

        def body(
            size: int, begin: Any, first: int, index: jax.Array, repeat_states: RepeatState
        ) -> RepeatState:
            samples = lax.dynamic_slice_in_dim(order, begin + (index - first) * size, size, axis=1)
            return update_all(repeat_states, per_repeat, train, samples, cursor, index)

        base, first = (cursor.start if layout.carry else jnp.int32(0)), 0
        for count, size in layout.segments:
            low, high = cursor.index, stop
            if not layout.carry:
                low, high = jnp.clip(low, first, first + count), jnp.clip(high, first, first + count)
            repeat_states = lax.fori_loop(
                low, high, functools.partial(body, size, base, first), repeat_states
            )
            base, first = base + count * size, first + count
        diverged = (repeat_states.diverged_index >= 0) & (repeat_states.diverged_pass < 0)
        return repeat_states._replace(
            diverged_pass=jnp.where(diverged, cursor.pass_index, repeat_states.diverged_pass)
        )

    def samples_in(low: jax.Array, high: jax.Array) -> jax.Array:
        """Samples in the batches `low` to `high` of a pass."""
        if layout.carry:
            return (high - low) * layout.segments[0][1]
        total, first = jnp.int32(0), 0
        for count, size in layout.segments:
            total += (jnp.clip(high, first, first + count) - jnp.clip(low, first, first + count)) * size
            first += count
        return total

    def active(repeat_states: RepeatState) -> jax.Array:
        return (repeat_states.status == RUNNING) & (repeat_states.diverged_index < 0)

    def call(
        train_state: TrainState, per_repeat: PerRepeat, parts: tuple[SplitPart, ...], limits: Limits
    ) -> tuple[TrainState, Evaluations]:
        by_name = dict(zip(("train", "validation"), parts, strict=False))
        train = by_name["train"]
        evaluated_parts = tuple(by_name[name] for name in spec.parts)

        def evaluate(
            cursor: Cursor, repeat_states: RepeatState, evaluations: Evaluations
        ) -> tuple[Cursor, RepeatState, Evaluations]:
            per = jnp.maximum(limits.per_epoch, 1)
            epoch = jnp.where(
                limits.per_epoch > 0,
                cursor.update // per + cursor.update % per / per,
                cursor.pass_index + cursor.index / batches(cursor.start),
            )
            repeat_states, metrics, active = evaluate_all(
                repeat_states, evaluated_parts, per_repeat.target_scale, cursor, epoch.astype(jnp.float32)
            )
            evaluations = Evaluations(
                count=evaluations.count + 1,
                pass_index=evaluations.pass_index.at[evaluations.count].set(cursor.pass_index),
                index=evaluations.index.at[evaluations.count].set(cursor.index),
                active=evaluations.active.at[evaluations.count].set(active),
                values=evaluations.values.at[evaluations.count].set(metrics),
            )
            return cursor.evaluated(), repeat_states, evaluations

        def finished(cursor: Cursor) -> jax.Array:
            return (cursor.pass_index == limits.end_pass) & (cursor.index == limits.end_index)

        def body(loop_state: PyTree) -> PyTree:
            cursor, repeat_states, evaluations, order, order_pass, updates_left = loop_state
            if not spec.host_metrics:
                cursor, repeat_states, evaluations = lax.cond(
                    cursor.eval_due, evaluate, lambda *same: same, cursor, repeat_states, evaluations
                )
            order = lax.cond(
                order_pass == cursor.pass_index, lambda: order, lambda: table(per_repeat, cursor)
            )
            order_pass = cursor.pass_index
            in_pass = batches(cursor.start)
            stop = jnp.minimum(in_pass, cursor.index + updates_left)
            stop = jnp.where(cursor.pass_index == limits.end_pass, jnp.minimum(stop, limits.end_index), stop)
            if by_updates:
                stop = jnp.minimum(stop, cursor.index + cursor.until_eval)
            stop = jnp.where(active(repeat_states).any(), stop, cursor.index)
            repeat_states = run_updates(repeat_states, per_repeat, train, order, cursor, stop)
            unseen = ~active(repeat_states).any() & (repeat_states.status == RUNNING).any()
            # If the last active repeats diverged meanwhile, the call ends at the diverged update.
            here = jnp.where(
                repeat_states.diverged_pass == cursor.pass_index, repeat_states.diverged_index, -1
            ).max()
            stop = jnp.where(unseen, here + 1, stop)

            done = stop - cursor.index
            ended = stop == in_pass
            until = cursor.until_eval - (done if by_updates else ended.astype(jnp.int32))
            samples = cursor.samples_since_eval + samples_in(cursor.index, stop).astype(jnp.uint32)
            overflow = (samples < cursor.samples_since_eval).astype(jnp.uint32)
            following = Cursor(
                pass_index=jnp.where(ended, cursor.pass_index + 1, cursor.pass_index),
                index=jnp.where(ended, 0, stop),
                start=jnp.where(ended, next_start(cursor.start), cursor.start),
                until_eval=jnp.where(until <= 0, limits.eval_interval, until),
                eval_due=cursor.eval_due,
                update=cursor.update + done,
                samples_since_eval=samples,
                samples_since_eval_high=cursor.samples_since_eval_high + overflow,
            )
            due = (done > 0) & (until <= 0) | unseen
            return (
                following._replace(eval_due=due),
                repeat_states,
                evaluations,
                order,
                order_pass,
                updates_left - done,
            )

        def going(loop_state: PyTree) -> jax.Array:
            cursor, repeat_states, evaluations, _, _, updates_left = loop_state
            more = (updates_left > 0) & ~finished(cursor) & active(repeat_states).any()
            if spec.host_metrics:
                return more & ~cursor.eval_due
            return (evaluations.count < MAX_EVALUATIONS_PER_CALL) & (cursor.eval_due | more)

        evaluations = Evaluations(
            count=jnp.int32(0),
            pass_index=jnp.zeros(MAX_EVALUATIONS_PER_CALL, jnp.int32),
            index=jnp.zeros(MAX_EVALUATIONS_PER_CALL, jnp.int32),
            active=jnp.zeros((MAX_EVALUATIONS_PER_CALL, n_repeats), bool),
            values=jnp.zeros((MAX_EVALUATIONS_PER_CALL, n_repeats, len(spec.metric_names)), jnp.float32),
        )
        positions = layout.positions * (2 if layout.carry else 1)
        order = jnp.zeros((n_repeats, positions), jnp.int32)
        loop_state = (
            train_state.cursor,
            train_state.repeat_states,
            evaluations,
            order,
            jnp.int32(-1),
            limits.updates,
        )
        cursor, repeat_states, evaluations, _, _, _ = lax.while_loop(going, body, loop_state)
        return TrainState(cursor, repeat_states), evaluations

    return call
