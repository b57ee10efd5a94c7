"""Faults: death, power cuts, full disks and damage, at every operation and every byte of a checkpoint.

Whatever happens, the newest checkpoint that verifies is the last one whose saving was reported, or the one
that was being saved, with the bits that it was given.
"""

from __future__ import annotations

import errno
import os
import shutil

import numpy as np
import pytest

from disks import CUTS, Death, Disk
from epochal.errors import Refusal, SaveFailed
from epochal.runs import disk
from epochal.runs.checkpoints import CheckpointFile, Checkpoints, check, find, newest
from epochal.runs.run_folder import locked
from helpers import read_json, write_json

IDENTITY = {"seed": 1}
ENDED = CheckpointFile("ended", {"x": np.arange(3.0)}, {"updates": 5})
VALUES = {10: 3.0, 20: 1.0, 30: 2.0, 40: 2.5, 50: 0.5}


def pieces(updates):
    """A stack that has ended and stays the same, and one that moves."""
    kernel = np.random.default_rng(updates).normal(size=(5, 9)).astype(np.float32)
    return [
        ENDED,
        CheckpointFile("moving", {"kernel": kernel, "n": np.int64(updates)}, {"curve": [updates / 3]}),
    ]


def train(folder, to, saved):
    """Go on from the newest checkpoint, as a training does; `saved` holds what was reported as saved."""
    checkpoints = Checkpoints(folder, IDENTITY, keep_every=4)
    found, _ = checkpoints.newest()
    for updates in range(10 if found is None else found.updates + 10, to + 1, 10):
        mine = pieces(updates)
        checkpoints.save(updates, mine if found is None else [found.files[0], mine[1]], VALUES[updates])
        saved.append(updates)


def assert_right(found):
    for piece, wanted in zip(found.files, pieces(found.updates), strict=True):
        assert (piece.name, dict(piece.about)) == (wanted.name, dict(wanted.about))
        assert piece.tensors.keys() == wanted.tensors.keys()
        for name, value in wanted.tensors.items():
            assert piece.tensors[name].tobytes() == np.asarray(value).tobytes()


def sound(folder, saved, to):
    """The newest is the last that was saved or the next one, right in every bit; and none is damaged."""
    found, passed_over = newest(folder)
    assert passed_over == ()
    last = saved[-1] if saved else 0
    at = 0 if found is None else found.updates
    assert at in (last, last + 10) and at <= to, (at, saved)
    if found is not None:
        assert_right(found)
    for path in find(folder):
        check(path)
    return at


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """What is checked here is the order of things; nothing has to last longer than a test."""
    flush = disk._flush
    monkeypatch.setattr(disk, "_flush", lambda descriptor: None if disk.os is os else flush(descriptor))


def new(path):
    path.mkdir()
    return path


def operations(monkeypatch, folder, work):
    """The operations that a piece of work takes."""
    with monkeypatch.context() as patch:
        counted = Disk(folder)
        patch.setattr(disk, "os", counted)
        work()
    return counted.done


def dies(monkeypatch, folder, at, work):
    """Do the work until the process dies at one operation."""
    with monkeypatch.context() as patch:
        failing = Disk(folder, at)
        patch.setattr(disk, "os", failing)
        with pytest.raises(Death):
            work()
    return failing


def words(error):
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text, text
    return text


# Death ------------------------------------------------------------------------------------------------------


def test_death_at_every_operation_loses_nothing_that_was_saved(tmp_path, monkeypatch):
    count = len(operations(monkeypatch, new(tmp_path / "count"), lambda: train(tmp_path / "count", 40, [])))
    assert count > 80
    for at in range(count):
        folder, saved = new(tmp_path / f"{at}"), []
        failing = dies(monkeypatch, folder, at, lambda folder=folder, saved=saved: train(folder, 40, saved))
        for number, cut in enumerate(CUTS):
            left = failing.left(cut, tmp_path / f"{at}-{number}")
            reached = sound(left, saved, 40)
            if number == at % len(CUTS):
                train(left, 50, resumed := [reached])
                assert sound(left, resumed, 50) == 50
                assert {path.name for path in (left / "checkpoints").iterdir()} == {"50", "40"}


def test_death_while_recovering_from_death_loses_nothing_either(tmp_path, monkeypatch):
    """After a death in the middle of a manifest, in the middle of a removal, and before the last rename."""
    done = operations(monkeypatch, new(tmp_path / "count"), lambda: train(tmp_path / "count", 40, []))
    renames = [at for at, name in enumerate(done) if name == "rename"]
    for first in (renames[-1] - 6, done.index("unlink") + 1, renames[-1]):
        folder, saved = new(tmp_path / f"{first}"), []
        dies(monkeypatch, folder, first, lambda folder=folder, saved=saved: train(folder, 40, saved))
        again = shutil.copytree(folder, tmp_path / f"{first}-count")
        for at in range(len(operations(monkeypatch, again, lambda again=again: train(again, 40, [])))):
            copy = shutil.copytree(folder, tmp_path / f"{first}-{at}")
            more = [sound(copy, saved, 40)]
            failing = dies(monkeypatch, copy, at, lambda copy=copy, more=more: train(copy, 40, more))
            for number, cut in enumerate(CUTS):
                sound(failing.left(cut, tmp_path / f"{first}-{at}-{number}"), more, 40)


def test_death_while_a_damaged_checkpoint_is_replaced_loses_nothing(tmp_path, monkeypatch):
    folder = new(tmp_path / "run")
    train(folder, 30, [])
    flip(folder / "checkpoints" / "30" / "moving.safetensors", 100)
    again = shutil.copytree(folder, tmp_path / "count")
    for at in range(len(operations(monkeypatch, again, lambda: train(again, 40, [])))):
        copy, saved = shutil.copytree(folder, tmp_path / f"{at}"), [20]
        failing = dies(monkeypatch, copy, at, lambda copy=copy, saved=saved: train(copy, 40, saved))
        for number, cut in enumerate(CUTS):
            found, passed_over = newest(failing.left(cut, tmp_path / f"{at}-{number}"))
            assert found.updates in (saved[-1], saved[-1] + 10)
            assert_right(found)
            assert len(passed_over) <= (saved[-1] == 20)


# Errors -----------------------------------------------------------------------------------------------------

TAKES_SPACE = ("open", "write", "mkdir", "link", "rename", "fsync", "close")


@pytest.mark.parametrize("lasting", [False, True])
def test_a_full_disk_at_every_operation_leaves_the_last_checkpoint(tmp_path, monkeypatch, lasting):
    """Where it lasts, files can be removed at least; then there is space again, and the training goes on."""
    only = TAKES_SPACE[:4] if lasting else TAKES_SPACE
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", counted := Disk(new(tmp_path / "count"), only=only))
        train(tmp_path / "count", 40, [])
    for at in range(len(counted.done)):
        folder, saved = new(tmp_path / f"{at}"), []
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", Disk(folder, at, errno.ENOSPC, only, lasting))
            with pytest.raises((SaveFailed, Refusal)) as failed:
                train(folder, 40, saved)
        assert "there is no space left on the disk" in words(failed)
        assert failed.type is SaveFailed or not saved
        sound(folder, saved, 40)
        assert not list(folder.glob("checkpoints/tmp-*")), "what is half written takes no space"
        train(folder, 40, saved)
        assert sound(folder, saved, 40) == 40


@pytest.mark.parametrize("name", ["fsync", "close", "unlink", "rmdir", "rename"])
def test_an_error_of_any_operation_is_told_and_the_same_writer_goes_on(tmp_path, monkeypatch, name):
    for at in range(100):
        folder = new(tmp_path / f"{at}")
        checkpoints, saved, told = Checkpoints(folder, IDENTITY), [], []
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", failing := Disk(folder, at, errno.EIO, (name,)))
            for updates in (10, 20, 30, 40):
                try:
                    checkpoints.save(updates, pieces(updates))
                    saved.append(updates)
                except SaveFailed as error:
                    told.append(str(error))
                found, passed_over = newest(folder)
                assert (passed_over == () and found is not None) or not saved
                if found is not None:
                    assert found.updates in (saved[-1] if saved else 10, updates)
                    assert_right(found)
        if at >= len(failing.done):
            assert at > 0 and saved == [10, 20, 30, 40]
            return
        assert len(saved) == 3 and sound(folder, saved, 50)
        assert [text for text in told if "input/output error" in text and text.endswith(".")] == told
    pytest.fail("there is no end to it")


def test_a_folder_that_is_read_only_is_refused_in_a_sentence(tmp_path, monkeypatch):
    train(tmp_path, 20, [])
    monkeypatch.setattr(disk, "os", Disk(tmp_path, 0, errno.EROFS, lasting=True))
    with pytest.raises(SaveFailed) as failed:
        Checkpoints(tmp_path, IDENTITY).save(30, pieces(30))
    assert "read-only file system; earlier checkpoints are kept" in words(failed)
    assert newest(tmp_path)[0].updates == 20, "reading writes nothing"
    with pytest.raises(Refusal) as refused, locked(tmp_path):
        pytest.fail("locked")
    assert words(refused) == f'the run folder "{tmp_path}" can\'t be written: read-only file system.'
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(Refusal) as refused:
        Checkpoints(tmp_path, IDENTITY)
    assert words(refused) == f'the run folder "{tmp_path}" can\'t be written: read-only file system.'


class LyingDisk(Disk):
    """One bit of one of the writes is another on the disk than it was in memory."""

    lies = 0

    def write(self, descriptor, data):
        content = bytearray(data[:200])
        if self.lies == 0:
            content[len(content) // 2] ^= 16
        self.lies -= 1
        return os.write(descriptor, content)


def test_what_the_disk_has_changed_is_found_before_anything_is_given_up(tmp_path, monkeypatch):
    for at in range(100):
        folder = new(tmp_path / f"{at}")
        checkpoints = Checkpoints(folder, IDENTITY)
        checkpoints.save(10, pieces(10))
        checkpoints.save(20, pieces(20))
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", lying := LyingDisk(folder))
            lying.lies, told = at, ""
            try:
                checkpoints.save(30, pieces(30))
            except SaveFailed as error:
                told = str(error)
        if lying.lies >= 0:
            assert at > 5 and sound(folder, [30], 30) == 30
            return
        assert "checkpoint 30 can't be read back as it was written" in told
        found, passed_over = newest(folder)
        assert (found.updates, passed_over) == (20, ())
        assert [path.name for path in find(folder)] == ["20", "10"]
    pytest.fail("there is no end to it")


# Links ------------------------------------------------------------------------------------------------------


def flip(file, at, bit=0):
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << bit
    with file.open("r+b") as opened:  # in place: other names of the file see it, too
        opened.write(content)


def test_a_copy_that_has_been_damaged_is_not_linked(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(10, pieces(10))
    checkpoints.save(20, pieces(20))
    flip(tmp_path / "checkpoints" / "10" / "ended.safetensors", 90)
    checkpoints.save(30, pieces(30))
    assert sound(tmp_path, [30], 30) == 30
    checkpoints.save(40, pieces(40))
    assert sound(tmp_path, [40], 40) == 40


@pytest.mark.parametrize("error", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP])
def test_where_there_are_no_links_there_are_copies(tmp_path, monkeypatch, error):
    monkeypatch.setattr(disk, "os", Disk(tmp_path, 0, error, ("link",), lasting=True))
    train(tmp_path, 50, saved := [])
    assert sound(tmp_path, saved, 50) == 50
    assert (tmp_path / "checkpoints" / "50" / "ended.safetensors").stat().st_nlink == 1


# Damage -----------------------------------------------------------------------------------------------------

FILES = ("manifest.json", "ended.safetensors", "moving.safetensors")


@pytest.fixture
def kept(tmp_path):
    """Two checkpoints, 20 and 30; the piece that stays the same has a copy of its own in each."""
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for updates in (10, 20, 30):
        checkpoints.save(updates, pieces(updates))
    return tmp_path / "checkpoints"


def falls_back(kept):
    found, passed_over = newest(kept.parent)
    assert found.updates == 20
    assert_right(found)
    (sentence,) = passed_over
    assert sentence.startswith("checkpoint 30 is passed over: ") and sentence.endswith("."), sentence
    with pytest.raises(Refusal):
        check(kept / "30")
    return sentence


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere_is_noticed(kept, name):
    file = kept / "30" / name
    for at in range(file.stat().st_size):
        flip(file, at, bit=at % 8)
        assert name in falls_back(kept), at
        flip(file, at, bit=at % 8)
    assert sound(kept.parent, [30], 30) == 30


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_short_or_zeroed_is_noticed(kept, name):
    file = kept / "30" / name
    whole = file.read_bytes()
    for size in (0, 4, 8, 20, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        falls_back(kept)
        file.write_bytes(whole[:size] + bytes(len(whole) - size))
        falls_back(kept)
    file.write_bytes(whole + b"\0")
    falls_back(kept)
    file.write_bytes(bytes(len(whole)))
    falls_back(kept)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_something_else_is_noticed(kept, name):
    file = kept / "30" / name
    file.rename(kept / "away")
    falls_back(kept)
    file.mkdir()
    falls_back(kept)
    file.rmdir()
    os.mkfifo(file)
    falls_back(kept)
    file.unlink()
    file.symlink_to("/dev/zero")
    falls_back(kept)
    file.unlink()
    shutil.copy(kept / "20" / name, file)
    if name != "ended.safetensors":
        falls_back(kept)


def test_a_file_too_many_is_never_read(kept):
    (kept / "30" / "more.safetensors").write_bytes(b"x")
    (kept / "30" / "folder").mkdir()
    (kept / "031").mkdir()
    (kept / "-1").mkdir()
    (kept / "notes.txt").write_text("")
    assert sound(kept.parent, [30], 30) == 30


def test_a_checkpoint_under_another_name_is_noticed(kept):
    (kept / "30").rename(kept / "40")
    found, passed_over = newest(kept.parent)
    assert found.updates == 20 and "it is of 30 updates, and its folder is not" in passed_over[0]


def test_where_all_are_damaged_that_is_said(kept):
    for updates in ("20", "30"):
        (kept / updates / "manifest.json").unlink()
    checkpoints = Checkpoints(kept.parent, IDENTITY)
    found, passed_over = checkpoints.newest()
    assert found is None and len(passed_over) == 2
    checkpoints.save(10, pieces(10))
    assert sound(kept.parent, [10], 10) == 10


def test_a_damaged_checkpoint_does_not_count_among_the_two_that_are_kept(kept):
    flip(kept / "30" / "moving.safetensors", 100)
    checkpoints = Checkpoints(kept.parent, IDENTITY)
    checkpoints.newest()
    checkpoints.save(25, pieces(25))
    assert [path.name for path in find(kept.parent)] == ["25", "20"]


def test_sizes_are_held_against_the_manifest_before_anything_is_read(kept, monkeypatch):
    os.truncate(kept / "30" / "moving.safetensors", 2**40)
    os.truncate(kept / "20" / "manifest.json", 2**40)
    monkeypatch.setattr(disk, "_CHUNK", 1 << 10)
    found, passed_over = newest(kept.parent)
    assert found is None and "must have at most" in passed_over[1] and "bytes; it has" in passed_over[0]


def test_times_say_nothing(kept):
    """The clock was set back: the newest checkpoint is the oldest file."""
    for path in (kept / "30", *(kept / "30").iterdir()):
        os.utime(path, (0, 0))
    for path in (kept / "20", *(kept / "20").iterdir()):
        os.utime(path, (2**32, 2**32))
    assert newest(kept.parent)[0].updates == 30
    Checkpoints(kept.parent, IDENTITY).save(40, pieces(40))
    assert [path.name for path in find(kept.parent)] == ["40", "30"]


LIES = {
    "a path": lambda document: document.update(files={"../30/moving": document["files"]["moving"]}),
    "an absolute path": lambda document: document.update(files={"/etc/passwd": document["files"]["moving"]}),
    "no files": lambda document: document.update(files=[1]),
    "a size in words": lambda document: document["files"]["moving"].update(size="9"),
    "a size below 0": lambda document: document["files"]["moving"].update(size=-1),
    "no hash": lambda document: document["files"]["moving"].pop("sha256"),
    "no updates": lambda document: document.pop("updates"),
    "updates in words": lambda document: document.update(updates="30"),
    "updates that are true": lambda document: document.update(updates=True),
    "a later format": lambda document: document.update(format=2),
    "another identity": lambda document: document.update(fingerprint={"seed": 2}),
    "no identity": lambda document: document.update(fingerprint=None),
    "a value in words": lambda document: document.update(value="low"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_is_sealed_and_lies_is_passed_over(kept, lie):
    document = read_json(kept / "30" / "manifest.json")
    LIES[lie](document)
    write_json(kept / "30" / "manifest.json", document)
    falls_back(kept)


def test_a_new_name_never_takes_that_of_something_else(tmp_path):
    for kind in ("file", "folder"):
        source, target = tmp_path / f"new {kind}", tmp_path / f"old {kind}"
        for path in (source, target):
            if kind == "file":
                path.write_text(path.name)
            else:
                path.mkdir()
        with pytest.raises(FileExistsError):
            disk.rename(source, target)
        assert source.exists() and target.exists()
    with pytest.raises(FileExistsError):
        disk.write(tmp_path / "old file", [b"x"])
    assert (tmp_path / "old file").read_text() == "old file"
