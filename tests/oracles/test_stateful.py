"""Oracles of a carried state: a loop over the batches in plain JAX, with the state handed on by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.plan.contiguous import Contiguous

WINDOW, BATCH, EPOCHS, RATE = 4, 3, 3, 0.1
OPTIONS = {
    "batch_size": BATCH,
    "epochs": EPOCHS,
    "optimizer": "sgd",
    "learning_rate": RATE,
    "stateful": True,
    "metrics": (),
}


@pytest.fixture(scope="module")
def data():
    # 14 windows train: 4 batches of 3, and 2 left out, others in each epoch.
    return ep.load_windows(
        np.random.default_rng(0).normal(size=5 + 19 * WINDOW), window=WINDOW, stride=WINDOW
    )


@pytest.fixture(scope="module")
def run(data):
    return ep.fit(ep.LSTM(5), data, validation=5, **OPTIONS)


def step(params, carry, x):
    layer = params["inner"]["recurrent"][0]
    h, c = carry
    i, f, g, o = jnp.split(x @ layer["kernel"] + layer["bias"] + h @ layer["recurrent"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def outputs(params, carry, inputs):
    for time in range(inputs.shape[1]):
        carry = step(params, carry, inputs[:, time])
    dense = params["inner"]["dense"]
    return (carry[0] @ dense["kernel"] + dense["bias"])[:, 0], carry


def test_parameters_are_those_of_a_loop_that_hands_the_state_on(run, data):
    fitted = run.fitted[0]
    train = np.flatnonzero(run.split_codes[0] == 1)
    inputs = fitted.scaling.apply(data.inputs[train])
    targets = fitted.target_scaling.apply(data.targets[train])
    model = run.model
    params = model.init(_first_key(data, run), jnp.zeros((WINDOW, 1))).params
    zeros = (jnp.zeros((BATCH, 5)), jnp.zeros((BATCH, 5)))

    def loss(params, carry, x, y):
        found, end = outputs(params, carry, x)
        return jnp.square(found - y).mean(), end

    slope = jax.jit(jax.grad(loss, has_aux=True))
    seen = []
    for epoch in range(EPOCHS):
        carry = zeros
        for index in range(run.plan.batches_in(epoch)):
            samples = run.plan.batch(epoch, index)
            seen.append(samples)
            gradient, carry = slope(params, carry, inputs[samples], targets[samples])
            params = jax.tree.map(lambda p, g: p - RATE * g, params, gradient)
        for before, after in zip(seen[-4:], seen[-3:], strict=False):
            np.testing.assert_array_equal(after, before + 1)
    assert len(seen) == 12
    assert [batch[0] for batch in seen[::4]] == [0, 1, 2]
    for one, other in zip(jax.tree.leaves(fitted.last.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    for one, other in zip(jax.tree.leaves(fitted.last.state), carry, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def _first_key(data, run):
    """The key from which the parameters of the first repeat were drawn."""
    from epochal.settings import Settings
    from epochal.training.prepare import prepare

    settings = Settings(**{**OPTIONS, "validation": 5})
    return prepare(ep.LSTM(5), data, settings).stack_data(range(1)).init_keys[0]


@pytest.mark.parametrize("budget", [1, 3])
def test_where_a_call_ends_changes_no_bit_of_a_carried_state(run, data, budget):
    from epochal.settings import Settings
    from epochal.training.loop import make_stack
    from epochal.training.prepare import prepare

    prepared = prepare(ep.LSTM(5), data, Settings(**{**OPTIONS, "validation": 5}))
    stack = make_stack(prepared, range(1), fixed_updates_per_call=budget)
    while not stack.done:
        stack.advance()
    for one, other in zip(
        jax.tree.leaves(stack.train_state.repeat_states.model),
        jax.tree.leaves(run.fitted[0].last.state),
        strict=True,
    ):
        np.testing.assert_array_equal(one[0], other)


def test_an_evaluation_carries_the_state_from_window_to_window(run, data):
    fitted = run.fitted[0]
    params = jax.tree.map(jnp.asarray, fitted.best.params)
    series = data.timeline.values[0]
    rows = len(series) // WINDOW * WINDOW
    # Predictions end with the last rows, and begin where a whole number of windows fits before them.
    seen = fitted.scaling.apply(series[len(series) - rows :].astype(np.float32)[:, None])
    carry = (jnp.zeros((1, 5)), jnp.zeros((1, 5)))
    wanted = []
    for begin in range(0, rows, WINDOW):
        found, carry = outputs(params, carry, seen[None, begin : begin + WINDOW])
        wanted.append(float(found[0]))
    wanted = fitted.target_scaling.inverse_transform(np.array(wanted))
    np.testing.assert_allclose(run.predict(series).values[:, 0], wanted, atol=1e-5)


def test_a_stateful_run_outlives_its_folder(run, data, tmp_path):
    read = ep.load(run.save(tmp_path / "run"))
    series = data.timeline.values[0]
    np.testing.assert_array_equal(read.predict(series).values, run.predict(series).values)
    assert read.plan.order == run.plan.order


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": "blocks"}, 'order must be "contiguous" to carry a state; got "blocks". Leave it out.'),
        ({"remainder": "spread"}, 'remainder must be "drop" to carry a state; got "spread".'),
        ({"micro_batch": 2}, "micro_batch would cut the batch whose state is carried"),
        ({"split": "random"}, "stateful needs windows of one series that follow one another"),
        ({"stateful": 1}, "stateful must be True or False; got 1."),
    ],
)
def test_what_can_carry_no_state_is_refused(data, change, said):
    with pytest.raises(ep.Refusal) as refused:
        ep.fit(ep.LSTM(5), data, **{"batch_size": BATCH, "epochs": 1, "stateful": True} | change)
    assert said in str(refused.value)


def test_windows_that_overlap_and_networks_without_a_state_are_refused(data):
    with pytest.raises(ep.Refusal, match="cut them with a stride as long as the window"):
        ep.fit(ep.LSTM(5), ep.load_windows(np.arange(50.0), window=4), batch_size=4, stateful=True)
    with pytest.raises(ep.Refusal, match=r"stateful needs a network that has a state, .* got MLP"):
        ep.fit(ep.MLP(5), data, batch_size=4, stateful=True)


@pytest.mark.parametrize(
    ("samples", "batch", "remainder"), [(13, 3, "drop"), (12, 4, "drop"), (17, 5, "keep")]
)
def test_contiguous_follows_stretches_and_come_back(samples, batch, remainder):
    order = ep.Plan(samples, batch, 1, order=Contiguous(), remainder=remainder).order
    count = samples // batch
    for epoch in range(4):
        found = order.samples(0, epoch, samples, range(samples))
        assert sorted(found.tolist()) == list(range(samples))
        np.testing.assert_array_equal(order.positions(0, epoch, samples, found), np.arange(samples))
        grid = found[: count * batch].reshape(count, batch)
        np.testing.assert_array_equal(np.diff(grid, axis=0), 1)
        np.testing.assert_array_equal(np.diff(grid, axis=1), count)
        words = np.zeros(2, np.uint32)
        table = order.table(words, jnp.uint32(epoch), samples, jnp)
        np.testing.assert_array_equal(table, found)
        np.testing.assert_array_equal(order.table(words, np.full(1, epoch, np.uint32), samples), found)
