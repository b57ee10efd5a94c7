"""Law 3, Mean: an update whose gradient is added up over micro-batches is the update of the whole batch.

Ragged ends, weights, every optimizer, repeats in step, samples that lie on several devices; and what a
micro-batch is chosen by: memory.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import epochal as ep
from epochal.engine.gradient import gradient, micro_batches
from epochal.engine.memory import program_bytes
from epochal.engine.optimizers import OPTIMIZERS, Optimizer
from epochal.engine.program import init_repeat_state
from epochal.engine.schedules import Schedule
from epochal.engine.state import SplitPart
from epochal.engine.update import ParamRaveler, make_update_step
from epochal.settings import Settings
from epochal.training import loop as driving
from epochal.training.describe import notes_of
from epochal.training.prepare import prepare
from epochal.training.repeat_stacks import RepeatStacks
from helpers import assert_close, assert_same_bits

POOL, BATCH, MICRO, UPDATES = 64, 53, 8, 4
RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(POOL, 3)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RANDOM.normal(size=POOL) > 0).astype(np.int32)
WEIGHTS = RANDOM.uniform(0.1, 2.0, POOL).astype(np.float32)


def the_part():
    """All of them as the engine takes them."""
    return jax.tree.map(jnp.asarray, SplitPart(X, Y, WEIGHTS))


def prepared_for(model=None, data=(X, Y), **options):
    return prepare(
        ep.MLP(4, activation="tanh") if model is None else model,
        data,
        Settings(**{"metrics": (), "seed": 3, "validation": 0, **options}),
    )


@given(st.integers(1, 10**6), st.none() | st.integers(1, 10**6))
def test_pieces_hold_each_sample_once_and_only_the_last_is_smaller(size, most):
    cut = micro_batches(size, most)
    assert sum(count * each for count, each in cut) == size
    assert all(count >= 1 and each >= 1 for count, each in cut) and len(cut) <= 2
    if most is not None and most < size:
        assert cut[0][1] == most and all((count, each < most) == (1, True) for count, each in cut[1:])
    else:
        assert cut == ((1, size),)


def moved(optimizer, micro_batch, part, spec):
    """Parameters after a few updates of a batch of 53 with weights, by `micro_batch` at most."""
    named = OPTIMIZERS[optimizer]
    chosen = Optimizer(optimizer, elementwise=named.elementwise, learning_rate=named.learning_rate)
    spec = replace(spec, optimizer=chosen, micro_batch=micro_batch)
    variables = spec.model.init(jax.random.key(1), part.inputs[0])
    step = make_update_step(spec, ParamRaveler(spec, variables.params))
    rates = Schedule().rates(named.learning_rate, UPDATES)

    def body(index, repeat):
        samples = jnp.arange(BATCH) + 3 * index  # 53 of the 64, others in each update
        return step(repeat, part, jax.random.key(0), 0, index, rates, index, samples)

    return jax.lax.fori_loop(0, UPDATES, body, init_repeat_state(spec, variables)).params


def test_every_optimizer_moves_as_with_the_whole_batch():
    part = the_part()
    spec = prepared_for(ep.MLP()).spec  # one layer, so that 34 of them are compiled in little time
    wanted, found = jax.jit(
        lambda part: [[moved(name, most, part, spec) for name in OPTIMIZERS] for most in (None, MICRO)]
    )(part)
    for name, one, other in zip(OPTIMIZERS, found, wanted, strict=True):
        assert_close(one, other, 1e-5)
        start = jax.tree.leaves(start_of(name, spec))
        assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(jax.tree.leaves(one), start, strict=True)), name


def start_of(optimizer, spec):
    """The parameters before the first update, as that optimizer keeps them."""
    chosen = Optimizer(optimizer, elementwise=OPTIMIZERS[optimizer].elementwise, learning_rate=1.0)
    spec = replace(spec, optimizer=chosen)
    variables = spec.model.init(jax.random.key(1), X[0])
    return ParamRaveler(spec, variables.params).ravel(variables.params)


def test_a_mean_of_means_would_be_another_update():
    """Negative control: the ragged end of 5 must not count as much as the 8 of a full micro-batch."""
    spec = prepared_for(ep.MLP()).spec
    variables = spec.model.init(jax.random.key(1), X[0])
    part, key, samples = the_part(), jax.random.key(0), np.arange(BATCH)

    def slope(micro_batch, samples):
        of_batch = gradient(replace(spec, micro_batch=micro_batch))
        return of_batch(variables.params, variables.state, part, samples, key)

    @jax.jit
    def all_of_them():
        cut = [slope(None, samples[begin : begin + MICRO])[1] for begin in range(0, BATCH, MICRO)]
        mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *cut)
        rows = slope(MICRO, None), slope(None, np.arange(POOL))
        return slope(None, samples), slope(MICRO, samples), mean, rows

    whole, in_pieces, mean, rows = all_of_them()
    assert_close(in_pieces, whole, 1e-6)
    with pytest.raises(AssertionError):
        assert_close(mean, whole[1], 1e-4)
    assert_close(*rows, 1e-6)


def test_the_state_passes_from_one_micro_batch_to_the_next_and_each_has_a_key():
    spec = replace(prepared_for(ep.MLP(4, batch_norm=True, dropout=0.3)).spec, micro_batch=MICRO)
    params, state = spec.model.init(jax.random.key(1), X[0])
    key, samples, part = jax.random.key(5), np.arange(20)[::-1].copy(), the_part()
    (loss, last), slope = jax.jit(gradient(spec))(params, state, part, samples, key)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def total(params, state, rows, key):
        outputs, state = spec.model.apply(ep.Variables(params, state), part.inputs[rows], key, True)
        return (spec.loss(outputs, part.targets[rows]) * part.weights[rows]).sum(), state

    losses, slopes = [], []
    for number, rows in enumerate((samples[:8], samples[8:16], samples[16:])):
        own = jax.random.fold_in(key, number)
        (one, state), found = jax.jit(total)(params, state, rows, own)
        losses.append(one)
        slopes.append(found)
    assert float(loss) == pytest.approx(float(sum(losses)) / 20, rel=1e-6)
    assert_close(last, state, 1e-6)
    assert_close(slope, jax.tree.map(lambda *leaves: sum(leaves) / 20, *slopes), 1e-6)


def test_a_micro_batch_as_large_as_the_batch_is_the_same_program():
    plain = prepared_for(batch_size=12)
    assert prepared_for(batch_size=12, micro_batch=12).spec == plain.spec
    assert prepared_for(batch_size=12, micro_batch=10**9).spec == plain.spec
    assert prepared_for(batch_size=12, micro_batch=11).spec == replace(plain.spec, micro_batch=11)
    assert prepared_for(batch_size="full", micro_batch=POOL - 1).spec.micro_batch == POOL - 1


def test_neither_the_length_of_calls_nor_company_means_anything():
    options = {"batch_size": 23, "micro_batch": 5, "epochs": 4, "repeats": 2, "vary": ("init", "order")}
    prepared = prepared_for(ep.MLP(), **options)
    ends = []
    for budget in (None, 1):
        stack = driving.make_stack(prepared, range(2), fixed_updates_per_call=budget)
        while not stack.done:
            stack.advance()
        ends.append(jax.tree.map(np.asarray, stack.train_state))
    assert_same_bits(ends[1], ends[0])
    whole = driving.make_stack(prepared_for(ep.MLP(), **{**options, "micro_batch": None}), range(2))
    while not whole.done:
        whole.advance()
    assert_close(ends[0].repeat_states.params, whole.train_state.repeat_states.params, 1e-5)


DEVICES = """
    import jax, numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    from epochal.engine.optimizers import OPTIMIZERS
    from epochal.engine.state import SplitPart
    import epochal as ep
    from test_micro_batches import MICRO, WEIGHTS, X, Y, moved, prepared_for
    assert len(jax.devices()) == 2
    rows = NamedSharding(Mesh(jax.devices(), ("data",)), PartitionSpec("data"))
    spread = jax.tree.map(lambda leaf: jax.device_put(leaf, rows), SplitPart(X, Y, WEIGHTS))
    names, spec = tuple(OPTIMIZERS), prepared_for(ep.MLP()).spec
    over = jax.jit(lambda part: [moved(name, MICRO, part, spec) for name in names])(spread)
    here = jax.jit(lambda part: [moved(name, None, part, spec) for name in names])(SplitPart(X, Y, WEIGHTS))
    pairs = zip(jax.tree.leaves(over), jax.tree.leaves(here), strict=True)
    print(len(names), max(float(np.abs(np.asarray(one) - np.asarray(other)).max()) for one, other in pairs))
"""


@pytest.mark.slow
def test_samples_on_two_devices_change_nothing():
    here = [path for path in sys.path if path]
    code = f"import sys; sys.path[:0] = {here!r}\n" + "\n".join(line[4:] for line in DEVICES.splitlines())
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )
    count, difference = done.stdout.split()[-2:]
    assert int(count) == len(OPTIMIZERS) and float(difference) < 1e-5


# What is chosen --------------------------------------------------------------------------------------------


def sized(monkeypatch, need, free, samples=POOL, **options):
    """What "auto" chooses where a micro-batch needs what a function says; which of them were compiled."""
    asked = []

    def make(prepared, repeats, data=None, devices=()):
        asked.append(prepared.spec.micro_batch or prepared.plan.segments[0][1])
        return asked[-1]

    monkeypatch.setattr(driving, "make_stack", make)
    monkeypatch.setattr(driving, "_needs", lambda size: [need(size)])
    monkeypatch.setattr(driving, "bytes_available", lambda: free)
    data = (np.resize(X, (samples, 3)), np.resize(Y, samples))
    prepared = prepared_for(data=data, micro_batch="auto", **options)
    return prepared, driving.micro_batched(prepared), asked


def test_auto_is_the_whole_batch_where_it_fits(monkeypatch):
    prepared, found, asked = sized(monkeypatch, lambda size: 70 * size, 1000, batch_size=12)
    assert found is prepared and prepared.spec.micro_batch is None and asked == [12]


@pytest.mark.parametrize("ragged", [0, 10])
def test_auto_is_the_largest_that_fits_in_equal_parts_and_says_why(monkeypatch, ragged):
    def need(size):
        return 1000 + 70 * size + ragged * (5000 % size > 0)  # a ragged end may need more

    _, found, asked = sized(monkeypatch, need, 100_000, samples=5000, batch_size="full")
    most = (90_000 - 1000) // 70  # 1271, which makes 4 micro-batches
    assert found.spec.micro_batch == 1250 and -(-5000 // most) == 4
    assert need(1250) <= 90_000 and len(asked) <= 7
    assert notes_of(found) == (
        "micro-batches of 1,250 samples: a whole batch of 5,000 needs about 350 kB and 100 kB are free",
    )


def test_auto_is_chosen_for_the_stack_with_the_most_repeats(monkeypatch):
    """Groups of devices may have repeats in step of different numbers."""
    prepared, measured = prepared_for(batch_size=12, micro_batch="auto", repeats=5), []
    stacks = RepeatStacks((range(1), range(1, 2), range(2, 3), range(3, 5)), ((),) * 4, 8)
    monkeypatch.setitem(vars(prepared), "stacks", stacks)
    monkeypatch.setattr(driving, "make_stack", lambda cut, repeats, **_: measured.append(repeats))
    monkeypatch.setattr(driving, "_needs", lambda stack: [1])
    driving.micro_batched(prepared)
    assert measured == [range(3, 5)]


def test_auto_takes_what_was_seen_to_fit_where_equal_parts_do_not(monkeypatch):
    def need(size):
        return 70 * size + 50_000 * (size == 1250)

    _, found, asked = sized(monkeypatch, need, 100_000, samples=5000, batch_size="full")
    assert found.spec.micro_batch in asked and found.spec.micro_batch != 1250
    assert need(found.spec.micro_batch) <= 90_000


def test_where_not_even_one_sample_fits_training_is_refused(monkeypatch):
    with pytest.raises(ep.Refusal, match=r"one sample at a time, which needs about 5 kB; 10 bytes are free"):
        sized(monkeypatch, lambda size: 5000 * size, 10)


def test_micro_batches_take_less_memory():
    data = (np.tile(X, (32, 1)), np.tile(Y, 32))
    options = {"batch_size": "full", "validation": 0.05, "evaluate_train": False}
    whole, cut = (
        program_bytes(
            driving.make_stack(prepared_for(ep.MLP(256), data, micro_batch=most, **options), range(1))
        )
        for most in (None, 128)
    )
    assert whole > 2048 * 256 * 4 * 0.9 and cut < 0.5 * whole, (whole, cut)


@pytest.mark.parametrize("bad", [0, -1, 2.5, "half", True])
def test_a_micro_batch_that_means_nothing_is_refused(bad):
    with pytest.raises(ep.Refusal, match='micro_batch must be a whole number, at least 1, or "auto"'):
        Settings(micro_batch=bad)


def test_a_comparison_wants_a_number():
    with pytest.raises(ep.Refusal, match="micro_batch must be a number where settings are compared"):
        ep.compare(ep.MLP(4), (X, Y), batch_size=[8, 16], micro_batch="auto", epochs=1)


def test_batch_normalization_in_pieces_is_said_before_training():
    model = ep.MLP(4, batch_norm=True)
    (note,) = notes_of(prepared_for(model, batch_size=16, micro_batch=8))
    assert note == "batch normalization sees micro-batches of 8 samples, not whole batches"
    ragged = notes_of(prepared_for(model, batch_size=17, micro_batch=8))
    assert ragged[1].startswith("batch normalization sees a micro-batch of 1 sample in each epoch")
    assert notes_of(prepared_for(batch_size=16, micro_batch=8)) == ()
