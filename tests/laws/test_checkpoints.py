"""Law 4 (Resume), on disk: a checkpoint gives back what it was given, and the newest sound one is found."""

from __future__ import annotations

import json
import math

import ml_dtypes
import numpy as np
import pytest

from epochal.errors import Refusal
from epochal.runs.checkpoints import CheckpointFile, Checkpoints, find, newest
from epochal.runs.run_folder import SaveOptions
from helpers import assert_same_bits

IDENTITY = {"seed": 1, "samples": 53, "fingerprint": "ab"}


def piece(updates, name="repeats-0"):
    random = np.random.default_rng(updates)
    tensors = {
        "0/params/kernel": random.normal(size=(3, 4)).astype(np.float32),
        "0/params/half": random.normal(size=5).astype(ml_dtypes.bfloat16),
        "0/count": np.int64(updates),
        "empty": np.zeros((0, 3), np.uint8),
    }
    return CheckpointFile(name, tensors, {"updates": updates, "curve": [0.1, updates / 3]})


def same(found, wanted):
    assert found.name == wanted.name
    assert dict(found.about) == dict(wanted.about)
    assert found.tensors.keys() == wanted.tensors.keys()
    for name, value in wanted.tensors.items():
        assert_same_bits(found.tensors[name], np.asarray(value))
        assert found.tensors[name].dtype == np.asarray(value).dtype


def updates_in(folder):
    return [int(path.name) for path in find(folder)]


def test_what_is_saved_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    assert checkpoints.newest() == (None, ())
    pieces = (piece(1), piece(2, "repeats-1"))
    path = checkpoints.save(200, pieces, value=0.5)
    assert path == tmp_path / "checkpoints" / "200"
    found, passed_over = Checkpoints(tmp_path, IDENTITY).newest()
    assert (found.path, found.updates, found.fingerprint) == (path, 200, IDENTITY)
    assert passed_over == ()
    for one, wanted in zip(found.files, pieces, strict=True):
        same(one, wanted)


def test_the_last_two_the_best_and_every_third_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY, keep_every=3)
    for number, value in enumerate([5.0, 1.0, 3.0, math.nan, 4.0, 3.5, None, 2.0], start=1):
        checkpoints.save(10 * number, [piece(number)], value)
    assert updates_in(tmp_path) == [80, 70, 60, 30, 20]
    again = Checkpoints(tmp_path, IDENTITY, keep_every=3)
    again.save(90, [piece(9)], 0.5)
    assert updates_in(tmp_path) == [90, 80, 60, 30], "numbers and values outlive the writer"


def test_a_piece_that_stays_the_same_is_linked_and_never_to_its_neighbor(tmp_path):
    checkpoints, ended = Checkpoints(tmp_path, IDENTITY), piece(1, "ended")
    inodes = [
        (checkpoints.save(at, [ended, piece(at)]) / "ended.safetensors").stat().st_ino for at in range(1, 7)
    ]
    assert inodes[0] == inodes[2] == inodes[4] != inodes[1] == inodes[3] == inodes[5]
    same(checkpoints.newest()[0].files[0], ended)
    again = Checkpoints(tmp_path, IDENTITY)
    ended = again.newest()[0].files[0]
    links = [(again.save(at, [ended]) / "ended.safetensors").stat().st_ino for at in range(7, 10)]
    assert links[1] == inodes[5] and links[0] == links[2]


def test_the_same_updates_are_not_written_twice(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    path = checkpoints.save(200, [piece(1)])
    before = (path / "manifest.json").stat().st_ino
    checkpoints.save(200, [piece(2)])
    assert (path / "manifest.json").stat().st_ino == before
    Checkpoints(tmp_path, {**IDENTITY, "seed": 2}).save(200, [piece(2)])
    same(newest(tmp_path)[0].files[0], piece(2))


def test_a_reader_needs_no_writer_and_changes_nothing(tmp_path):
    Checkpoints(tmp_path, IDENTITY).save(200, [piece(1)])
    (tmp_path / "checkpoints" / "tmp-300-ab").mkdir()
    assert newest(tmp_path)[0].updates == 200
    assert (tmp_path / "checkpoints" / "tmp-300-ab").is_dir()
    Checkpoints(tmp_path, IDENTITY)
    assert not (tmp_path / "checkpoints" / "tmp-300-ab").exists()


@pytest.mark.parametrize("name", ["", "A", "a/b", "../a", "a.b", "a" * 101])
def test_a_piece_has_a_name_that_is_no_path(tmp_path, name):
    with pytest.raises(ValueError, match="names of their own"):
        Checkpoints(tmp_path, IDENTITY).save(1, [piece(1, name)])


def test_keep_every_is_at_least_one(tmp_path):
    with pytest.raises(Refusal, match="keep_every must be a whole number, at least 1, or None; got 0"):
        SaveOptions(tmp_path / "run", keep_every=0)


def test_identity_is_plain_data(tmp_path):
    Checkpoints(tmp_path, {"sizes": (1, 2), 3: "x"}).save(1, [piece(1)])
    assert newest(tmp_path)[0].fingerprint == json.loads(json.dumps({"sizes": (1, 2), 3: "x"}))
