"""Laws 3 and 4, Mean and Resume, in mixed precision: products are bfloat16, what is kept or added up is not.

What rounds is read from the traced programs; how much it may cost is bounded by the rounding itself, 2^-8.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params

import epochal as ep
from epochal.engine.gradient import gradient
from epochal.engine.program import init_repeat_state
from epochal.engine.schedules import Schedule
from epochal.engine.state import SplitPart
from epochal.engine.update import ParamRaveler, make_update_step
from epochal.models import Variables, as_model, computing_in, loss_for
from epochal.nn import convolution
from epochal.settings import PRECISIONS, Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from epochal.training.resume_fingerprint import program_digest
from helpers import assert_same_bits

UNIT = 2.0**-8
"""The most by which rounding to the nearest bfloat16 changes a number of size 1."""

FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""It is the values that count here."""

RANDOM = np.random.default_rng(4)
LOSS = loss_for("log_loss", "binary")[1]
ROWS = RANDOM.normal(size=(24, 9)).astype(np.float32)
SERIES = RANDOM.normal(size=(24, 12, 2)).astype(np.float32)
IMAGES = RANDOM.normal(size=(24, 8, 8, 8)).astype(np.float32)
TEXTS = RANDOM.integers(0, 12, size=(24, 10)).astype(np.int32)
LABELS = RANDOM.integers(0, 2, size=24).astype(np.int32)

NETWORKS = {
    "mlp": (ep.MLP(6, batch_norm=True), ROWS),
    "cnn": (ep.CNN(8, 8, dense=(6,), batch_norm=True), IMAGES),
    "lstm": (ep.LSTM(5, layers=2), SERIES),
    "gru": (ep.GRU(5), SERIES),
    "text": (ep.TextClassifier(6, 5, vocabulary=12), TEXTS),
    "reader": (ep.TextClassifier(6, 5, kind="lstm", vocabulary=12), TEXTS),
    "pairs": (ep.Pairwise(ep.MLP(6)), SERIES.swapaxes(1, 2)),
}


class Own(nnx.Module):
    """A module as people write them: batch normalization between layers, and a kernel of its own."""

    def __init__(self, *, rngs):
        self.first = nnx.Linear(9, 6, rngs=rngs)
        self.norm = nnx.BatchNorm(6, rngs=rngs)
        self.second = nnx.Linear(6, 4, rngs=rngs)
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), (4, 1)))

    def __call__(self, inputs):
        return self.second(nnx.relu(self.norm(self.first(inputs)))) @ self.kernel[...]


def every(jaxpr):
    """All equations of a traced function, those of inner functions and loops included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from every(inner)


def slope_of(model):
    """The gradient of the mean loss of a batch by the parameters: (loss and new state, gradient)."""

    def mean(params, state, inputs, targets):
        outputs, after = model.apply(Variables(params, state), inputs, jax.random.key(0), True)
        return LOSS(outputs, targets).mean(), after

    return jax.value_and_grad(mean, has_aux=True)


def drawn(name, network=None):
    """The plain network, variables of its shapes drawn with NumPy, and the samples."""
    given, inputs = (Own, ROWS) if name == "own" else NETWORKS[name]
    model = as_model(network or given, 1)
    shapes = jax.eval_shape(model.init, jax.random.key(1), inputs[0])
    random = np.random.default_rng(1)

    def draw(leaf):
        return np.float32(random.normal(size=leaf.shape) * max(1, np.prod(leaf.shape[:-1])) ** -0.5)

    return model, jax.tree.map(draw, shapes), inputs


@pytest.mark.parametrize(
    ("name", "form"), [*((name, "slices") for name in (*NETWORKS, "own")), ("cnn", "vendor")]
)
def test_products_are_bfloat16_and_what_is_added_up_or_kept_is_float32(name, form, monkeypatch):
    monkeypatch.setattr(convolution, "form", lambda: form)
    model, variables, inputs = drawn(name)
    slope = slope_of(computing_in(model, "bfloat16"))
    equations = list(every(jax.make_jaxpr(slope)(*variables, inputs, LABELS).jaxpr))
    products = [one for one in equations if one.primitive.name in ("dot_general", "conv_general_dilated")]
    assert len(products) >= 3
    for one in products:
        assert {value.aval.dtype.name for value in one.invars} == {"bfloat16"}, one
    own = name == "own"  # what a module of one's own adds up is up to it
    sums = [one for one in equations if one.primitive.name in ("reduce_sum", "scatter-add", "cumsum")]
    assert own or all(value.aval.dtype != jnp.bfloat16 for one in sums for value in one.invars)
    (loss, state), found = jax.eval_shape(slope, *variables, inputs, LABELS)
    assert loss.dtype == jnp.float32
    for new, old in zip(jax.tree.leaves((found, state)), jax.tree.leaves(variables), strict=True):
        assert (new.shape, new.dtype) == (old.shape, jnp.float32)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("cnn", ep.CNN(4, pool=1, dense=())),  # rounding may find the largest of a window elsewhere
        ("lstm", ep.LSTM(5)),
        ("own", None),
    ],
)
def test_gradients_are_those_of_float32_up_to_rounding(name, network):
    model, variables, inputs = drawn(name, network)
    both = jax.jit(
        lambda *given: [slope_of(computing_in(model, one))(*given) for one in PRECISIONS],
        compiler_options=FAST_TO_COMPILE,
    )
    ((wide, wide_state), slope), ((short, short_state), found) = both(*variables, inputs, LABELS)
    # Errors of a chain of few roundings, each at most UNIT and half of it on average, do not all add up.
    assert float(short) == pytest.approx(float(wide), rel=4 * UNIT) and short != wide
    size = max(np.linalg.norm(leaf) for leaf in jax.tree.leaves(slope))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(slope), strict=True):
        assert np.linalg.norm(one - other) <= 4 * UNIT * (np.linalg.norm(other) + size)
    for one, other in zip(jax.tree.leaves(short_state), jax.tree.leaves(wide_state), strict=True):
        np.testing.assert_allclose(one, other, rtol=4 * UNIT, atol=2 * UNIT)


def test_an_lstm_remembers_what_rounding_would_keep_from_adding_up():
    # Each step adds 2^-10 to a memory that starts at 1; in bfloat16, 1 + 2^-10 is 1.
    steps, tiny = 64, 2.0**-10
    gates = jnp.stack([jnp.array([30.0, 30.0, float(np.arctanh(tiny)), 30.0])] * steps)[:, None]
    kernel = jnp.zeros((1, 4), jnp.bfloat16)
    _, memory = ep.nn.lstm(gates.astype(jnp.bfloat16), kernel, jnp.zeros((1, 1)), jnp.ones((1, 1)))
    assert float(memory[0, 0]) == pytest.approx(1 + steps * tiny, rel=1e-4)


def prepared_for(model, **options):
    data = (ROWS, LABELS)
    given = {"metrics": (), "seed": 3, "validation": 0, "precision": "bfloat16", "batch_size": 7}
    return prepare(model, data, Settings(**{**given, **options}))


def test_the_optimizer_moves_float32_parameters():
    prepared = prepared_for(ep.MLP(200, 100))
    spec, part = prepared.spec, SplitPart(*map(jnp.asarray, (ROWS, LABELS)), None)
    variables = jax.eval_shape(spec.model.init, jax.random.key(0), ROWS[0])
    step = make_update_step(spec, ParamRaveler(spec, variables.params))
    before = jax.eval_shape(functools.partial(init_repeat_state, spec), variables)
    arguments = (before, part, jax.random.key(0), 0, 0, Schedule().rates(1e-3, 9), 0, jnp.arange(7))
    after = jax.eval_shape(step, *arguments)
    assert [leaf.dtype for leaf in jax.tree.leaves(after)] == [leaf.dtype for leaf in jax.tree.leaves(before)]
    assert not any(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(after))


def test_micro_batches_add_up():
    part = SplitPart(*map(jnp.asarray, (ROWS, LABELS)), jnp.linspace(0.1, 2, 24))
    spec = prepared_for(ep.MLP(6)).spec
    _, variables, _ = drawn("mlp", ep.MLP(6))

    def slopes(params):
        arguments = (params, variables.state, part, jnp.arange(23), jax.random.key(0))
        return [gradient(replace(spec, micro_batch=most))(*arguments) for most in (None, 5)]

    ((whole, _), one), ((summed, _), other) = jax.jit(slopes, compiler_options=FAST_TO_COMPILE)(
        variables.params
    )
    # A sample's outputs are the same in both, and so is its share in the last bias. What goes back through a
    # product is rounded, there divided by the size of the batch and here not: UNIT for each of two layers.
    assert float(summed) == pytest.approx(float(whole), rel=1e-6)
    np.testing.assert_allclose(other[-1]["bias"], one[-1]["bias"], rtol=1e-5)
    for found, wanted in zip(*map(jax.tree.leaves, (other, one)), strict=True):
        assert np.linalg.norm(found - wanted) <= 2 * UNIT * np.linalg.norm(wanted)


def test_where_a_call_ends_changes_no_bit():
    prepared = prepared_for(ep.MLP(4, dropout=0.2, batch_norm=True), epochs=3)
    ends = []
    for budget in (1, 5):
        stack, rows = make_stack(prepared, range(1), fixed_updates_per_call=budget), []
        while not stack.done:
            rows += stack.advance()
        ends.append((stack.train_state.repeat_states, [row.values for row in rows]))
    assert_same_bits(*ends)


def test_a_run_predicts_as_it_was_trained_and_as_it_is_read_again(tmp_path):
    data, options = (ROWS, LABELS), {"epochs": 4, "seed": 2, "batch_size": 8}
    run = ep.fit(ep.MLP(6), data, precision="bfloat16", **options)
    wide = ep.fit(ep.MLP(6), data, **options)
    found = run.metrics["validation"]["loss"].mean
    assert found == pytest.approx(wide.metrics["validation"]["loss"].mean, rel=4 * UNIT)
    said = run.predict(ROWS).values
    as_float32 = replace(run, settings={**run.settings, "precision": "float32"}).predict(ROWS).values
    assert np.abs(said - as_float32).max() > 0
    np.testing.assert_allclose(said, as_float32, atol=2 * UNIT)
    run.save(tmp_path / "run")
    read = ep.load(tmp_path / "run")
    assert (read.precision, read.model) == ("bfloat16", ep.MLP(6, outputs=1))
    assert_same_bits(read.predict(ROWS).values, said)
    assert {leaf.dtype for leaf in jax.tree.leaves(read.fitted[0].best)} == {np.dtype(np.float32)}


def test_two_precisions_are_two_programs():
    assert len({program_digest(prepared_for(ep.MLP(4), precision=one)) for one in PRECISIONS}) == 2


def test_a_precision_that_is_unknown_is_refused():
    with pytest.raises(ep.Refusal, match='precision "bfloat61"; did you mean "bfloat16"'):
        Settings(precision="bfloat61")
    with pytest.raises(ep.Refusal, match="unknown precision"):
        Settings(precision=16)


def test_frozen_and_augmented_networks_compute_alike():
    images = (IMAGES[..., :1], LABELS)
    options = {"augment": "flip", "freeze": "convolutions", "precision": "bfloat16"}
    prepared = prepare(ep.CNN(4, dense=()), images, Settings(**{"batch_size": 8, **options}))
    model = prepared.spec.model
    variables = jax.eval_shape(model.init, jax.random.key(0), images[0][0])
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    traced = jax.make_jaxpr(slope_of(model))(*variables, images[0], LABELS)
    kinds = {
        value.aval.dtype.name
        for one in every(traced.jaxpr)
        if one.primitive.name == "dot_general"
        for value in one.invars
    }
    assert "bfloat16" in kinds
