"""Faults: shapes and values that a built-in network can't take, and run folders that lie about one."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.runs import save
from helpers import read_json, write_json

LABELS = np.arange(20) % 2


def fit(network, inputs, **options):
    return ep.fit(network, (inputs, LABELS), batch_size=10, epochs=1, metrics=(), validation=0, **options)


def tokens(values):
    data = ep.load_data((np.zeros((20, 4), np.float32), LABELS))
    return dataclasses.replace(data, inputs=np.asarray(values))


SHAPES = {
    "kernel larger than the image": (
        ep.CNN(2, kernel=7, padding="valid"),
        (20, 6, 6),
        "samples of shape (6, 6) are too small for 1 convolutions with kernel=7, stride=1, pool=2: at "
        "convolution 1, a window of 7 x 7 must fit into what it slides over, 6 x 6; got 7 > 6.",
    ),
    "too small for the poolings": (ep.CNN(2, 2, 2), (20, 6, 6), "at convolution 3, a window of 2 x 2 must"),
    "features for an image network": (ep.CNN(2), (20, 6), "a CNN of 2 axes needs samples of shape (height"),
    "an image for an axis of time": (ep.CNN(2, axes=1), (20, 4, 4, 3), "(time, features); got (4, 4, 3)"),
    "an image for a recurrence": (ep.LSTM(3), (20, 4, 4, 3), "LSTM needs samples of shape (time, features)"),
    "numbers for a text": (ep.TextClassifier(3), (20, 4), "needs token ids (int32); got float32"),
}


@pytest.mark.parametrize(("network", "shape", "words"), SHAPES.values(), ids=SHAPES)
def test_shapes_that_can_not_work_are_refused(network, shape, words):
    with pytest.raises(ep.Refusal) as refusal:
        fit(network, np.zeros(shape, np.float32) + LABELS.reshape(-1, *[1] * (len(shape) - 1)))
    assert words in str(refusal.value)
    assert str(refusal.value).count("\n") == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ep.CNN(), "at least 1 convolution"),
        (lambda: ep.CNN(0), "filters must be a whole number, at least 1; got 0"),
        (lambda: ep.CNN(2, kernel=2.5), "kernel must be a whole number"),
        (lambda: ep.CNN(2, dense=8), "dense must be the units"),
        (lambda: ep.CNN(2, padding="full"), 'padding must be "same" or "valid"'),
        (lambda: ep.CNN(2, axes=3), "axes must be 2 (images) or 1 (sequences); got 3"),
        (lambda: ep.CNN(2, activation="rely"), 'did you mean "relu"'),
        (lambda: ep.LSTM(0), "units must be a whole number"),
        (lambda: ep.GRU(3, dropout=1), "dropout must be at least 0 and less than 1; got 1"),
        (lambda: ep.LSTM(3, layers=True), "layers must be a whole number"),
        (lambda: ep.TextClassifier(kind="men"), 'did you mean "mean"'),
        (lambda: ep.TextClassifier(vocabulary=1), "vocabulary must be a whole number, at least 2"),
        (lambda: ep.nn.max_pool(jnp.zeros((1, 3, 3, 1)), (4, 4)), "a window of 4 x 4 must fit"),
    ],
)
def test_settings_that_can_not_work_are_refused(make, words):
    with pytest.raises(ep.Refusal) as refusal:
        make()
    assert words in str(refusal.value)


def test_token_ids_out_of_range_are_refused_in_every_part():
    ids = np.tile(np.arange(4, dtype=np.int32), (20, 1))
    fitting = {"batch_size": 10, "epochs": 1}
    with pytest.raises(ep.Refusal, match=r"token ids must be less than 3 .the vocabulary.; got 3"):
        ep.fit(ep.TextClassifier(2, vocabulary=3), tokens(ids), **fitting)
    with pytest.raises(ep.Refusal, match=r"token ids must be at least 0 .padding.; got -1"):
        ep.fit(ep.TextClassifier(2), tokens(ids - 1), **fitting)


@pytest.mark.parametrize("network", [ep.MLP(2), ep.LSTM(2), ep.GRU(2), ep.CNN(2, axes=1)], ids=repr)
def test_token_ids_are_no_quantities(network):
    with pytest.raises(ep.Refusal, match=rf"{type(network).__name__} needs numbers; got token ids \(int32\)"):
        ep.fit(network, tokens(np.ones((20, 4), np.int32)), batch_size=10, epochs=1)


LIES = {
    "more layers than arrays": ({"kind": "lstm", "units": 3, "layers": 10**9}, "1,000,000,001 layers"),
    "another size": ({"kind": "lstm", "units": 10**6, "layers": 1}, "must be"),
    "a size that is none": ({"kind": "lstm", "units": "3", "layers": 1}, "units must be a whole number"),
    "a setting that is none": ({"kind": "lstm", "unit": 3}, "damaged"),
    "another network": ({"kind": "cnn", "filters": [3] * 10}, "the file has"),
    "no list": ({"kind": "cnn", "filters": 3}, "damaged"),
    "an unhashable kind": ({"kind": ["cnn"]}, "own"),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    series = np.random.default_rng(0).normal(size=(20, 3, 2)).astype(np.float32)
    return save(fit(ep.LSTM(3), series), tmp_path_factory.mktemp("kept") / "run")


@pytest.mark.parametrize(("settings", "words"), LIES.values(), ids=LIES)
def test_a_folder_that_lies_about_its_network_is_refused(kept, settings, words):
    file = kept / "run.json"
    before = file.read_text()
    document = read_json(file)
    document["settings"]["model"] = settings
    try:
        write_json(file, document)
        with pytest.raises(ep.Refusal) as refusal:
            ep.load(kept)
    finally:
        file.write_text(before)
    assert words in str(refusal.value)
