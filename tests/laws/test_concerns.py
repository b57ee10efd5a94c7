"""Law 6, Evidence: what matters more than the shape of a curve is said first."""

import numpy as np

import epochal as ep

GROUPS = np.repeat(np.arange(12), 10)


def trained(**options):
    random = np.random.default_rng(0)
    data = random.normal(size=(120, 3)), random.normal(size=120)
    return ep.fit(ep.MLP(2), *data, order=ep.Groups(GROUPS), epochs=2, repeats=2, progress=False, **options)


def test_groups_on_both_sides_of_a_random_split_are_the_first_concern():
    (concern,) = trained().verdict.concerns
    assert concern.startswith(
        "Leakage suspected: the order has groups, which a random split puts on both sides"
    )
    assert 'split="groups" keeps each on one' in concern
    assert not trained(split="groups").verdict.concerns


def test_one_repeat_never_surely_beats_a_naive_forecast():
    """It has no interval: a gain above zero may be luck, in which it is in half of all cases."""
    random = np.random.default_rng(1)
    for seed in range(3):
        data = ep.windows(random.normal(size=(120, 1)), lags=4)
        verdict = ep.fit(ep.MLP(4), data, epochs=5, seed=seed, progress=False).verdict
        assert any("does not surely beat" in concern for concern in verdict.concerns)
