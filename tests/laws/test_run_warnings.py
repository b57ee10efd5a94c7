"""Law 6, Evidence: what matters more than the shape of a curve is said first."""

import numpy as np
import pytest
from scipy import stats

import epochal as ep
from epochal.runs.metrics import few_samples

GROUPS = np.repeat(np.arange(12), 10)


def trained(**options):
    random = np.random.default_rng(0)
    data = random.normal(size=(120, 3)), random.normal(size=120)
    return ep.fit(ep.MLP(2), *data, order=ep.Groups(GROUPS), epochs=2, repeats=2, progress=False, **options)


def test_groups_on_both_sides_of_a_random_split_are_the_first_warning():
    (warning,) = trained().verdict.warnings
    assert warning.startswith(
        "Leakage suspected: the order has groups, which a random split puts on both sides"
    )
    assert '`split="groups"` keeps each on one' in warning
    assert not trained(split="groups").verdict.warnings


def test_one_repeat_never_surely_beats_a_naive_forecast():
    """It has no interval: a gain above zero may be luck, in which it is in half of all cases."""
    random = np.random.default_rng(1)
    for seed in range(3):
        data = ep.load_windows(random.normal(size=(120, 1)), window=4)
        verdict = ep.fit(ep.MLP(4), data, epochs=5, seed=seed, progress=False).verdict
        doubts = (
            "The forecast does not beat the last value",
            "One repeat cannot tell whether the forecast beats",
        )
        assert any(warning.startswith(doubts) for warning in verdict.warnings)


NOISE = {
    "normal": lambda random, size: random.normal(size=size),
    "uniform": lambda random, size: random.uniform(-2, 2, size),
    "Laplace": lambda random, size: random.laplace(size=size),
    "lognormal": lambda random, size: random.lognormal(size=size),
}


@pytest.mark.parametrize("samples", [100, 200, 1000])
def test_few_samples_that_make_half_of_the_error_are_found_and_others_are_not(samples):
    """Of 1,000 tables: never of normal or uniform noise, in 4 % of Laplace's, by a binomial at 1 %."""
    random, count = np.random.default_rng(samples), {}
    for kind, noise in NOISE.items():
        tables = (noise(random, (samples, 1)) for _ in range(1000))
        count[kind] = sum(
            few_samples(one, np.full((samples, 1), one.mean()), 1) is not None for one in tables
        )
    assert count["normal"] == count["uniform"] == 0, count
    assert count["Laplace"] <= stats.binom.isf(0.01, 1000, 0.04), count
    assert count["lognormal"] >= 680, count


def test_a_run_says_that_few_samples_make_its_error():
    """Five tables of each kind, whose targets are half signal."""
    options = {"epochs": 10, "learning_rate": 0.01, "repeats": 2, "progress": False}
    said = dict.fromkeys(("normal", "lognormal"), 0)
    for kind in said:
        for table in range(5):
            random = np.random.default_rng(table)
            inputs = random.normal(size=(1000, 2))
            targets = inputs[:, 0] + NOISE[kind](random, 1000)
            run = ep.fit(ep.MLP(4), inputs, targets, **options)
            said[kind] += (
                "of 200 validation samples make half of the squared error: the" in run.metric_warning
            )
    assert said["normal"] == 0 and said["lognormal"] >= 4, said
