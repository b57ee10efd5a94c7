"""Contract of `--network`: the samples' shape decides unless it is named, and foreign options are refused."""

from __future__ import annotations

import numpy as np
import pytest

from epochal.cli.networks import model, noted
from epochal.data import load

OPTIONS = ("network", "filters", "kernel", "pool", "dense", "units", "layers", "embedding", "text_by")
UNSAID = dict.fromkeys((*OPTIONS, "hidden", "activation", "model")) | {"dropout": 0.0, "batch_norm": False}
LABELS = np.arange(20) % 2
IRIS = load("example:iris")


def images(*shape):
    return load((np.zeros((20, *shape), np.uint8), LABELS))


@pytest.mark.parametrize(
    ("data", "given", "wanted"),
    [
        (IRIS, {}, "MLP(hidden=(64, 64)"),
        (IRIS, {"hidden": ()}, "MLP(hidden=()"),
        (images(8, 8), {}, "CNN(filters=(32, 64), kernel=3"),
        (images(8, 8, 3), {"filters": (4,), "dense": (), "pool": 1}, "CNN(filters=(4,)"),
        (images(3, 8), {}, "MLP("),
        (images(8, 8), {"network": "lstm", "units": 5, "layers": 2}, "LSTM(units=5, layers=2"),
        (images(8, 8), {"network": "gru"}, "GRU(units=64, layers=1"),
        (IRIS, {"network": "text", "text_by": "gru", "embedding": 3}, "TextClassifier(embedding=3"),
    ],
)
def test_the_shape_decides_unless_the_network_is_named(data, given, wanted):
    assert repr(model(UNSAID | given, data)).startswith(wanted)


def test_a_network_that_the_shape_decides_on_is_told():
    assert "network cnn" in noted(images(8, 8), UNSAID).notes[-1]
    assert noted(images(8, 8), UNSAID | {"network": "cnn"}).notes == images(8, 8).notes
    assert noted(IRIS, UNSAID) is IRIS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--filters", "8"], ["--filters belongs to --network cnn; got the network mlp, which the samples'"]),
        (
            ["--network", "lstm", "--hidden", "4"],
            ["--hidden belongs to --network mlp; got the network lstm."],
        ),
        (["--network", "cnn", "--units", "4"], ["--units belongs to --network lstm, gru or text"]),
        (["--network", "gru", "--batch-norm"], ["--batch-norm belongs to --network mlp or cnn"]),
        (["--network", "cn"], ['did you mean "cnn"']),
        (["--network", "cnn"], ["a CNN of 2 axes needs samples of shape (height, width)"]),
        (["--network", "text", "--text-by", "men"], ['did you mean "mean"']),
        (["--network", "cnn", "--filters", "8,x"], ["filters must be whole numbers, at least 1", '"8,x"']),
        (["--network", "cnn", "--model", "m:f"], ["--network belongs to a built-in network"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "compare"])
def test_options_that_do_not_belong_together_are_refused(refuse, command, options, words):
    refuse(command, "example:iris", *options, words=words)


def test_images_in_a_file_train_a_cnn_that_predicts(call, tmp_path):
    shades = np.random.default_rng(0).integers(0, 99, (20, 6, 6))
    np.savez(tmp_path / "shades.npz", X=(shades + 150 * LABELS[:, None, None]).astype(np.uint8), y=LABELS)
    small = ("--filters", "2", "--dense", "", "-e", "2", "-b", "8", "--no-report", "--json", "--out", "run")
    document = call("train", "shades.npz", *small).json
    assert (
        document["settings"]["model"] | {"kind": "cnn", "filters": [2], "dense": []}
        == document["settings"]["model"]
    )
    assert "network cnn" in " ".join(document["data"]["notes"])
    assert call("predict", "run", "shades.npz", "--json").json["rows"][0].keys() >= {"row"}
