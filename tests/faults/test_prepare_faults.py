"""Faults: data apart, options and functions that cannot work are refused before the first update."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pandas as pd
import pytest

import epochal as ep
from epochal.data import load, transform
from epochal.data.source import TrainingContext
from epochal.engine.schedules import Schedule
from epochal.settings import Settings
from epochal.training.prepare import prepare

RANDOM = np.random.default_rng(6)
X = RANDOM.normal(size=(60, 3)).astype(np.float32)
Y = (np.arange(60) % 2).astype(np.int32)
NUMBERS = X @ np.array([1.0, -2.0, 0.5], np.float32)
MANY = np.column_stack([NUMBERS, -NUMBERS])
HOLES = X.copy()
HOLES[4, 1] = np.nan


def refused(data, *words, model=None, **options):
    with pytest.raises(ep.Refusal) as caught:
        ep.train(model or ep.MLP(4), data, **options)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence, sentence
    assert sentence.endswith(".") and "\n" not in sentence, sentence
    return caught.value


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize(
    ("data", "other", "words"),
    [
        ((X, MANY), (X[:20], NUMBERS[:20]), ["2 numbers per sample", "(20,)"]),
        ((X, NUMBERS), (X[:20], MANY[:20]), ["1 number per sample", "(20, 2)"]),
        ((X, Y), (X[:20], Y[:19]), ["20 samples", "got 19"]),
        ((X, NUMBERS), (X[:20], np.where(np.arange(20) == 2, np.nan, 1)), ["finite", "row 3"]),
        ((X, Y), (X[:20], Y[:20], np.zeros(20)), ["sample_weight", "all 20 are 0"]),
        ((X, Y), (X[:20], Y[:20], -np.ones(20)), ["sample_weight", "at least 0", "row 1"]),
        ((pd.DataFrame(X), Y), (pd.DataFrame(X[:20]), Y[:19]), ["target", "20 rows", "got 19"]),
        ((pd.DataFrame(X), Y), (pd.DataFrame(X[:20]), MANY[:20]), ["target", "(20, 2)"]),
        ((pd.DataFrame(X), Y), (pd.DataFrame(X[:20]), "z"), ["target", '"z"']),
        ((pd.DataFrame(X), Y), (pd.DataFrame(X[:20]), None), ["target", "NoneType"]),
    ],
)
def test_bad_data_apart_is_refused_by_the_name_of_its_part(part, data, other, words):
    refused(data, f"{part}: ", *words, **{part: other})


def test_labels_that_training_did_not_have_validate_nothing():
    """They can't be scored: validation data is corrected, test data is looked at without them."""
    refused(
        (X, Y), 'validation: "target" has the label "2" in 10 of 20 rows', validation=(X[:20], Y[:20] + 1)
    )
    made = prepare(ep.MLP(4), (X, Y), Settings(test=(X[:20], Y[:20] + 1)))
    assert made.part_size("test") == 10
    assert any('test: "target" has the label "2"' in note for note in made.dataset.raw_notes)


def test_data_apart_without_a_target_is_refused():
    refused((X, Y), "the test data has no target", test=X[:20])
    frame = pd.DataFrame(X).add_prefix("c")
    refused((frame, Y), "the validation data has no target", validation=frame)


def test_missing_values_in_new_rows_are_refused_where_nothing_fills_them():
    known = load((X, Y))
    about = TrainingContext(known.task, known.shape)
    with pytest.raises(ep.Refusal, match=r"NaN.*standardizes.*row 5\."):
        transform(None, HOLES, about, finite=True)
    assert np.isnan(transform(None, HOLES, about).inputs[4, 1])
    table = load((pd.DataFrame(X), Y))
    with pytest.raises(ep.Refusal, match=r"row 5\."):
        transform(table.encoder, pd.DataFrame(HOLES), finite=True)
    refused((pd.DataFrame(X), Y), "test: ", "row 5", standardize=False, test=(pd.DataFrame(HOLES), Y))
    refused((X, Y), "test: ", "row 5", standardize=False, test=(HOLES, Y))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_part_whose_samples_all_weigh_nothing_is_refused(part):
    zeros = np.flatnonzero(Y == 0)
    refused(
        (X, Y), f"the {part} samples must not all be 0", "all 30 are.",
        class_weight={0: 0}, **{part: (X[zeros], Y[zeros])},
    )  # fmt: skip


def test_a_repeat_whose_validation_samples_all_weigh_nothing_is_refused():
    weights = np.zeros(60)
    weights[:3] = 1
    options = {"repeats": 40, "validation": 0.1}
    refused((X, Y, weights), "the validation samples must not all be 0", "all 6 are in repeat ", **options)


WIDE = """
import numpy as np, epochal as ep
X = np.ones((40, 2), np.float32); X[:20] = 0
try:
    ep.train(ep.MLP(4), (X, np.arange(40) % 2))
except ep.Refusal as error:
    print(error)
"""


def test_64_bit_numbers_are_refused():
    done = subprocess.run(
        [sys.executable, "-c", WIDE], capture_output=True, text=True, timeout=60,
        env={**os.environ, "JAX_ENABLE_X64": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "JAX_ENABLE_X64" in done.stdout and len(done.stdout.splitlines()) == 1


OPTIONS = {
    "options of an object": (
        {"optimizer": optax.sgd(0.1), "optimizer_options": {"momentum": 0.9}},
        ["optimizer_options (momentum)", "Optax object"],
    ),
    "line search": ({"optimizer": optax.lbfgs()}, ["gradients and parameters alone", "TypeError"]),
    "plateau": (
        {"optimizer": optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau())},
        ["gradients and parameters alone", "value"],
    ),
    "optax schedule": ({"learning_rate": optax.cosine_decay_schedule(0.1, 9)}, ["schedule=", "Optax object"]),
    "schedule": ({"learning_rate": Schedule("cosine")}, ["learning_rate", "schedule=", "Optax object"]),
    "rate of an object": (
        {"optimizer": optax.sgd(0.1), "learning_rate": lambda count: 0.1},
        ["learning_rate", "Optax object"],
    ),
    "list of rates": ({"learning_rate": [0.1]}, ["greater than 0 and finite", "[0.1]"]),
    "tiny rate": ({"learning_rate": 1e-50}, ["between 1.2e-38 and 3.4e38", "got 1e-50"]),
    "huge rate": ({"learning_rate": 1e39}, ["between 1.2e-38 and 3.4e38", "got 1e+39"]),
    "option of text": ({"optimizer_options": {"b1": "x"}}, ["optimizer_options must map names to numbers"]),
    "class": ({"class_weight": {2: 1.0}}, ['unknown class in class_weight "2"', "Known: 0, 1"]),
    "weight of no number": ({"class_weight": {1: None}}, ['class "1"', "got None"]),
    "task": ({"task": "regresion"}, ['unknown task "regresion"; did you mean "regression"?']),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_work_are_refused(name):
    options, words = OPTIONS[name]
    refused((X, Y), *words, **options)


def test_another_task_than_that_of_a_dataset_is_refused():
    refused(load((X, Y)), "binary", '"regression"', 'task="regression"', task="regression")
    refused(load((X, NUMBERS)), "regression", '"classification"', task="classification")


def test_whole_numbers_to_start_from_are_refused():
    model = ep.MLP(4, outputs=1)
    variables = model.init(jax.random.key(0), jnp.zeros(3))
    whole = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.int64), variables)
    refused((X, Y), "initial must have", "float32", "got int64", model=model, initial=whole)


def zeros(key, sample):
    return jnp.zeros((sample.size, 1))


def product(params, inputs):
    return inputs @ params


def raises(*arguments):
    raise RuntimeError("no\nway")


class Bare:
    """A model whose functions return what they should not."""

    def __init__(self, init=None, apply=None):
        self.init = init or (lambda key, sample: ep.Variables(jnp.zeros((sample.size, 1)), ()))
        self.apply = apply or (lambda variables, inputs, key, training: (inputs @ variables.params, ()))


MODELS = {
    "init": ((raises, product), ["the model's init", "RuntimeError: no way"]),
    "apply": ((zeros, raises), ["the model's apply", "RuntimeError: no way"]),
    "branch": ((zeros, lambda w, x: x @ w if (x > 0).all() else x), ["the model's apply", "Tracer"]),
    "numpy": ((zeros, lambda w, x: np.asarray(x) @ w), ["the model's apply", "Tracer"]),
    "shape": ((zeros, lambda w, x: x @ w.T), ["the model's apply", "TypeError"]),
    "whole numbers": (
        (lambda key, sample: jnp.zeros((sample.size, 1), int), product),
        ["the gradient of the loss", "TypeError"],
    ),
    "no array": ((zeros, lambda w, x: (x @ w, x)), ["outputs must have shape", "tuple"]),
    "no variables": (Bare(init=lambda key, sample: jnp.zeros(3)), ["init must return Variables"]),
    "no state": (Bare(apply=lambda v, x, key, training: x @ v.params), ["must return (outputs, state)"]),
    "evaluation": (
        Bare(apply=lambda v, x, key, training: (x @ v.params, ()) if training else raises()),
        ["the model's apply in evaluation", "RuntimeError: no way"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_that_fail_are_refused_by_the_function_that_failed(name):
    model, words = MODELS[name]
    error = refused((X, Y), *words, model=model)
    assert (error.__cause__ is not None) == ("Error" in " ".join(words) or "Tracer" in words)


def test_a_module_that_cannot_be_built_is_refused():
    nnx = pytest.importorskip("flax.nnx")

    class Wrong(nnx.Module):
        def __init__(self, *, rngs):
            raise RuntimeError("no layers")

    refused((X, Y), "the model must be", "RuntimeError: no layers", model=Wrong)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (raises, ["the loss", "RuntimeError: no way"]),
        (lambda outputs: outputs[:, 0], ["the loss", "TypeError"]),
        (lambda outputs, targets: float(outputs.sum()) * targets, ["the loss", "ConcretizationTypeError"]),
        (lambda outputs, targets: 3.0, ["one value for each sample", "got ()"]),
        (lambda outputs, targets: outputs[:, 0] * 1j, ["the gradient of the loss", "complex"]),
    ],
)
def test_losses_that_fail_are_refused(loss, words):
    refused((X, Y), *words, loss=loss)
