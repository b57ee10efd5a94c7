"""Oracle: logistic regression in NumPy, fed with the plan of each repeat, for orders that look at samples.

Each repeat has a split of its own, so what the order knows of the training samples is its own, too; a run
read back from its folder must name the same batches.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.engine import compiler
from epochal.runs import load_record

RANDOM = np.random.default_rng(12)
ROWS, RATE = 40, 0.3
X = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RANDOM.normal(size=ROWS) > 0.6).astype(np.int64)
WEIGHTS = RANDOM.uniform(0.1, 3.0, ROWS)
WHO = RANDOM.integers(0, 7, ROWS)


def start(key, sample):
    return {"slope": jnp.zeros(sample.size), "level": jnp.zeros(())}


def logit(params, inputs):
    return (inputs @ params["slope"] + params["level"])[:, None]


ORDERS = {
    "stratified": ("stratified", (X, Y)),
    "balanced": ("balanced", (X, Y)),
    "weighted": ("weighted", (X, Y, WEIGHTS)),
    "groups": (ep.Groups(WHO), (X, Y)),
}


@functools.cache
def trained(name):
    order, data = ORDERS[name]
    return ep.fit(
        (start, logit),
        data,
        order=order,
        batch_size=8,
        epochs=3,
        repeats=2,
        validation=0.25,
        standardize=False,
        optimizer="sgd",
        learning_rate=RATE,
        metrics=(),
        evaluate_train=False,
        seed=4,
    )


def by_hand(run, repeat):
    """Weights are those of no sample: a weighted order draws by them instead."""
    rows = np.flatnonzero(run.split_codes[repeat] == 1)
    plan = run.plan_of(repeat)
    slope, level = np.zeros(3), 0.0
    for update in range(plan.updates):
        chosen = rows[plan.batch_of_update(update)]
        inputs = X[chosen].astype(np.float64)
        error = 1 / (1 + np.exp(-(inputs @ slope + level))) - Y[chosen]
        slope, level = slope - RATE * inputs.T @ error / len(chosen), level - RATE * error.mean()
    return slope, level


@pytest.mark.parametrize("name", ORDERS)
def test_every_repeat_is_trained_on_the_batches_of_its_plan(name, tmp_path):
    run = trained(name)
    assert len(np.unique(run.split_codes, axis=0)) == 2, "the repeats have splits of their own"
    loaded = load_record(run.save(tmp_path / "run"))
    for repeat in range(2):
        slope, level = by_hand(run, repeat)
        params = run.fitted[repeat].last.params
        np.testing.assert_allclose(params["slope"], slope, rtol=0, atol=1e-5)
        np.testing.assert_allclose(params["level"], level, rtol=0, atol=1e-5)
        assert loaded.plan_of(repeat) == run.plan_of(repeat)
        assert run.plan_of(repeat).order.values is not None
    assert run.plan_of(0) != run.plan_of(1)


def test_repeats_with_other_splits_share_a_program(monkeypatch):
    """Another seed splits otherwise, so that all arrays of the order differ, and nothing is compiled."""
    for name in ORDERS:
        trained(name)
    monkeypatch.setattr(compiler, "compiled_from", lambda *_: pytest.fail("compiled again"))
    order, data = ORDERS["stratified"]
    options = {"batch_size": 8, "epochs": 5, "optimizer": "sgd", "learning_rate": 0.1, "metrics": ()}
    options |= {"evaluate_train": False, "standardize": False}
    run = ep.fit((start, logit), data, order=order, seed=99, validation=0.25, **options)
    assert run.plan.updates == 20
