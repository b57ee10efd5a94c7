"""`epochal verify`: what is damaged is said file by file, what can still be used in a sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import epochal as ep
from epochal.runs import publish
from epochal.runs.checkpoints import CheckpointFile, Checkpoints
from epochal.runs.checksummed_json import seal
from helpers import list_again


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run that has ended, with three checkpoints of its training."""
    random = np.random.default_rng(4)
    data = (random.normal(size=(30, 3)).astype(np.float32), random.integers(0, 2, 30))
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    (folder / "request.json").write_text(seal({"model": "mlp"}))
    checkpoints = Checkpoints(folder, {"seed": 1}, keep_every=1)
    for updates in (10, 20, 30):
        checkpoints.save(updates, [CheckpointFile("repeats-0", {"x": np.full(5, updates)}, {})])
    run = ep.fit(ep.MLP(4), data, batch_size=8, epochs=1, metrics=())
    (folder / "report.html").write_text("an earlier page")
    publish(run, folder)
    return folder


@pytest.fixture
def copy(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "run")


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def test_a_sound_run_is_sound(call, copy):
    assert not (copy / "report.html").exists(), "the earlier page was not of this run"
    result = call("verify", copy)
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[-1] == "sound: every file is as it was written."
    assert {line.split()[0] for line in lines[:-1]} == {
        *("request.json", "run.json", "best.safetensors", "last.safetensors", "scaling.safetensors"),
        *("metrics.parquet", "split.parquet", "predictions-validation.parquet"),
        *("checkpoints/10", "checkpoints/20", "checkpoints/30"),
    }
    assert all(line.split()[1:] == ["sound"] for line in lines[:-1])
    assert call("verify", copy, "--json").json["sound"] is True


RESULTS = "The results can be used: predictions, curves and report."
RECORD = "Of the results, curves, metrics and report can be used; predictions can't be made."
NONE = "The results can't be used."
FROM_30 = "goes on from update 30; remove run.json first"
DAMAGE = {
    "run.json": [NONE, FROM_30],
    "metrics.parquet": [NONE, FROM_30],
    "predictions-validation.parquet": [NONE, FROM_30],
    "best.safetensors": [RECORD, FROM_30],
    "request.json": [RESULTS],
    "checkpoints/30/manifest.json": [RESULTS],
    "checkpoints/30/repeats-0.safetensors": [RESULTS],
    "request.json run.json": ["It can't be resumed: there is no sound request.json."],
    "run.json checkpoints/30/manifest.json checkpoints/20/repeats-0.safetensors": ["from update 10;"],
    "run.json checkpoints/30/manifest.json checkpoints/20/manifest.json checkpoints/10/manifest.json": [
        "begins anew: there is no sound checkpoint"
    ],
}


@pytest.mark.parametrize("names", DAMAGE)
def test_what_is_damaged_and_what_can_be_used_is_said(call, copy, names):
    for name in names.split():
        flip(copy / name)
    result = call("verify", copy)
    assert result.status == 1
    damaged = {line.split()[0] for line in result.out.splitlines()[:-1] if " damaged: " in line}
    assert damaged == {"/".join(name.split("/")[:2]) for name in names.split()}
    last = result.out.splitlines()[-1]
    assert last.startswith("damaged: ") and all(words in last for words in DAMAGE[names]), last
    found = call("verify", copy, "--json")
    assert found.status == 1 and found.json["conclusion"] == last


def test_a_training_that_has_not_ended_says_where_it_would_go_on(call, copy):
    (copy / "run.json").unlink()
    result = call("verify", copy)
    assert result.status == 0 and result.out.rstrip().endswith(
        f"`epochal resume {copy}` goes on from update 30."
    )


def test_what_is_odd_and_harmless_is_a_note(call, copy):
    (copy / "checkpoints" / "tmp-40-ab").mkdir()
    (copy / ".result-ab").mkdir()
    (copy / "mine.txt").write_text("")
    (copy / "checkpoints" / "30" / "extra").write_text("")
    (copy / "report.html").write_text("a page of another time")
    (copy / "best.safetensors").rename(copy / "best")
    (copy / "best.safetensors").symlink_to(copy / "best")
    result = call("verify", copy)
    assert result.status == 0
    notes = [line.split()[1] for line in result.out.splitlines() if line.startswith("note: ")]
    assert set(notes) == {"best", "mine.txt", "checkpoints/30/extra", ".result-ab", "checkpoints/tmp-40-ab"}


def test_files_that_are_missing_or_too_many_are_damage(call, copy):
    (copy / "last.safetensors").unlink()
    shutil.copy(copy / "split.parquet", copy / "predictions-test.parquet")
    shutil.rmtree(copy / "checkpoints" / "30")
    (copy / "checkpoints" / "20").rename(copy / "checkpoints" / "40")
    damaged = {one["name"] for one in call("verify", copy, "--json").json["findings"] if not one["sound"]}
    assert damaged == {"last.safetensors", "predictions-test.parquet", "checkpoints/40"}


def test_a_run_that_hashes_well_and_makes_no_sense_is_damaged(call, copy):
    (copy / "metrics.parquet").write_bytes((copy / "split.parquet").read_bytes())
    list_again(copy, "metrics.parquet")
    result = call("verify", copy)
    assert result.status == 1 and NONE in result.out


def test_what_is_no_run_folder_is_refused(refuse, tmp_path):
    refuse("verify", tmp_path, words=["is not a run folder", "epochal runs"])
    refuse("verify", tmp_path / "nowhere", words=["is not a run folder"])
