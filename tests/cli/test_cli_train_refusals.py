"""Fault: what `epochal train` cannot do is one sentence and status 2, before anything is written."""

import resource
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest

from epochal.cli import files


def rows(count=60):
    return "".join(f"{i % 7}.5,{i % 5},{'ab'[i % 2]}\n" for i in range(count))


GOOD = "x,y,kind\n" + rows()
OPTIONS = {
    "target": (["--target", "knd"], ["target", '"knd"', 'mean "kind"']),
    "target number": (["--target", "9"], ["1 to 3", "got 9"]),
    "batch size 0": (["-b", "0"], ["--batch-size", "at least 1", "got 0"]),
    "batch size -1": (["-b", "-1"], ["--batch-size", "at least 1", "got -1"]),
    "batch size 2.5": (["-b", "2.5"], ["--batch-size", "got 2.5"]),
    "batch size above": (["-b", "1000"], ["--batch-size", "1 and 48", "got 1000", '"full"']),
    "epochs 0": (["-e", "0"], ["epochs", "at least 1", "got 0"]),
    "epochs -3": (["-e", "-3"], ["epochs", "got -3"]),
    "epochs 1.5": (["-e", "1.5"], ["epochs", "whole number", "got 1.5"]),
    "repeats 0": (["-r", "0"], ["repeats", "at least 1", "got 0"]),
    "seed -1": (["--seed", "-1"], ["seed", "at least 0", "got -1"]),
    "seed above": (["--seed", str(2**64 - 1), "-r", "2"], ["seed", "got 18446744073709551615"]),
    "optimizer": (["--optimizer", "admw"], ['"admw"', 'mean "adamw"']),
    "optimizer option": (["--optimizer-option", "momentm=0.9"], ["adam", "momentm"]),
    "optimizer option without number": (["--optimizer-option", "b1"], ["name=number", '"b1"']),
    "learning rate 0": (["-l", "0"], ["--learning-rate", "greater than 0", "got 0"]),
    "learning rate nan": (["-l", "nan"], ["--learning-rate", "greater than 0", "got nan"]),
    "learning rate in words": (["-l", "fast"], ["--learning-rate", '"fast"']),
    "schedule": (["--schedule", "cosin"], ['"cosin"', 'mean "cosine"']),
    "steps of no length": (["--schedule", "step"], ["step", "every"]),
    "warmup": (["--warmup", "-1"], ["warmup", "at least 0", "got -1"]),
    "loss": (["--loss", "logloss"], ['"logloss"', 'mean "log_loss"']),
    "loss of another task": (["--loss", "huber"], ["huber"]),
    "metric": (["--metrics", "acuracy"], ['"acuracy"', 'mean "accuracy"']),
    "monitor": (["--monitor", "validation.los"], ['"validation.los"', 'mean "validation.loss"']),
    "order": (["--order", "shufle"], ['"shufle"', 'mean "shuffle"']),
    "remainder": (["--remainder", "kep"], ['"kep"', 'mean "keep"']),
    "activation": (["--activation", "rleu"], ['"rleu"', 'mean "relu"']),
    "vary": (["--vary", "split,ordr"], ['"ordr"', 'mean "order"']),
    "task": (["--task", "clasification"], ['"clasification"', 'mean "classification"']),
    "hidden": (["--hidden", "64,x"], ["hidden", '"64,x"']),
    "hidden 0": (["--hidden", "0"], ["hidden", "at least 1", '"0"']),
    "dropout": (["--dropout", "1.5"], ["dropout", "at least 0 and less than 1", "got 1.5"]),
    "validation above": (["--validation", "1.5"], ["validation", "1.5"]),
    "validation negative": (["--validation", "-0.1"], ["validation", "-0.1"]),
    "validation nan": (["--validation", "nan"], ["validation", "nan"]),
    "all held out": (["--validation", "0.6", "--test", "0.5"], ["validation", "test"]),
    "validation file": (["--validation", "nowhere.csv"], ["no file nowhere.csv"]),
    "test file": (["--test", "nowhere.csv"], ["no file nowhere.csv"]),
    "patience": (["--patience", "0"], ["patience", "greater than 0", "got 0"]),
    "minimum without patience": (["--min-epochs", "3"], ["--min-epochs", "--patience"]),
    "no seconds": (["--max-seconds", "0"], ["--max-seconds", "greater than 0", "got 0"]),
    "no updates": (["--max-updates", "0"], ["--max-updates", "at least 1", "got 0"]),
    "evaluate every 0": (["--evaluate-every", "0"], ["--evaluate-every", "at least 1", "0"]),
    "evaluate every x": (["--evaluate-every", "x"], ["--evaluate-every", "100 updates", "x"]),
    "nothing to evaluate": (["--validation", "0", "--no-evaluate-train"], ["validation", "evaluate"]),
    "class weight": (["--class-weight", "balancd"], ["--class-weight", "balancd"]),
    "weight of no class": (["--class-weight", "c=2"], ["class", '"c"', "Known: a, b"]),
    "sample weight": (["--sample-weight", "w"], ["--sample-weight", '"w"']),
    "drop": (["--drop", "z"], ["drop", '"z"']),
    "drop the target": (["--drop", "kind"], ["drop", "target"]),
    "delimiter": (["--delimiter", "::"], ["delimiter", "one character", "::"]),
    "model name": (["--model", "flax"], ["package.module:function", '"flax"']),
    "model module": (["--model", "no_such_module:make"], ["no_such_module", "can't be imported"]),
    "model function": (["--model", "math:sqr"], ['"sqr"', 'mean "sqrt"']),
    "model that is none": (["--model", "math:pow"], ["--model must be", "float"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_bad_option_is_refused(name, refuse, tmp_path):
    (tmp_path / "table.csv").write_text(GOOD)
    options, words = OPTIONS[name]
    refuse("train", "table.csv", *options, words=words)


TABLES = {
    "empty": ("", ["empty", "at least 2 rows"]),
    "one row": ("1,2,3\n", ["at least 2 rows", "got 1"]),
    "ragged": (rows(9) + "1,2,3,4\n" + rows(3), ["line 10", "3 fields", "got 4"]),
    "one class": (rows().replace(",b", ",a"), ["at least 2", 'got 1 ("a")']),
    "missing targets": (rows() + "1,2,?\n" * 9, ["9 missing of 69", "row 61"]),
    "missing inputs": ("?,NA,0\n" * 30 + "?,NA,1\n" * 30, ["at least 1 input", "missing"]),
    "inf": ("x,y\n" + "1.5,0\n2,1\n" * 9 + "inf,1\n", ["finite", "inf", "row 19"]),
    "many classes": (
        "x,z,name\n" + "".join(f"{i % 3},{i % 2},n{i // 2}\n" for i in range(2400)),
        ['"name"', "at most 1,000", "1,200", "--target"],
    ),
    "binary": ("1,2\n3,\x004\n", ["text table", "byte 0x"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_refused(name, refuse, tmp_path):
    text, words = TABLES[name]
    (tmp_path / "table.csv").write_text(text)
    refuse("train", "table.csv", words=words)


def test_what_is_no_table_is_refused(refuse, tmp_path):
    (tmp_path / "table.csv").write_text(GOOD)
    refuse("train", "tabel.csv", words=["no file tabel.csv", 'mean "table.csv"'])
    refuse("train", ".", words=["is a folder"])
    refuse("train", "example:iriss", words=['"iriss"', 'mean "iris"'])
    np.save(tmp_path / "line.npy", np.arange(9.0))
    refuse("train", "line.npy", words=["line.npy"])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    refuse("train", "bad.parquet", words=["bad.parquet", "Parquet"])


def test_a_model_that_fails_is_one_sentence(refuse, tmp_path):
    (tmp_path / "table.csv").write_text(GOOD)
    (tmp_path / "failing_models.py").write_text(
        "def raises(inputs, outputs):\n    raise ValueError('first line\\nsecond line')\n"
        "def few(inputs):\n    pass\n"
        "def shapes(inputs, outputs):\n"
        "    import jax.numpy as jnp\n"
        "    return (lambda key, sample: jnp.zeros((3, 3)), lambda w, x: x @ w @ w @ x)\n"
    )
    (tmp_path / "broken_models.py").write_text("def (:\n")
    refuse("train", "table.csv", "--model", "broken_models:f", words=["SyntaxError"])
    for name, words in (("raises", "ValueError: first line second line."), ("few", "TypeError")):
        path = f"failing_models:{name}"
        refuse("train", "table.csv", "--model", path, words=[f'model "{path}" failed', words])
    refuse("train", "table.csv", "--model", "failing_models:shapes", words=["apply", "TypeError"])


def test_a_folder_that_exists_is_refused(refuse, tmp_path):
    (tmp_path / "here").mkdir()
    refuse("train", "example:iris", "--out", "here", words=['"here" exists already', "--out"])


def test_a_folder_that_cannot_be_made_is_refused_before_training(refuse, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    refuse("train", "example:iris", "--out", "file/run", words=["file/run", "not a folder"])
    refuse("train", "example:iris", "--out", "/proc/run", words=["/proc/run", "can't be written"])

    def forbidden(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkdtemp", forbidden)
    refuse("train", "example:iris", words=["runs/iris-", "can't be written", "permission denied"])


@contextmanager
def small_disk(tmp_path):
    """A folder on a disk of 64 KiB; where none can be mounted, files can't grow larger than that."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if mounted:
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_says_the_result_and_leaves_what_can_go_on(call, tmp_path):
    call("train", "example:iris", "--hidden", "4", "--epochs", "3", "--out", "warm", "--no-report", "--quiet")
    with small_disk(tmp_path) as folder:
        run = folder / "a" / "run"
        result = call("train", "example:iris", "--hidden", "4", "--epochs", "3", "--out", run)
        assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "lock", "request.json"]
        shutil.copytree(run, tmp_path / "roomy")
    assert result.status == 1
    assert result.err.count("\n") == 1
    assert "space left" in result.err or "too large" in result.err
    assert "Results at the best epoch" in result.out
    assert "Report" not in result.out
    assert call("resume", tmp_path / "roomy", "--quiet").status == 0
    assert call("verify", tmp_path / "roomy").status == 0


def test_a_full_disk_leaves_no_half_of_a_prediction(call, trained, tmp_path):
    run, _ = trained
    long = tmp_path / "long.csv"
    lines = [f"{20 + i / 99},red,{1.5 + i / 9999},a" for i in range(4000)]
    long.write_text("\n".join(["age,color,height,kind", *lines]) + "\n")
    with small_disk(tmp_path) as folder:
        for name in ("p.csv", "p.parquet"):
            result = call("predict", run, long, "--out", folder / name, "--quiet")
            assert result.status == 2, result
            assert "space left" in result.err or "too large" in result.err
            assert list(folder.iterdir()) == []
