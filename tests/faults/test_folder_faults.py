"""Faults: death, power cuts and full disks while a run is put into its folder; damage to any of its files."""

from __future__ import annotations

import errno
import functools
import os
import shutil

import numpy as np
import pytest

import disks
import epochal as ep
from disks import CUTS, Death
from epochal.common.metric_names import higher_is_better
from epochal.errors import Refusal, SaveFailed
from epochal.runs import disk, load, load_record, publish, save
from epochal.runs.checkpoints import CheckpointFile, Checkpoints, find, newest
from epochal.runs.checksummed_json import seal
from epochal.runs.run_files import check_files, listed, read_run
from helpers import read_json, write_json

RANDOM = np.random.default_rng(4)
DATA = (RANDOM.normal(size=(30, 3)).astype(np.float32), RANDOM.normal(size=30).astype(np.float32))


@functools.cache
def run(test=0.0):
    """Two runs; the files of the second are some more."""
    return ep.fit(
        ep.MLP(4), DATA, batch_size=8, epochs=1 + bool(test), metrics=(), test=test, standardize=True
    )


class Disk(disks.Disk):
    """Takes 2,000 bytes at once: that it may take a part is tried with checkpoints, which have fewer."""

    part = 2000


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """What is checked here is the order of things; nothing has to last longer than a test."""
    flush = disk._flush
    monkeypatch.setattr(disk, "_flush", lambda descriptor: None if disk.os is os else flush(descriptor))


@pytest.fixture
def folder(tmp_path):
    """The folder of a training with a checkpoint."""
    path = tmp_path / "run"
    path.mkdir()
    (path / "request.json").write_text(seal({}))
    Checkpoints(path, {"seed": 1}).save(10, [CheckpointFile("repeats-0", {"x": np.arange(4.0)}, {})])
    return path


def held(folder):
    """The epochs of the run that a folder holds, whole; 0 where it has not ended."""
    if not (folder / "run.json").exists():
        goes_on = r"has not ended: it has no run.json. ep\.resume\(.*\) goes on"
        again = r"was ended before its first checkpoint: .* ep\.resume\(.*\) begins it again"
        with pytest.raises(Refusal, match=goes_on if find(folder) else again):
            load(folder)
        return 0
    document = read_run(folder)
    check_files(folder, listed(folder, document), parameters=True)
    return document["settings"]["epochs"]


def operations(monkeypatch, folder, work, **options):
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", counted := Disk(folder, **options))
        work()
    return counted.done


def deaths(done):
    """At every operation from the first that others can see, and now and then while files are written."""
    seen = min(done.index(name) for name in ("unlink", "replace", "rename") if name in done)
    return [at for at in range(len(done)) if at % 6 == 0 or at >= seen - 4]


def copy_of(folder, name):
    return shutil.copytree(folder, folder.with_name(str(name)))


@pytest.mark.parametrize("before", [False, True])
def test_death_at_every_operation_leaves_a_run_that_is_whole_or_has_not_ended(folder, monkeypatch, before):
    """The first results of a training, and others in the place of earlier ones, whose files are some more."""
    if before:
        publish(run(0.2), folder)
    allowed = {2, 0, 1} if before else {0, 1}
    seen = set()
    counted = copy_of(folder, "count")
    done = operations(monkeypatch, counted, lambda: publish(run(), counted))
    for at in deaths(done):
        copy = copy_of(folder, at)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", failing := Disk(copy, at))
            with pytest.raises(Death):
                publish(run(), copy)
        for number, cut in enumerate(CUTS):
            left = failing.left(cut, folder.with_name(f"{at}-{number}"))
            seen.add(held(left))
            assert newest(left)[0].updates == 10
            if at % 4 == number:
                publish(run(), left)
                assert held(left) == 1
                assert {path.name for path in left.iterdir()} == {path.name for path in counted.iterdir()}
    assert seen == allowed


def test_what_was_reported_as_written_outlives_a_power_cut(folder, tmp_path, monkeypatch):
    place = tmp_path / "new"
    place.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", first := Disk(folder))
        publish(run(), folder)
        patch.setattr(disk, "os", second := Disk(place))
        save(run(), place / "a" / "run")
    for number, cut in enumerate(CUTS):
        assert held(first.left(cut, tmp_path / f"first-{number}")) == 1
        assert held(second.left(cut, tmp_path / f"second-{number}") / "a" / "run") == 1


@pytest.mark.parametrize("lasting", [False, True])
def test_a_full_disk_at_every_operation_leaves_the_checkpoints(folder, monkeypatch, lasting):
    only = (
        ("open", "write", "mkdir")
        if lasting
        else ("open", "write", "mkdir", "fsync", "close", "replace", "rename")
    )
    counted = copy_of(folder, "count")
    done = operations(monkeypatch, counted, lambda: publish(run(), counted), only=only)
    for at in range(int(lasting), len(done), 2):
        copy = copy_of(folder, at)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", Disk(copy, at, errno.ENOSPC, only, lasting))
            with pytest.raises(SaveFailed) as failed:
                publish(run(), copy)
        words = "there is no space left on the disk; its checkpoints are kept."
        assert str(failed.value) == f'the results can\'t be written to "{copy}": {words}'
        assert held(copy) in (0, 1) and newest(copy)[0].updates == 10
        assert not list(copy.glob(".result-*"))
        publish(run(), copy)
        assert held(copy) == 1


def test_death_at_every_operation_leaves_a_new_folder_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "count").mkdir()
    done = operations(monkeypatch, tmp_path / "count", lambda: save(run(), tmp_path / "count" / "run"))
    for at in deaths(done):
        place = tmp_path / f"{at}"
        place.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", failing := Disk(place, at))
            with pytest.raises(Death):
                save(run(), place / "run")
        for number, cut in enumerate(CUTS):
            left = failing.left(cut, tmp_path / f"{at}-{number}")
            if (left / "run").exists():
                assert held(left / "run") == 1
            else:
                save(run(), left / "run")


def test_a_full_disk_at_every_operation_leaves_nothing_of_a_new_folder(tmp_path, monkeypatch):
    (tmp_path / "count").mkdir()
    only = ("open", "write", "mkdir", "fsync", "close", "rename")
    counted = tmp_path / "count"
    done = operations(monkeypatch, counted, lambda: save(run(), counted / "a" / "run"), only=only)
    for at in range(len(done)):
        place = tmp_path / f"{at}"
        place.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", Disk(place, at, errno.ENOSPC, only))
            with pytest.raises(Refusal, match="there is no space left on the disk; nothing was written"):
                save(run(), place / "a" / "run")
        assert list(place.iterdir()) == []


# Damage -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return save(run(0.2), tmp_path_factory.mktemp("kept") / "run", report=True)


NAMES = (
    *("metrics.parquet", "split.parquet", "predictions-validation.parquet", "predictions-test.parquet"),
    *("best.safetensors", "last.safetensors", "scaling.safetensors"),
)


def test_the_list_is_of_all_files(kept):
    listed = read_run(kept)["files"]
    assert set(listed) == {*NAMES, "report.html"}
    assert {path.name for path in kept.iterdir()} == {*listed, "run.json"}
    for name, written in listed.items():
        assert disk.measure(kept / name).to_dict() == written


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_bit_in_any_file_is_noticed(kept, tmp_path, name):
    copy = shutil.copytree(kept, tmp_path / "run")
    content = (copy / name).read_bytes()
    size = len(content)
    for at in {0, 3, 9, *range(0, size, max(1, size // 20)), size - 1}:
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        (copy / name).write_bytes(changed)
        for read in (load,) if "safetensors" in name else (load, load_record):
            with pytest.raises(Refusal) as refused:
                read(copy)
            assert str(refused.value) == (
                f'"{copy / name}" is damaged: its content is not what was written (SHA-256).'
            )
    (copy / name).write_bytes(content)
    load(copy)


def test_one_flipped_bit_anywhere_in_run_json_is_noticed(kept, tmp_path):
    content = (kept / "run.json").read_bytes()
    for at in range(0, len(content), 29):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        (tmp_path / "run.json").write_bytes(changed)
        with pytest.raises(Refusal):
            read_run(tmp_path)


@pytest.mark.parametrize("name", [*NAMES, "run.json"])
def test_a_zeroed_tail_is_noticed(kept, tmp_path, name):
    copy = shutil.copytree(kept, tmp_path / "run")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-2] + b"\0\0" if content[-2:] != b"\0\0" else content[:-9] + bytes(9))
    if (copy / name).read_bytes() != content:
        with pytest.raises(Refusal, match="damaged"):
            load(copy)


def test_a_page_that_is_another_or_gone_is_no_reason_not_to_load(kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "run")
    (copy / "report.html").write_text("mine")
    load(copy)
    (copy / "report.html").unlink()
    load(copy)


def test_a_file_of_another_run_is_not_taken_for_one_of_this(kept, tmp_path):
    copy = save(run(), tmp_path / "run")
    shutil.copy(kept / "predictions-test.parquet", copy)
    with pytest.raises(Refusal, match=r"it has predictions-test.parquet, which run.json does not list"):
        load_record(copy)


def test_parameters_that_are_damaged_start_no_training(kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "run")
    ep.fit(ep.MLP(4), DATA, batch_size=8, epochs=1, metrics=(), initial=copy)
    content = bytearray((copy / "best.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "best.safetensors").write_bytes(content)
    for initial in (copy, copy / "best.safetensors"):
        with pytest.raises(Refusal, match="its content is not what was written"):
            ep.fit(ep.MLP(4), DATA, batch_size=8, epochs=1, metrics=(), initial=initial)
    shutil.copy(copy / "best.safetensors", tmp_path / "mine.safetensors")
    ep.fit(ep.MLP(4), DATA, batch_size=8, epochs=1, metrics=(), initial=tmp_path / "mine.safetensors")


def test_a_folder_cannot_turn_round_what_every_process_knows(tmp_path):
    path = save(run(), tmp_path / "run")
    document = read_json(path / "run.json")
    document["settings"]["own_metrics"] = dict.fromkeys(("loss", "rmse"), "higher is better")
    write_json(path / "run.json", document)
    load_record(path)
    assert not higher_is_better("validation.loss")
    assert not higher_is_better("validation.rmse")
