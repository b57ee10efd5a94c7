"""Law: the noise scale is a property of the samples' gradients, whatever way their sums are taken."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import epochal as ep
from choice_fixtures import two_batch_moments
from epochal.choose.statistics import noise_measurement
from epochal.choose.statistics.noise_scale import BlockSums, NoiseScale, noise_parts
from epochal.engine.state import SplitPart
from epochal.engine.update import ParamRaveler
from epochal.models import LOSSES, model_from_functions, shapes_of
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from helpers import assert_same_bits

LOG_LOSS = LOSSES["log_loss"].function
law = settings(max_examples=60, deadline=None, derandomize=True)


def sums_of(gradients, blocks=16):
    """What is kept of gradients (samples, parameters), by definition."""
    parts = np.array_split(gradients, blocks)
    totals = np.array([part.sum(axis=0) for part in parts])
    sizes = np.array([len(part) for part in parts])
    return BlockSums(sizes, np.array([(part**2).sum() for part in parts]), totals @ totals.T)


def moments_of(gradients):
    """tr(Σ) and |G|² straight from the covariance matrix."""
    covariance, mean = np.cov(gradients, rowvar=False), gradients.mean(axis=0)
    trace = float(np.trace(np.atleast_2d(covariance)))
    return trace, float(mean @ mean) - trace / len(gradients)


def measured(value, width=1.3, reason=""):
    if value is None:
        return NoiseScale(None, 2000.0, math.inf, 1.0, 0.0, 512, reason or "lost in noise.")
    return NoiseScale(value, value / width, value * width, 1.0, 1 / value, 512)


@law
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 8), st.floats(0.01, 100))
def test_two_batches_of_one_and_all_equal_the_per_sample_form(seed, samples, parameters, mean):
    gradients = np.random.default_rng(seed).normal(mean, 1, (samples, parameters))
    squares = float((gradients**2).sum(axis=1).mean())
    of_mean = float((gradients.mean(axis=0) ** 2).sum())
    single = noise_parts(squares, of_mean, samples)
    double = two_batch_moments(1, samples, squares, of_mean)
    scale = 1e-9 * max(1.0, squares)
    assert (single.trace, single.squared_norm) == pytest.approx(double, rel=1e-9, abs=scale)
    assert (single.trace, single.squared_norm) == pytest.approx(moments_of(gradients), rel=1e-9, abs=scale)


@law
@given(st.integers(0, 2**32), st.integers(20, 90), st.integers(1, 8))
def test_leaving_a_block_out_is_not_having_its_samples(seed, samples, parameters):
    gradients = np.random.default_rng(seed).normal(0.3, 1, (samples, parameters))
    sums, parts = sums_of(gradients), np.array_split(gradients, 16)
    assert (sums.parts.trace, sums.parts.squared_norm) == pytest.approx(moments_of(gradients), abs=1e-9)
    for block in (0, 7, 15):
        rest = np.concatenate(parts[:block] + parts[block + 1 :])
        found = sums.without(block)
        assert (found.trace, found.squared_norm) == pytest.approx(moments_of(rest), abs=1e-9)


@law
@given(st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_the_noise_scale_has_no_unit_of_the_gradient(seed, unit):
    gradients = np.random.default_rng(seed).normal(0.5, 1, (64, 5))
    one, other = sums_of(gradients).noise_scale(), sums_of(gradients * unit).noise_scale()
    assert one.value is not None
    assert other.value == pytest.approx(one.value, rel=1e-6)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-6)
    assert other.trace == pytest.approx(one.trace * unit**2, rel=1e-6)


def problem(samples=83, dropout=0.0):
    random = np.random.default_rng(5)
    model = ep.MLP(6, activation="tanh", outputs=3, dropout=dropout)
    inputs = random.normal(size=(samples, 4)).astype(np.float32)
    targets = random.integers(3, size=samples).astype(np.int32)
    weights = random.uniform(0.2, 2, samples).astype(np.float32)
    return model, model.init(jax.random.key(3), jnp.zeros(4)), inputs, targets, weights / weights.mean()


def test_the_mean_of_single_gradients_is_the_gradient_of_an_update():
    model, variables, inputs, targets, weights = problem()

    def objective(params):
        outputs, _ = model.apply(ep.Variables(params, variables.state), inputs, jax.random.key(0), True)
        return (LOG_LOSS(outputs, targets) * weights).mean()

    whole = jax.tree.leaves(jax.grad(objective)(variables.params))
    sums = noise_measurement.block_sums(
        model, LOG_LOSS, variables, inputs, targets, weights, key=jax.random.key(1)
    )
    assert sums.gram.sum() / 83**2 == pytest.approx(float(sum((leaf**2).sum() for leaf in whole)), rel=1e-4)


@pytest.mark.parametrize("held", [1, 100, 700, 5000])
def test_how_many_gradients_are_held_at_once_changes_nothing(monkeypatch, held):
    model, variables, *samples = problem()
    wanted = noise_measurement.block_sums(model, LOG_LOSS, variables, *samples, key=jax.random.key(1))
    monkeypatch.setattr(noise_measurement, "HELD_NUMBERS", held)
    found = noise_measurement.block_sums(model, LOG_LOSS, variables, *samples, key=jax.random.key(1))
    np.testing.assert_array_equal(found.sizes, [6] * 3 + [5] * 13)
    np.testing.assert_allclose(found.squares, wanted.squares, rtol=1e-4)
    np.testing.assert_allclose(found.gram, wanted.gram, rtol=1e-4, atol=1e-4)


def test_the_order_of_the_samples_is_drawn():
    """Samples may come sorted by class; in their own order each block would have a class of its own."""
    model, variables, inputs, targets, _ = problem(samples=320)
    sort = np.argsort(targets)
    found = [
        noise_measurement.block_sums(
            model, LOG_LOSS, variables, inputs[sort], targets[sort], key=jax.random.key(seed)
        )
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(found[0].gram, found[1].gram)
    assert not np.array_equal(found[0].gram, found[2].gram)
    assert found[0].parts.trace == pytest.approx(found[2].parts.trace, rel=1e-4)
    assert found[0].parts.squared_norm == pytest.approx(found[2].parts.squared_norm, rel=1e-3)


def test_dropout_is_part_of_the_noise():
    model, variables, *samples = problem(samples=160, dropout=0.5)
    plain = problem(samples=160)[0]
    with_, without = (
        noise_measurement.block_sums(one, LOG_LOSS, variables, *samples, key=jax.random.key(1)).parts
        for one in (model, plain)
    )
    assert with_.trace > 1.1 * without.trace
    again = noise_measurement.block_sums(model, LOG_LOSS, variables, *samples, key=jax.random.key(1)).parts
    assert again == with_


@law
@given(
    st.lists(st.lists(st.floats(1, 1e5), min_size=1, max_size=9), min_size=1, max_size=5),
    st.floats(0.1, 10),
)
def test_over_training_is_the_median_and_its_interval_has_it(monkeypatch_resamples, values, unit):
    rows = [[measured(value) for value in row] for row in values]
    found = noise_measurement.over_training(rows)
    middle = np.exp(np.median(np.log([value for row in values for value in row])))
    assert found.value == pytest.approx(middle)
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert (found.repeats, found.measurements, found.abstained) == (len(rows), sum(map(len, rows)), 0)
    scaled = noise_measurement.over_training([[measured(value * unit) for value in row] for row in values])
    assert (scaled.low, scaled.high) == pytest.approx((found.low * unit, found.high * unit), rel=1e-6)


@pytest.fixture(scope="module")
def monkeypatch_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise_measurement, "RESAMPLES", 60)
        yield


def test_measurements_without_a_value_count_as_large():
    rows = [[measured(value) for value in (10.0, 30.0, 100.0, None, None)] for _ in range(3)]
    found = noise_measurement.over_training(rows)
    assert found.value == pytest.approx(100.0)
    assert found.high == math.inf
    more = noise_measurement.over_training([[*row, measured(None)] for row in rows])
    assert more.value is None
    assert (more.abstained, more.measurements) == (9, 18)
    assert "9 of 18" in more.reason
    assert more.low > 0
    assert "not known" in str(more)


def test_trainings_that_differ_widen_the_interval():
    same = noise_measurement.over_training([[measured(100.0)] * 5] * 3)
    apart = noise_measurement.over_training([[measured(value)] * 5 for value in (50.0, 100.0, 200.0)])
    assert apart.high / apart.low > 3 * same.high / same.low
    growing = noise_measurement.over_training(
        [[measured(value) for value in (10.0, 30.0, 100.0, 300.0, 1000.0)]] * 3
    )
    assert growing.high / growing.low > 1.5 * same.high / same.low


def stack_of(repeats, vary=("split", "init", "order")):
    options = {
        "batch_size": 16,
        "epochs": 3,
        "learning_rate": 0.05,
        "optimizer": "sgd",
        "repeats": repeats,
        "vary": vary,
    }
    prepared = prepare(ep.MLP(8), "example:iris", Settings(**options))
    return make_stack(prepared, range(repeats), fixed_updates_per_call=7), prepared


@pytest.mark.parametrize("vary", [("split", "init", "order"), ("init",)])
def test_what_a_stack_has_learned_is_measured_and_left_as_it_was(vary):
    stack, prepared = stack_of(2, vary)
    other, _ = stack_of(2, vary)
    stack.advance()
    other.advance()
    before = jax.tree.map(np.asarray, stack.train_state)
    found, again = noise_measurement.during(stack, samples=64), noise_measurement.during(stack, samples=64)
    assert found == again
    assert [one.samples for one in found] == [64, 64]
    assert_same_bits(stack.train_state, before)
    stack.advance()
    other.advance()
    assert_same_bits(stack.train_state, other.train_state)

    raveler = ParamRaveler(stack.spec, shapes_of(stack.spec.model, prepared.dataset.shape).params)
    for row, variables in enumerate(noise_measurement.variables_of(stack)):
        assert_same_bits(raveler.ravel(variables.params), stack.train_state.repeat_states.params[row])


def test_each_repeat_of_a_stack_is_measured_on_its_own_samples():
    stack, prepared = stack_of(2)
    found = noise_measurement.during(stack, samples=10_000)
    for row, variables in enumerate(noise_measurement.variables_of(stack)):
        part: SplitPart = prepared.part(row, "train")
        wanted = noise_measurement.block_sums(
            stack.spec.model, stack.spec.loss, variables, *part, key=jax.random.key(0)
        ).noise_scale()
        assert found[row].samples == prepared.part_size("train")
        assert found[row].trace == pytest.approx(wanted.trace, rel=1e-3)
        assert found[row].squared_norm == pytest.approx(wanted.squared_norm, rel=1e-3)


def test_a_program_is_compiled_once_for_all_measurements():
    traced = []

    def apply(params, inputs):
        traced.append(1)
        return inputs @ params

    line = model_from_functions(lambda key, sample: jnp.zeros((4, 3)), apply)
    _, _, inputs, targets, weights = problem()
    counts = set()
    for seed in range(3):
        variables = ep.Variables(jnp.full((4, 3), float(seed)), ())
        noise_measurement.block_sums(
            line, LOG_LOSS, variables, inputs, targets, weights, key=jax.random.key(seed)
        ).noise_scale()
        counts.add(len(traced))
    assert len(counts) == 1
