"""Oracle: Optax's schedules, update by update; and PyTorch's StepLR in NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from epochal.engine.schedules import Schedule, learning_rate

UPDATES = 200


def rates(schedule, peak=0.1, updates=UPDATES):
    numbers = schedule.rates(peak, updates)
    return np.asarray(
        jax.vmap(lambda update: learning_rate(schedule, numbers, update))(
            jnp.arange(updates, dtype=jnp.float32)
        )
    )


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
    ],
    ids=["constant", "cosine", "cosine-floor", "step", "warmup", "cosine-warmup", "step-warmup"],
)
def test_rates_are_those_of_optax(schedule, oracle):
    wanted = np.array([float(oracle(update)) for update in range(UPDATES)])
    np.testing.assert_allclose(rates(schedule), wanted, rtol=2e-5, atol=1e-8)


def test_a_warmup_reaches_the_rate_with_its_last_update():
    found = rates(Schedule(warmup=20))
    assert found[0] == pytest.approx(0.1 / 20) and found[19] == found[20] == pytest.approx(0.1)
