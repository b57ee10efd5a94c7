"""Oracle: a Flax NNX module called directly, against the same module trained and evaluated by epochal."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import epochal as ep
from epochal.engine import compiler
from epochal.models import FlaxModel, as_model
from epochal.models.convert import NamedModel
from helpers import assert_close, batches

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(30, 4)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RANDOM.normal(size=30) > 0).astype(np.int32)


class Net(nnx.Module):
    def __init__(self, rate: float = 0.5, *, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(4, 5, rngs=rngs)
        self.norm = nnx.BatchNorm(5, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)
        self.last = nnx.Linear(5, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def test_evaluation_is_the_module_in_evaluation_mode():
    module = Net(rngs=nnx.Rngs(0))
    module.train()
    module(X)  # so that the moments are not those of the start
    model = FlaxModel(module)
    variables = model.init(jax.random.key(9), jnp.zeros(4))
    outputs, state = model.apply(variables, jnp.asarray(X), jax.random.key(1), False)
    module.eval()
    np.testing.assert_allclose(outputs, module(X), atol=1e-6)
    assert_close(state, variables.state, 0)


def test_training_without_dropout_is_the_module_in_training_mode_moments_included():
    module = Net(0.0, rngs=nnx.Rngs(0))
    model = FlaxModel(module)
    variables = model.init(jax.random.key(9), jnp.zeros(4))
    outputs, state = model.apply(variables, jnp.asarray(X), jax.random.key(1), True)
    module.train()
    np.testing.assert_allclose(outputs, module(X), atol=1e-6)
    np.testing.assert_allclose(state["norm"]["mean"], module.norm.mean[...], atol=1e-6)
    np.testing.assert_allclose(state["norm"]["var"], module.norm.var[...], atol=1e-6)
    assert np.abs(np.asarray(state["norm"]["mean"])).max() > 0


def test_dropout_depends_on_the_key_alone():
    model = FlaxModel(Net(rngs=nnx.Rngs(0)))
    variables = model.init(jax.random.key(9), jnp.zeros(4))
    one, two, other = (
        model.apply(variables, jnp.asarray(X), jax.random.key(seed), True)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert (np.asarray(one) != np.asarray(other)).any()


def test_a_trained_module_is_the_one_that_a_plain_loop_trains():
    module = Net(0.0, rngs=nnx.Rngs(0))
    options = {"optimizer": "sgd", "learning_rate": 0.1, "validation": 0, "standardize": False}
    run = ep.fit(module, (X, Y), batch_size=8, epochs=2, metrics=(), **options)
    oracle = Net(0.0, rngs=nnx.Rngs(0))
    oracle.train()
    optimizer = nnx.Optimizer(oracle, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def update(net, held, inputs, targets):
        def loss(net_):
            return optax.sigmoid_binary_cross_entropy(net_(inputs)[:, 0], targets).mean()

        held.update(net, nnx.grad(loss)(net))

    for batch in batches(run.plan):
        update(oracle, optimizer, jnp.asarray(X[batch]), jnp.asarray(Y[batch]))
    last = run.fitted[0].last
    assert_close(last.params, nnx.to_pure_dict(nnx.state(oracle, nnx.Param)))
    np.testing.assert_allclose(last.state["norm"]["var"], oracle.norm.var[...], atol=1e-5)
    oracle.eval()
    share = 1 / (1 + np.exp(-np.asarray(oracle(X))[:, 0]))
    np.testing.assert_allclose(run.predict(X, parameters="last").values[:, 1], share, atol=1e-5)
    fresh = Net(0.0, rngs=nnx.Rngs(0))
    assert_close(
        nnx.to_pure_dict(nnx.state(module, nnx.Param)), nnx.to_pure_dict(nnx.state(fresh, nnx.Param)), 0
    )


def test_an_instance_brings_its_parameters_and_a_class_draws_them():
    sample, module = jnp.zeros(4), Net(rngs=nnx.Rngs(5))
    held = FlaxModel(module)
    assert_close(held.init(jax.random.key(1), sample), held.init(jax.random.key(2), sample), 0)
    assert_close(
        held.init(jax.random.key(1), sample).params, nnx.to_pure_dict(nnx.state(module, nnx.Param)), 0
    )
    for drawn in (
        FlaxModel(Net),
        FlaxModel(functools.partial(Net, 0.1)),
        FlaxModel(lambda rngs: Net(rngs=rngs)),
    ):
        one, two = (drawn.init(jax.random.key(seed), sample).params["first"]["kernel"] for seed in (1, 2))
        assert (np.asarray(one) != np.asarray(two)).all()
        again = drawn.init(jax.random.key(1), sample).params["first"]["kernel"]
        np.testing.assert_array_equal(one, again)


class Small(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.layer = nnx.Linear(4, 1, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.dropout(self.layer(x))


def test_models_of_one_class_are_equal_and_share_one_compilation():
    one, two = as_model(Small, 1), as_model(Small, 1)
    assert one == two and hash(one) == hash(two) and one != as_model(Net, 1)
    fit = functools.partial(ep.fit, Small, (X, Y), batch_size=8, epochs=1, metrics=())
    first = fit()
    before = compiler._slot.cache_info()
    second = fit()
    after = compiler._slot.cache_info()
    assert after.misses == before.misses and after.hits >= before.hits + 2, "the call and the start"
    assert_close(first.fitted[0].last.params, second.fitted[0].last.params, 0)


def test_models_of_instances_and_of_other_factories_are_not_equal():
    module = Small(rngs=nnx.Rngs(0))
    held = FlaxModel(module)
    assert held == held and held != FlaxModel(module) and held != FlaxModel(Small) and held != "Small"
    assert FlaxModel(functools.partial(Net, 0.1)) != FlaxModel(functools.partial(Net, 0.1))


def test_a_factory_that_makes_another_module_by_now_is_compiled_again():
    rate = 0.1

    def make(rngs):
        return Net(rate, rngs=rngs)

    one, same = FlaxModel(make), FlaxModel(make)
    rate = 0.9
    assert one == same and one != FlaxModel(make)


def test_named_models_are_equal_by_name_and_model():
    one, two = (NamedModel("nets:small", as_model(Small, 1)) for _ in range(2))
    assert one == two and hash(one) == hash(two)
    assert one != NamedModel("nets:other", as_model(Small, 1)) and one != as_model(Small, 1)
    assert one != NamedModel("nets:small", as_model(Net, 1))
    assert one != NamedModel("nets:small", FlaxModel(Small(rngs=nnx.Rngs(0))))


def test_a_saved_run_of_a_class_is_loaded_with_the_class(tmp_path):
    run = ep.fit(Small, (X, Y), batch_size=8, epochs=1, metrics=())
    loaded = ep.load(run.save(tmp_path / "run"), model=Small)
    np.testing.assert_array_equal(loaded.predict(X).values, run.predict(X).values)
    with pytest.raises(ep.Refusal, match="the model does not fit the run: it has no params/layer/bias"):
        ep.load(tmp_path / "run", model=Net)


def test_a_pair_of_functions_is_a_model():
    def init(key, sample):
        return {"w": jax.random.normal(key, (sample.size, 1)), "b": jnp.zeros(())}

    def apply(params, inputs):
        return inputs @ params["w"] + params["b"]

    model = as_model((init, apply), 1)
    variables = model.init(jax.random.key(0), jnp.zeros(4))
    outputs, state = model.apply(variables, jnp.asarray(X), jax.random.key(1), True)
    np.testing.assert_allclose(outputs, X @ np.asarray(variables.params["w"]), atol=1e-6)
    assert state == () and variables.state == ()
    assert model == ep.model_from_functions(init, apply) and hash(model) == hash(
        ep.model_from_functions(init, apply)
    )


@pytest.mark.parametrize("given", [int, dict, "mlp", ep.MLP, None, (1, 2)])
def test_anything_else_is_refused(given):
    with pytest.raises(ep.Refusal, match="model must be an epochal model"):
        as_model(given, 1)
