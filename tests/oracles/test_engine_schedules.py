"""Oracle: Optax's schedules, update by update; and PyTorch's StepLR in NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import epochal as ep
from epochal.engine.schedules import Schedule, learning_rate

UPDATES = 200


def rates(schedule, peak=0.1, updates=UPDATES):
    numbers = schedule.rates(peak, updates)
    return np.asarray(jax.vmap(lambda update: learning_rate(schedule, numbers, update))(jnp.arange(updates)))


@pytest.mark.parametrize(
    ("schedule", "oracle"),
    [
        (Schedule(), optax.constant_schedule(0.1)),
        (Schedule("cosine"), optax.cosine_decay_schedule(0.1, UPDATES)),
        (Schedule("cosine", floor=0.1), optax.cosine_decay_schedule(0.1, UPDATES, alpha=0.1)),
        (
            Schedule("step", every=30, factor=0.5),
            optax.exponential_decay(0.1, 30, 0.5, staircase=True),
        ),
        (
            Schedule(warmup=20),
            # Our first update has rate / warmup, not 0: a line that is one update ahead.
            optax.join_schedules(
                [optax.linear_schedule(0.005, 0.105, 20), optax.constant_schedule(0.1)], [20]
            ),
        ),
        (
            Schedule("cosine", warmup=20),
            optax.join_schedules(
                [optax.linear_schedule(0.005, 0.105, 20), optax.cosine_decay_schedule(0.1, UPDATES - 20)],
                [20],
            ),
        ),
        (
            Schedule("step", every=30, factor=0.5, warmup=20),
            optax.join_schedules(
                [
                    optax.linear_schedule(0.005, 0.105, 20),
                    optax.exponential_decay(0.1, 30, 0.5, staircase=True),
                ],
                [20],
            ),
        ),
        (Schedule("linear", floor=0.2), optax.linear_schedule(0.1, 0.02, UPDATES)),
        (Schedule("exponential", every=30, factor=0.5), optax.exponential_decay(0.1, 30, 0.5)),
        # Vaswani et al. 2017, equation 3, with the largest rate as its scale.
        (
            Schedule("inverse_sqrt", warmup=20),
            lambda update: 0.1 * 20**0.5 * min((update + 1) ** -0.5, (update + 1) * 20**-1.5),
        ),
    ],
    ids=[
        *("constant", "cosine", "cosine-floor", "step", "warmup", "cosine-warmup", "step-warmup"),
        *("linear", "exponential", "inverse-sqrt"),
    ],
)
def test_rates_are_those_of_optax(schedule, oracle):
    wanted = np.array([float(oracle(update)) for update in range(UPDATES)])
    np.testing.assert_allclose(rates(schedule), wanted, rtol=2e-5, atol=1e-8)


def test_a_warmup_reaches_the_rate_with_its_last_update():
    found = rates(Schedule(warmup=20))
    assert found[0] == pytest.approx(0.1 / 20) and found[19] == found[20] == pytest.approx(0.1)


@pytest.mark.parametrize("remainder", ["keep", "drop", "spread", "carry"])
@pytest.mark.parametrize("kind", ["step", "cosine"])
def test_a_schedule_counts_the_updates_that_were_made_under_every_remainder(kind, remainder):
    """The same rates as an Optax schedule, whose count is a part of the optimizer's state."""
    generator = np.random.default_rng(5)
    data = (generator.normal(size=(23, 3)).astype(np.float32), generator.normal(size=23).astype(np.float32))
    options = {"batch_size": 4, "epochs": 4, "remainder": remainder, "validation": 0, "metrics": ()}
    updates = ep.Plan(23, 4, 4, remainder=remainder).updates
    theirs = {
        "step": lambda count: 0.1 * 0.5 ** (count // 5),
        "cosine": optax.cosine_decay_schedule(0.1, updates),
    }[kind]
    ours = ep.Schedule("step", every=5, factor=0.5) if kind == "step" else ep.Schedule("cosine")
    one = ep.fit(ep.MLP(), data, optimizer="sgd", learning_rate=0.1, schedule=ours, **options)
    other = ep.fit(ep.MLP(), data, optimizer=optax.sgd(theirs), **options)
    for found, wanted in zip(
        jax.tree.leaves(one.fitted[0].last), jax.tree.leaves(other.fitted[0].last), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
