"""Faults: a full disk, a folder that exists, damaged files; each is a sentence and never a traceback."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.errors import Refusal
from epochal.runs import checks, disk, load, load_record, loading, save, saving
from epochal.runs.run_files import FORMAT
from helpers import read_json, write_json

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
        "first": (saving, "write_tensors"),
        "middle": (pq, "write_table"),
        "last": (saving, "_document"),
        "sync": (disk, "sync"),
        "rename": (disk, "rename"),
    }[when]
    monkeypatch.setattr(*target, full_disk)
    with pytest.raises(Refusal) as refused:
        save(run(), tmp_path / "run")
    monkeypatch.undo()
    path = tmp_path / "run"
    assert sentence(refused) == (
        f'the run folder "{path}" can\'t be written: there is no space left on the disk; nothing was written.'
    )
    assert list(tmp_path.iterdir()) == []
    assert save(run(), path) == path, "and when there is space again, it works"


def test_an_interrupt_while_writing_leaves_nothing_behind(monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "_document", interrupt)
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
        == f'the run folder "{path}" exists already; name another one with out=PATH, or remove it.'
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


def loads_or_is_refused(folder, read=load):
    try:
        read(folder)
    except Refusal as error:
        return str(error).endswith(".")
    return True


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, [None], -1.5])
def test_any_part_of_the_document_may_be_wrong(kept, copy, value):
    """Each entry in turn is replaced; the folder loads or is refused in a sentence."""
    document = read_json(kept / "run.json")
    for name in document:
        write_json(copy / "run.json", {**document, name: value})
        assert loads_or_is_refused(copy), name
    for name in ("plan", "task", "data", "settings"):
        for inner in document[name]:
            changed = {**document, name: {**document[name], inner: value}}
            write_json(copy / "run.json", changed)
            assert loads_or_is_refused(copy), f"{name}.{inner}"


def places(value, path=()):
    """The way to each field of a document, of lists to the first item."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


@pytest.mark.parametrize("wrong", [None, "text", [None]])
def test_any_field_of_the_document_may_be_wrong(kept, copy, wrong):
    """However deep it lies: the folder loads or is refused in a sentence."""
    document = read_json(kept / "run.json")
    for path in places(document):
        changed = json.loads(json.dumps(document))
        field = changed
        for name in path[:-1]:
            field = field[name]
        if path:
            field[path[-1]] = wrong
            write_json(copy / "run.json", changed)
            assert loads_or_is_refused(copy, load_record), path


@pytest.mark.parametrize("where", ["check_run", "check_files", "read_scores", "_fitted"])
def test_an_error_of_the_program_is_no_damage(kept, monkeypatch, where):
    def wrong(*_, **__):
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(loading, where, wrong)
    with pytest.raises(TypeError, match="a mistake of ours"):
        load(kept)


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
    assert sentence(refused) == f'"{copy}" has run format 99; this version of epochal reads {FORMAT}.'


def test_a_model_that_does_not_fit_the_run_is_refused(copy):
    with pytest.raises(Refusal) as refused:
        load(copy, model=ep.MLP(5, outputs=1))
    assert "the model does not fit the run: params/0/" in sentence(refused)
    with pytest.raises(Refusal) as refused:
        load(copy, model=ep.MLP(4, 4, outputs=1))
    sentence(refused)


# A stranger's folder ----------------------------------------------------------------------------------------


def rewrite(folder, change):
    document = read_json(folder / "run.json")
    change(document)
    write_json(folder / "run.json", document)


def refused_with(folder, change, **given):
    rewrite(folder, change)
    with pytest.raises(Refusal) as refused:
        load(folder, **given)
    return sentence(refused)


def named(path):
    return lambda document: document["settings"].update(model={"kind": "import", "path": path})


def test_what_a_folder_names_is_never_imported(copy, tmp_path, monkeypatch):
    """A module beside the folder would leave a mark when imported; `subprocess.call` must not be called."""
    (tmp_path / "marks_itself.py").write_text("open('mark', 'w').close()\ndef f(*_): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(subprocess, "call", lambda *_: pytest.fail("called"))
    for path in ("subprocess:call", "marks_itself:f"):
        assert refused_with(copy, named(path)) == (
            f"the run was trained with the model {path} of your own; name it again: "
            f'ep.load(..., model="{path}").'
        )
        assert load_record(copy).model is None, "the record needs no model"
        load(copy, model=ep.MLP(4))
    assert not (tmp_path / "mark").exists() and "marks_itself" not in sys.modules


def test_the_model_that_the_caller_names_is_imported_not_the_file_s(copy, tmp_path, monkeypatch):
    (tmp_path / "my_own_model.py").write_text(
        "import epochal\ndef make(inputs, outputs):\n    assert (inputs, outputs) == (3, 1)\n"
        "    return epochal.MLP(4)\ndef wrong(inputs, outputs):\n    raise OSError('no\\nway')\nnumber = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(subprocess, "call", lambda *_: pytest.fail("called"))
    rewrite(copy, named("subprocess:call"))
    loaded = load(copy, model="my_own_model:make")
    np.testing.assert_array_equal(loaded.predict(X).values, run().predict(X).values)
    for path, words in {
        "my_own_model:wrong": 'model "my_own_model:wrong" failed when called with (3, 1): OSError: no way.',
        "my_own_model:number": 'model "my_own_model:number" must be a function (inputs, outputs); got int.',
        "my_own_model": "model must be named as package.module:function",
    }.items():
        with pytest.raises(Refusal) as refused:
            load(copy, model=path)
        assert words in sentence(refused)


@pytest.mark.parametrize("path", ["a:b\n\x1b[2J", "a b:c", "../x:y", "x", 3, None, ["a:b"]])
def test_a_name_that_is_none_is_damage(copy, path):
    assert "settings.model.path must be package.module:function; got" in refused_with(copy, named(path))


SHAPES = [
    *(None, 3, "3", {}, [], [0], [-3], [3.0], ["3"], [True], [[3]], [None]),
    *([2**31 + 1], [2**16, 2**16], [10**30], [2] * 40, [1] * 33),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("read", [load, load_record])
def test_a_shape_that_no_sample_has_is_refused(copy, shape, read):
    rewrite(copy, lambda document: document["data"].update(shape=shape))
    with pytest.raises(Refusal) as refused:
        read(copy)
    assert "data.shape must be 1 to 32 whole numbers" in sentence(refused)


HUGE = {
    "units": lambda document: document["settings"]["model"].update(hidden=[10**30]),
    "layers": lambda document: document["settings"]["model"].update(hidden=[4] * 100_000),
    "layers that fit memory": lambda document: document["settings"]["model"].update(hidden=[2**20, 2**20]),
    "no layers": lambda document: document["settings"]["model"].update(hidden=[]),
    "units below 1": lambda document: document["settings"]["model"].update(hidden=[-4]),
    "units in words": lambda document: document["settings"]["model"].update(hidden="4"),
    "outputs": lambda document: document["settings"]["model"].update(outputs=10**12),
    "outputs in words": lambda document: document["settings"]["model"].update(outputs="many"),
    "batch norm": lambda document: document["settings"]["model"].update(batch_norm=True),
    "dropout": lambda document: document["settings"]["model"].update(dropout=10**400),
    "inputs": lambda document: document["data"].update(shape=[2**31]),
    "targets": lambda document: document["task"].update(targets=10**12),
    "targets below 1": lambda document: document["task"].update(targets=0),
    "confusion": lambda document: document["scores"]["validation"].update(confusion=[[10**40]]),
    "figures": lambda document: document["scores"]["validation"]["metrics"]["loss"].update(
        per_repeat=[10**400]
    ),
    "control characters": lambda document: document["plan"].update(order="\x1b[2J\nshuffle"),
}


@pytest.mark.parametrize("what", HUGE)
def test_a_header_can_not_make_the_reader_allocate_or_fail(copy, what):
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sentence_is_plain(refused_with(copy, HUGE[what]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin < 200_000, "kilobytes"


def sentence_is_plain(text):
    return text.isprintable() and len(text) < 600


def test_deep_nesting_is_damage(copy):
    (copy / "run.json").write_text("[" * 200_000)
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert "damaged" in sentence(refused)


@pytest.mark.parametrize("part", ["../../validation", "/etc/validation", "train", "", "test\n"])
def test_a_part_never_becomes_a_path(copy, part, tmp_path):
    def change(document):
        document["scores"] = {part: document["scores"]["validation"]}

    assert "scores must be of validation or test; got " in refused_with(copy, change)
    odd = dataclasses.replace(run(), scores={part: run().scores["validation"]})
    with pytest.raises(Refusal) as refused:
        save(odd, tmp_path / "odd")
    assert "scores must be of validation or test" in sentence(refused)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["split.parquet", "metrics.parquet", "predictions-validation.parquet"])
def test_a_short_table_of_very_many_rows_is_refused(copy, name, monkeypatch):
    monkeypatch.setattr(checks, "_MOST", pq.ParquetFile(copy / name).metadata.num_rows)
    with pytest.raises(Refusal) as refused:
        checks.read_table(copy, name)
    assert f"{name} must hold at most 2^31 values" in sentence(refused)


@pytest.mark.parametrize("name", ["best.safetensors", "metrics.parquet"])
def test_a_device_is_no_file_of_a_run(copy, name):
    (copy / name).unlink()
    (copy / name).symlink_to("/dev/zero")
    with pytest.raises(Refusal) as refused:
        load(copy)
    assert sentence(refused) == f'the run folder "{copy}" lacks {name}.'


def test_new_data_of_another_width_and_unknown_parameters_are_refused():
    with pytest.raises(Refusal) as refused:
        run().predict(X[:, :2])
    sentence(refused)
    with pytest.raises(Refusal) as refused:
        run().predict(X, parameters="first")
    assert sentence(refused) == 'parameters must be "best" or "last"; got "first".'
