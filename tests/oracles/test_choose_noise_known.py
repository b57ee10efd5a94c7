"""Oracle: cases whose noise scale is known in closed form, and the figures of a known noisy quadratic."""

from __future__ import annotations

import functools
import runpy
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from choice_fixtures import two_batch_moments
from epochal.choose.statistics import noise_measurement
from epochal.choose.statistics.hyperbola import fit_hyperbola
from epochal.choose.statistics.noise_measurement import block_sums, during, over_training
from epochal.choose.statistics.noise_scale import BlockSums, NoiseScale
from epochal.models import LOSSES, model_from_functions
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare

EXAMPLE = Path(__file__).parents[2] / "examples" / "noisy_quadratic.py"
LINE = model_from_functions(lambda key, sample: jnp.zeros(sample.shape), lambda w, x: x @ w)
SQUARED = LOSSES["squared_error"].function


@functools.cache
def example():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


def blocks_of(gradients, blocks=16):
    """(samples, parameters) gradients, as the measurement keeps them."""
    parts = np.array_split(gradients, blocks)
    totals = np.array([part.sum(axis=0) for part in parts])
    sizes = np.array([len(part) for part in parts])
    return BlockSums(sizes, np.array([(part**2).sum() for part in parts]), totals @ totals.T)


# A linear model: (x·w - y)², y = x·v + σ e, x and e standard normal. With δ = w - v the gradient of a sample
# is 2x(x·δ - σe), its mean 2δ, and E‖g‖² = 4((d + 2)‖δ‖² + σ² d), by the fourth moments of the normal.
D, SIGMA, SAMPLES, DRAWS = 6, 0.8, 64, 600
DELTA = np.linspace(0.1, 0.4, D)
NORM = 4 * float(DELTA @ DELTA)
TRACE = 4 * ((D + 2) * float(DELTA @ DELTA) + SIGMA**2 * D) - NORM


@functools.cache
def linear_draws():
    """Moments of many draws: from single gradients, and from batches of 4 and of 64 of the same samples."""
    random = np.random.default_rng(1)
    variables = ep.Variables(jnp.asarray(DELTA, jnp.float32), ())
    single, double = [], []
    for draw in range(DRAWS):
        inputs = random.normal(size=(SAMPLES, D)).astype(np.float32)
        targets = (SIGMA * random.normal(size=SAMPLES)).astype(np.float32)
        sums = block_sums(LINE, SQUARED, variables, inputs, targets, key=jax.random.key(draw))
        moments = sums.parts
        single.append((moments.trace, moments.squared_norm))
        small = float(np.diag(sums.gram).mean()) / 4**2
        double.append(two_batch_moments(4, SAMPLES, small, float(sums.gram.sum()) / SAMPLES**2))
    return np.array(single), np.array(double)


@pytest.mark.parametrize("form", [0, 1])
def test_both_forms_are_unbiased_for_a_linear_model(form):
    found = linear_draws()[form]
    error = found.std(axis=0, ddof=1) / np.sqrt(DRAWS)
    assert (error < [0.02 * TRACE, 0.05 * NORM]).all()
    assert (np.abs(found.mean(axis=0) - [TRACE, NORM]) < 4 * error).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_gradients_written_out_by_hand(weighted):
    random = np.random.default_rng(2)
    inputs, targets = random.normal(size=(100, D)), random.normal(size=100)
    weights = random.uniform(0.1, 2, 100) if weighted else np.ones(100)
    gradients = 2 * (inputs @ DELTA - targets)[:, None] * inputs * weights[:, None]
    sums = block_sums(
        LINE,
        SQUARED,
        ep.Variables(jnp.asarray(DELTA, jnp.float32), ()),
        inputs.astype(np.float32),
        targets.astype(np.float32),
        weights.astype(np.float32) if weighted else None,
        key=jax.random.key(0),
    )
    whole = blocks_of(gradients).parts
    assert sums.parts.trace == pytest.approx(whole.trace, rel=1e-5)
    assert sums.parts.squared_norm == pytest.approx(whole.squared_norm, rel=1e-4)


def drawn(seed, samples, scale, spectrum):
    """Normal gradients with covariance diag(spectrum) and that noise scale; no signal if it is infinite."""
    norm = spectrum.sum() / scale
    signal = np.sqrt(norm / len(spectrum)) * np.ones(len(spectrum))
    gradients = np.random.default_rng(seed).normal(size=(samples, len(spectrum))) * np.sqrt(spectrum)
    return blocks_of(signal + gradients).noise_scale()


FLAT, STEEP = np.ones(40), 1 / np.arange(1.0, 101)
SEEDS = 300


@pytest.mark.parametrize(
    ("samples", "scale", "spectrum"),
    [(512, 10, FLAT), (512, 100, FLAT), (512, 400, FLAT), (512, 50, STEEP), (64, 20, FLAT), (40, 10, FLAT)],
)
def test_intervals_cover_the_noise_scale_as_often_as_they_say(samples, scale, spectrum):
    found = [drawn(seed, samples, scale, spectrum) for seed in range(SEEDS)]
    values = [one for one in found if one.value is not None]
    covered = np.mean([one.low <= scale <= one.high for one in values])
    assert len(values) > 0.7 * SEEDS
    assert 0.9 <= covered <= 0.99
    assert np.mean([one.low <= scale for one in found]) >= 0.9


@pytest.mark.parametrize(("samples", "spectrum"), [(512, FLAT), (512, STEEP), (64, FLAT), (512, np.ones(3))])
def test_pure_noise_is_hardly_ever_given_a_value(samples, spectrum):
    found = [drawn(seed, samples, np.inf, spectrum) for seed in range(SEEDS)]
    assert np.mean([one.value is not None for one in found]) <= 0.02


def test_a_signal_far_below_the_noise_gives_a_bound_and_no_value():
    found = [drawn(seed, 256, 5000, FLAT) for seed in range(SEEDS)]
    assert np.mean([one.value is None for one in found]) >= 0.95
    assert np.mean([one.low <= 5000 for one in found]) >= 0.95
    assert np.median([one.low for one in found]) > 100


@pytest.mark.parametrize(("repeats", "growth"), [(3, 0.0), (5, 0.0), (3, 2.0)])
def test_intervals_over_trainings_cover_the_median_of_all_seeds(monkeypatch, repeats, growth):
    """Each seed shifts the noise scale by 30 %, each measurement is off by 10 %."""
    monkeypatch.setattr(noise_measurement, "RESAMPLES", 100)
    trend, covered = 5 + np.linspace(0, growth, 9), []
    for seed in range(120):
        random = np.random.default_rng(seed)
        shifts = 0.3 * random.normal(size=(repeats, 1)) + 0.1 * random.normal(size=(repeats, 9))
        rows = [
            [
                NoiseScale(value, value / 1.237, value * 1.237, 1.0, 1 / value, 512)
                for value in np.exp(row).tolist()
            ]
            for row in trend + shifts
        ]
        found = over_training(rows)
        covered.append(found.low <= np.exp(np.median(trend)) <= found.high)
    assert np.mean(covered) >= 0.9


def test_the_closed_form_is_that_of_the_update_written_out():
    quadratic = example()
    curvature, rate, size = quadratic.CURVATURE, 0.7, 4
    moments = np.ones(quadratic.DIMENSIONS)
    for updates in range(6):
        first, second = quadratic.second_moments([updates], [rate])
        np.testing.assert_allclose((first + second / size)[0], moments, rtol=1e-10)
        first, second = quadratic.losses([updates], [rate])
        assert first[0] + second[0] / size == pytest.approx(float(curvature @ moments) / 2)
        moments = (1 - rate * curvature) ** 2 * moments + rate**2 * curvature / size


def test_no_update_reaches_the_target_before_the_bisected_one():
    """Every update in turn, at every rate, for batch sizes from 16 on."""
    quadratic = example()
    target = 0.1 * quadratic.START
    updates, rates = quadratic.min_updates(target)
    first_there = np.full(len(quadratic.BATCH_SIZES), np.inf)
    for done in range(1, 300):
        first, second = quadratic.losses(np.full(len(quadratic.RATES), done), quadratic.RATES)
        reached = ((first + second / quadratic.BATCH_SIZES[:, None]) <= target).any(axis=1)
        first_there = np.where(reached & np.isinf(first_there), done, first_there)
    np.testing.assert_array_equal(first_there[4:], updates[4:])
    for size, done, rate in zip(quadratic.BATCH_SIZES, updates, rates, strict=True):
        for turn, wanted in ((done, True), (done - 1, False)):
            first, second = quadratic.losses([turn], [rate])
            assert (first[0] + second[0] / size <= target) == wanted


@pytest.mark.parametrize(
    ("share", "steps", "critical"), [(0.1, 98.5, 31.3), (0.03, 255.8, 76.8), (0.01, 433.7, 196.9)]
)
def test_the_noisy_quadratic_has_its_known_critical_batch_size(share, steps, critical):
    quadratic = example()
    updates, _ = quadratic.min_updates(share * quadratic.START)
    curve = fit_hyperbola(quadratic.BATCH_SIZES, updates)
    assert curve.minimal_steps == pytest.approx(steps, rel=0.05)
    assert curve.critical_batch_size == pytest.approx(critical, rel=0.05)
    if share == 0.1:
        assert updates[[0, 4, 6, 10]].tolist() == [3324, 273, 145, 103]


@pytest.mark.parametrize(("updates", "rate"), [(0, 1.4), (20, 1.4), (120, 1.4), (60, 0.2)])
def test_the_measured_noise_scale_of_the_quadratic_is_the_known_one(updates, rate):
    quadratic = example()
    first, second = quadratic.second_moments([updates], [rate])
    moments = (first + second / 32)[0]
    known = quadratic.noise_scale(moments)
    found = [quadratic.measured_noise_scale(moments, seed) for seed in range(8)]
    assert np.median([one.value for one in found]) == pytest.approx(known, rel=0.15)
    assert sum(one.low <= known <= one.high for one in found) >= 6


def test_digits_have_a_noise_scale_of_hundreds_late_in_training():
    """The published figure for MNIST is 900 (McCandlish et al. 2018); digits are fewer and smaller."""
    options = {"batch_size": 32, "epochs": 4, "learning_rate": 0.1, "optimizer": "sgd"}
    rows = []
    for seed in range(2):
        prepared = prepare(ep.MLP(32), "example:digits", Settings(**{**options, "seed": seed}))
        stack = make_stack(prepared, range(1), fixed_updates_per_call=20)
        rows.append([])
        while not stack.done:
            rows[-1] += during(stack)
            stack.advance()
        rows[-1] += during(stack)
    print(*rows, sep="\n")
    found = over_training(rows)
    assert all(10 < row[0].value < 100 for row in rows)
    assert 100 < found.value < 3000
    assert found.low < found.value < found.high


def test_the_example_prints_its_figures(capsys):
    example().main()
    said = capsys.readouterr().out
    for figures in ("critical batch size 31.3", "fewest updates 98.5", "critical batch size 76.8"):
        assert figures in said
