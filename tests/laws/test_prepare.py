"""Law: data given apart for validation and test counts as the same samples would in the training data."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import epochal as ep
from epochal.choose.search.final_step import criteria_of
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.data import load
from epochal.settings import Settings
from epochal.training import result
from epochal.training.class_weights import weights_of_classes
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
WEIGHTS = RANDOM.uniform(0.5, 2.0, 60).astype(np.float32)
MANY = (X @ RANDOM.normal(size=(3, 2))).astype(np.float32)


def prepared(data, model=None, **options):
    return prepare(model or ep.MLP(4), data, Settings(**options))


def frame(rows=slice(None), **columns):
    return pd.DataFrame({"a": X[rows, 0], "b": X[rows, 1], "c": X[rows, 2], **columns})


@pytest.mark.parametrize("targets", [MANY, MANY[:, :1], MANY[:, 0], Y, Y[:, None], Y == 1, Y.astype(str)])
def test_validation_arrays_are_read_as_the_training_arrays_are(targets):
    one = prepared((X, targets), validation=(X[:20], targets[:20]), test=(X[20:30], targets[20:30]))
    whole = one.dataset.targets
    np.testing.assert_array_equal(one.validation.targets, whole[:20])
    np.testing.assert_array_equal(one.test.targets, whole[20:30])
    assert one.part(0, "test").targets.shape == whole[20:30].shape


def test_several_targets_with_validation_data_are_trained():
    run = ep.fit(ep.MLP(4), (X, MANY), validation=(X[:20], MANY[:20]), epochs=2, standardize=True)
    assert np.isfinite(run.scores["validation"].metrics["loss"].mean)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
@pytest.mark.parametrize("name", [None, "label"])
def test_a_frame_with_its_target_beside_it_is_validation_data(kind, name):
    def pair(rows):
        columns = {"a": X[rows, 0], "b": X[rows, 1], "c": X[rows, 2]}
        return kind(columns), Y[rows] if name is None else pd.Series(Y[rows], name=name)

    one = prepared(pair(slice(None)), validation=pair(slice(20)), test=pair(slice(20, 30)))
    np.testing.assert_array_equal(one.validation.inputs, one.dataset.inputs[:20])
    np.testing.assert_array_equal(one.validation.targets, Y[:20])
    np.testing.assert_array_equal(one.test.targets, Y[20:30])


FORMS = {
    "beside": lambda rows: (frame(rows), Y[rows], WEIGHTS[rows]),
    "named": lambda rows: (frame(rows, y=Y[rows], w=WEIGHTS[rows]), "y", "w"),
    "numbered": lambda rows: (frame(rows, y=Y[rows], w=WEIGHTS[rows]), 4, 5),
    "mixed": lambda rows: (frame(rows, y=Y[rows]), "y", WEIGHTS[rows].tolist()),
    "arrays": lambda rows: (X[rows], Y[rows], WEIGHTS[rows]),
}


@pytest.mark.parametrize("new", FORMS)
@pytest.mark.parametrize("old", FORMS)
def test_sample_weights_of_validation_data_count_however_they_are_given(old, new):
    one = prepared(FORMS[old](slice(None)), validation=FORMS[new](slice(20)))
    np.testing.assert_array_equal(one.validation.inputs, one.dataset.inputs[:20])
    np.testing.assert_array_equal(one.validation.targets, Y[:20])
    np.testing.assert_array_equal(one.validation.sample_weight, WEIGHTS[:20])
    np.testing.assert_allclose(one.part(0, "validation").weights, WEIGHTS[:20] / WEIGHTS.mean(), rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_used_where_the_training_samples_have_none(form, tmp_path):
    for data in ((X, Y), (frame(), Y)):
        run = ep.fit(ep.MLP(4), data, validation=FORMS[form](slice(20)), epochs=1, metrics=())
        outputs = run.predict(X[:20]).values
        losses = -np.log(outputs[np.arange(20), Y[:20]])
        wanted = np.average(losses, weights=WEIGHTS[:20])
        assert run.scores["validation"].metrics["loss"].mean == pytest.approx(wanted, rel=1e-5)
        assert run.curves.columns["validation.loss"].min() == pytest.approx(wanted, rel=1e-5)


def test_an_archive_of_arrays_hands_its_weights_on(tmp_path):
    np.savez(tmp_path / "new.npz", X=X[:20], y=Y[:20], sample_weight=WEIGHTS[:20])
    for data in ((X, Y), (frame(), Y)):
        one = prepared(data, validation=tmp_path / "new.npz")
        np.testing.assert_array_equal(one.validation.sample_weight, WEIGHTS[:20])


@pytest.mark.parametrize("part", [np.int64(20), np.float32(0.2), np.float64(0.2), 20, 0.2])
def test_parts_may_be_numbers_of_numpy(part):
    one = prepared((X, Y), validation=part, test=part, batch_size=8)
    assert one.part_size("validation") == one.part_size("test") == (20 if part > 1 else 12)
    assert type(one.settings.validation) in (int, float)


@pytest.mark.parametrize(
    ("targets", "keys"),
    [
        (Y, (0, 1)),
        (Y, (0.0, 1.0)),
        (Y, (False, True)),
        (Y, ("0", "1")),
        (Y, (np.int64(0), np.float32(1))),
        (Y.astype(float), (0, 1)),
        (Y == 1, (False, True)),
        (Y == 1, (np.False_, np.True_)),
        (Y == 1, (0, 1)),
        ((Y == 1).astype(str), (False, True)),
    ],
)
def test_class_weights_find_their_class_however_it_is_written(targets, keys):
    one = prepared((X, targets), class_weight=dict(zip(keys, (1, np.float32(3)), strict=True)))
    assert weights_of_classes(one.settings.class_weight, one.dataset, np.arange(3)).tolist() == [1, 3]
    assert one.settings.class_weight == dict(zip(one.task.classes, (1, 3), strict=True))


def test_options_of_an_optimizer_may_be_numbers_of_numpy():
    options = {"optimizer": "momentum", "optimizer_options": {"momentum": np.float32(0.5)}}
    assert prepared((X, Y), **options).spec.optimizer.options == (("momentum", 0.5),)
    assert prepared((X, Y), learning_rate=np.float32(0.5)).spec.optimizer.learning_rate == 0.5


@pytest.mark.parametrize("data", [(X, Y), (frame(), Y), (X, Y, WEIGHTS)])
def test_the_task_may_be_named(data):
    assert prepared(data).task.kind == "binary"
    assert prepared(data, task="regression").task.kind == "regression"
    assert prepared(data, task="multiclass").task.kind == "multiclass"


def test_the_remedy_of_the_note_works():
    numbers = np.arange(60) % 30 / 1.0
    one = prepared((X, numbers))
    assert '`task="classification"` makes classes of them' in one.dataset.raw_notes[0]
    assert prepared((X, numbers), task="classification", validation=0).task.kind == "multiclass"


def test_a_dataset_may_be_named_with_its_own_task():
    dataset = load((X, Y))
    for task in (None, "binary", "classification"):
        assert prepared(dataset, task=task, standardize=False).dataset is dataset


def test_optax_objects_that_need_gradients_and_parameters_work():
    for optimizer in (optax.adamw(0.1), optax.chain(optax.clip(1.0), optax.sgd(0.1))):
        assert prepared((X, Y), optimizer=optimizer).spec.optimizer.given is optimizer


def test_variables_to_start_from_may_have_more_digits():
    model = ep.MLP(4, outputs=1)
    variables = model.init(jax.random.key(0), jnp.zeros(3))
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    assert prepared((X, Y), model, initial=exact).settings.initial is exact


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, False),
        ({"vary": ("init",)}, True),
        ({"split": "chronological"}, True),
        ({"validation": (X[:20], Y[:20])}, True),
    ],
    ids=["drawn anew", "shared", "by time", "given"],
)
def test_whether_repeats_validate_on_the_same_samples_is_asked_in_one_place(options, same, monkeypatch):
    """By the verdict, by the intervals, and by the promises of an advice."""
    options = {"repeats": 3, "epochs": 2, "seed": 1} | options
    one = prepared((X, Y), **options)
    first, *others = (one.indices(repeat, "validation") for repeat in range(3))
    assert one.same_validation == same == all(np.array_equal(first, other) for other in others)
    alike = replace(one, splits=(one.splits[0],) * 3)
    assert alike.same_validation, "whatever made them so"
    heard, seen = [], result.judge
    monkeypatch.setattr(result, "judge", lambda *a, **k: heard.append(k["same_samples"]) or seen(*a, **k))
    ends = []
    for value in (same, not same):
        monkeypatch.setattr(Prepared, "same_validation", value)
        run = ep.fit(ep.MLP(4), X, Y, progress=False, **options)
        ends.append(run.metrics["validation"]["loss"].ci95)
        assert (
            criteria_of(TrialRunner(prepare_shared(ep.MLP(4), (X, Y), Settings(**options)))).samples > 0
        ) == value
    assert heard == [same, not same] and ends[0] != ends[1]
