"""Faults: a full disk, a folder that exists, damaged files; each is a sentence and never a traceback."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.errors import Refusal
from epochal.run import folder as module
from epochal.run import load, save

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(30, 3)).astype(np.float32)
Y = (X[:, 0] * 10 + RANDOM.normal(size=30)).astype(np.float32)


@functools.cache
def run():
    return ep.fit(ep.MLP(4), (X, Y), batch_size=8, epochs=2, repeats=2, standardize=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return save(run(), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def copy(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "run")


def sentence(refused):
    text = str(refused.value)
    assert text.endswith(".") and "\n" not in text, text
    assert "Traceback" not in text
    return text


# Writing ----------------------------------------------------------------------------------------------------


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("when", ["first", "middle", "last", "sync", "rename"])
def test_a_full_disk_leaves_nothing_behind(monkeypatch, tmp_path, when):
    target = {
        "first": (module, "_write_tensors"),
        "middle": (pq, "write_table"),
        "last": (module, "_document"),
        "sync": (module, "_sync"),
        "rename": (os, "rename"),
    }[when]
    monkeypatch.setattr(*target, full_disk)
    with pytest.raises(Refusal) as refused:
        save(run(), tmp_path / "run")
    monkeypatch.undo()
    path = tmp_path / "run"
    assert sentence(refused) == f'there is no space left for the run folder "{path}"; nothing was written.'
    assert list(tmp_path.iterdir()) == []
    assert save(run(), path) == path, "and when there is space again, it works"


def test_an_interrupt_while_writing_leaves_nothing_behind(monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_document", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(run(), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal) as refused:
        save(run(), path)
    assert (
        sentence(refused)
        == f'the run folder "{path}" exists already; name another one with --out, or remove it.'
    )
    assert [file.name for file in path.iterdir()] == ["mine.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal) as refused:
        save(run(), tmp_path / "file" / "run")
    assert "can't be written" in sentence(refused)


# Reading ----------------------------------------------------------------------------------------------------


def test_what_is_no_run_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Refusal) as refused:
            load(path)
        assert "is not a run folder: it has no run.json" in sentence(refused)


FILES = (
    "run.json",
    "metrics.parquet",
    "split.parquet",
    "best.safetensors",
    "last.safetensors",
    "scaling.safetensors",
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.5, 0.98])
def test_a_truncated_file_is_named_as_damage(copy, name, share):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert "damaged" in sentence(refused)


@pytest.mark.parametrize("name", [name for name in FILES if name != "run.json"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert sentence(refused) == f'the run folder "{copy}" lacks {name}.'


def loads_or_is_refused(folder):
    try:
        load(folder)
    except Refusal as error:
        return str(error).endswith(".")
    return True


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, [None], -1.5])
def test_any_part_of_the_document_may_be_wrong(kept, copy, value):
    """Each entry in turn is replaced; the folder loads or is refused in a sentence."""
    document = json.loads((kept / "run.json").read_text())
    for name in document:
        (copy / "run.json").write_text(json.dumps({**document, name: value}))
        assert loads_or_is_refused(copy), name
    for name in ("plan", "task", "data", "settings"):
        for inner in document[name]:
            changed = {**document, name: {**document[name], inner: value}}
            (copy / "run.json").write_text(json.dumps(changed))
            assert loads_or_is_refused(copy), f"{name}.{inner}"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "{}", "\x00", '{"format": "1"}'])
def test_a_document_that_is_none_is_refused(copy, text):
    (copy / "run.json").write_text(text)
    with pytest.raises(Refusal) as refused:
        load(copy)
    sentence(refused)


def test_bytes_that_are_no_text_are_refused(copy):
    (copy / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert "damaged" in sentence(refused)


def test_a_run_of_a_later_version_is_refused(copy):
    document = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**document, "format": 99}))
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert sentence(refused) == f'"{copy}" has run format 99; this version of epochal reads {module.FORMAT}.'


def test_a_model_that_does_not_fit_the_run_is_refused(copy):
    with pytest.raises(Refusal) as refused:
        load(copy, model=ep.MLP(5, outputs=1))
    assert "the model does not fit the run: params/0/" in sentence(refused)
    with pytest.raises(Refusal) as refused:
        load(copy, model=ep.MLP(4, 4, outputs=1))
    sentence(refused)


def test_new_data_of_another_width_and_unknown_parameters_are_refused():
    with pytest.raises(Refusal) as refused:
        run().predict(X[:, :2])
    sentence(refused)
    with pytest.raises(Refusal) as refused:
        run().predict(X, parameters="first")
    assert sentence(refused) == 'parameters must be "best" or "last"; got "first".'
