"""Contract of `epochal train` where all goes well: what is printed, what is kept, what --json holds."""

import itertools
import json

import numpy as np
import pytest

from epochal.cli.train import new_folder

SMALL = ("--hidden", "4", "--epochs", "3", "--batch-size", "30")


def test_json_is_one_document_and_all_else_goes_to_standard_error(call, tmp_path):
    result = call("train", "example:iris", *SMALL, "--repeats", "2", "--seed", "7", "--json", "--out", "run")
    assert result.status == 0
    document = result.json
    assert {"run", "plan", "task", "stopped", "verdict", "metrics", "settings", "data"} <= document.keys()
    accuracy = document["metrics"]["validation"]["accuracy"]
    assert len(accuracy["per_repeat"]) == 2
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["per_repeat"]))
    assert accuracy["ci95"][0] <= accuracy["mean"] <= accuracy["ci95"][1]
    assert [one["seed"] for one in document["stopped"]] == [7, 8]
    assert {one["reason"] for one in document["stopped"]} == {"all 3 epochs done"}
    assert document["run"] == "run"
    assert (tmp_path / "run" / "report.html").is_file()
    assert "Results at the best epoch, over 2 repeats" in result.err


def test_the_screen_fits_80_columns_and_has_no_trailing_blanks(call, tmp_path):
    result = call("train", "example:breast-cancer", *SMALL, "--out", "run", "--no-report")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(len(line) for line in lines if " · " not in line) <= 80
    assert all(line == line.rstrip() for line in lines)
    titles = [line for line in lines if line[:1].isupper()]
    wanted = ["Data", "Plan", "Training", "Verdict", "Results at the best epoch (1 repeat: no interval)"]
    last = ["Run     run", "Next    epochal predict run NEW_DATA"]
    assert titles == [*wanted, "Classes, validation (1 repeat)", "Stopped", *last]
    assert [line for before, line in itertools.pairwise(lines) if line in titles[:-1] and before] == []
    assert not (tmp_path / "run" / "report.html").exists()


def test_quiet_is_one_line(call):
    result = call("train", "example:iris", *SMALL, "--out", "run", "--quiet")
    assert result.err == ""
    assert result.out.count("\n") == 1
    assert result.out.startswith("run  validation accuracy ")


def test_quiet_and_json_is_the_document_alone(call):
    result = call("train", "example:iris", *SMALL, "--out", "run", "--quiet", "--json")
    assert (result.status, result.err) == (0, "")
    assert result.json["run"] == "run"


def test_runs_are_listed_with_the_newest_first(call, tmp_path):
    assert call("runs").out == "no runs in runs\n"
    assert call("runs", "--json").json == []
    for _ in range(2):
        assert call("train", "example:iris", *SMALL, "--quiet", "--no-report").status == 0
    found = call("runs", "--json").json
    assert len(found) == 2
    assert all(entry["run"].startswith("runs/iris-") for entry in found)
    lines = call("runs").out.splitlines()
    assert lines[0].split() == ["run", "date", "data", "batch", "epochs", "repeats", "result", "verdict"]
    assert len(lines) == 3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["runs"]
    (tmp_path / found[0]["run"] / "run.json").write_text("{")
    assert "can't be read" in call("runs").out


def test_validation_and_test_may_be_files(call, tmp_path):
    rows = [f"{i % 7}.5,{i % 5},{'ab'[i % 2]}" for i in range(80)]
    for name, part in (("train", rows[:40]), ("held", rows[40:60]), ("last", rows[60:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y,kind", *part]) + "\n")
    options = ("--validation", "held.csv", "--test", "last.csv", "--json", "--no-report", "--out", "run")
    document = call("train", "train.csv", *SMALL, *options).json
    assert document["data"]["sizes"] == {"train": 40, "validation": 20, "test": 20}
    assert document["metrics"].keys() == {"validation", "test"}


MODELS = """
import jax, jax.numpy as jnp
from flax import nnx

def pair(inputs, outputs):
    def init(key, sample):
        return jax.random.normal(key, (inputs, outputs)) / 8
    return init, lambda weights, x: x @ weights

class Net(nnx.Module):
    def __init__(self, inputs, outputs, rngs):
        self.layer = nnx.Linear(inputs, outputs, rngs=rngs)
    def __call__(self, x):
        return self.layer(x)

def flax(inputs, outputs):
    return Net(inputs, outputs, rngs=nnx.Rngs(0))
"""


@pytest.mark.parametrize("name", ["pair", "flax"])
def test_a_model_of_ones_own_trains_and_predicts(name, call, tmp_path):
    (tmp_path / "own_models.py").write_text(MODELS)
    options = ("--model", f"own_models:{name}", "--no-report", "--out", "run", "--quiet")
    assert call("train", "example:iris", *SMALL[2:], *options).status == 0
    result = call("predict", "run", "example:iris", "--json", "--model", f"own_models:{name}")
    assert len(result.json["rows"]) == 150


def test_stopping_rules_say_why(call):
    options = ("--patience", "1", "--min-delta", "9", "--json", "--no-report", "--out", "run")
    (stopped,) = call("train", "example:iris", *SMALL, *options).json["stopped"]
    assert "no improvement" in stopped["reason"]


def test_a_table_with_gaps_trains_without_preparation(call, tables):
    colic = call("train", tables / "horse-colic.csv", "--target", "23", *SMALL, "--out", "a", "--json")
    assert colic.json["task"]["kind"] == "multiclass"


def test_a_folder_of_its_own_has_a_plain_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = new_folder("some where/tä ble (1).csv")
    assert first.parent.name == "runs"
    assert first.name.startswith("tä-ble--1-")
    first.mkdir(parents=True)
    assert new_folder("some where/tä ble (1).csv") != first
    assert new_folder("example:iris").name.startswith("iris-")
    assert json.dumps(str(first))


def test_a_paced_training_is_traced(call, tmp_path):
    """Batches that grow, in micro-batches, with epochs of 5 updates: every turn of a row is found again."""
    run = tmp_path / "run"
    paced = ("--batch-size", 8, "--grow-batch", "2:24", "--updates-per-epoch", 5, "--micro-batch", 16)
    report = call("train", "example:iris", *paced, "--epochs", 4, "--out", run, "--no-report", "--json").json
    assert (report["plan"]["updates"], report["plan"]["updates_per_epoch"]) == (20, 5)
    assert report["settings"]["batch_schedule"]["changes"] == [[0, 8], [2, 24]]
    assert report["settings"]["micro_batch"] == 16
    formed = call("trace", run, "--update", 14, "--json").json
    assert (formed["epoch"], formed["batch"], len(formed["rows"])) == (3, 4, 24)
    seen = call("trace", run, "--sample", formed["rows"][7], "--epoch", 3, "--json").json["epochs"][0]
    turns = list(zip(seen["uses"], seen["sizes"], strict=True))
    assert ({"update": 14, "epoch": 3, "batch": 4, "slot": 8}, 24) in turns


def test_long_class_names_that_begin_alike_are_told_apart(call, tmp_path):
    names = [f"vehicles of the municipal {one} depot" for one in ("first", "second", "third")]
    rows = "".join(f"{i % 3 + i / 100},{names[i % 3]}\n" for i in range(60))
    (tmp_path / "long.csv").write_text(f"a,kind\n{rows}")
    out = call("train", "long.csv", *SMALL, "--no-report").out
    table = out[out.index("Classes, validation") : out.index("Stopped")].splitlines()
    assert len({line.split("  ")[1] for line in table[2:5]}) == 3
