"""Folders of comparisons and advice are known to the commands for runs."""

import json
import shlex
import shutil

import pytest

import epochal as ep
from epochal.errors import Refusal
from epochal.runs.studies import read_study
from helpers import read_json, write_json

GRID = ("--batch-size", "16", "--optimizer", "sgd,adam", "--learning-rate", "0.05", "--hidden", "3")
ASKED = ("--hidden", "5,4", "--epochs", "2", "--repeats", "2", "--class-weight", "balanced", "--seed", "4")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """The folder of a small comparison."""
    from epochal.cli.main import main

    folder = tmp_path_factory.mktemp("compared") / "which"
    assert main(["compare", "example:iris", *GRID, *ASKED, "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def unfinished(comparison, tmp_path):
    """The same, as an interruption leaves it."""
    folder = shutil.copytree(comparison, tmp_path / "unfinished")
    document = read_json(folder / "study.json")
    document["result"], document["train"] = None, []
    write_json(folder / "study.json", document)
    (folder / "report.html").unlink()
    return folder


COMMANDS = {
    "predict": ["example:iris"],
    "evaluate": ["example:iris"],
    "trace": ["--update", "1"],
    "resume": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_needs_a_network_names_the_command_that_trains_one(command, comparison, refuse):
    result = refuse(command, comparison, *COMMANDS[command], words=["holds a comparison", "epochal train"])
    words = shlex.split(result.err.split("`")[1])
    found = read_study(comparison)
    assert words == list(found.train) and words[:3] == ["epochal", "train", "example:iris"]
    assert words[words.index("--class-weight") + 1] == "balanced"


def test_its_command_trains_with_the_best_setting(comparison, call, tmp_path):
    found = read_study(comparison)
    assert call(*found.train[1:], "--out", "run", "--no-report", "--quiet").status == 0
    run, best = ep.load(tmp_path / "run"), found.result["rows"][0]
    assert run.plan.batch_size == best["batch_size"] and run.plan.epochs == 2
    for name in ("optimizer", "learning_rate", "class_weight", "seed"):
        assert run.settings[name] == best["options"].get(name), name
    hidden = [5, 4] if best["axes"]["model"].startswith("5-4") else [3]
    assert run.settings["model"]["hidden"] == hidden


def test_the_same_command_goes_on_and_answers(comparison, call):
    found = read_study(comparison)
    again = call(*found.command[1:], "--json")
    assert again.status == 0 and again.json["answer"] == found.answer
    assert again.json["command"] == shlex.join(found.train)


def test_it_is_listed_with_its_best_setting(comparison, unfinished, call):
    entries = {entry["run"]: entry for entry in call("runs", comparison.parent, "--json").json}
    one = entries[str(comparison)]
    assert (one["kind"], one["settings"], one["source"]) == ("comparison", 4, "example:iris")
    assert one["result"].startswith("validation loss ") and one["problem"] == ""
    assert "best of 4" in call("runs", comparison.parent).out
    (other,) = call("runs", unfinished.parent, "--json").json
    assert other["problem"].startswith("comparison has not ended") and "epochal compare" in other["problem"]


def test_its_page_is_found_copied_or_its_command_named(comparison, unfinished, call, refuse, tmp_path):
    assert call("report", comparison).out.endswith(f"{comparison / 'report.html'}\n")
    assert call("report", comparison, "--out", "page.html").out == "wrote page.html\n"
    assert (tmp_path / "page.html").read_bytes() == (comparison / "report.html").read_bytes()
    refuse("report", unfinished, words=["has not ended", "`epochal compare example:iris"])
    refuse("resume", unfinished, words=["has not ended", "`epochal compare example:iris", "goes on with it"])
    refuse("predict", unfinished, "example:iris", words=["has not ended"])


def test_it_is_verified(comparison, unfinished, call, tmp_path):
    sound = call("verify", comparison)
    assert (sound.status, sound.out.splitlines()[-1]) == (0, "sound: every file is as it was written.")
    broken = shutil.copytree(comparison, tmp_path / "broken")
    lines = (broken / "trials.jsonl").read_text().splitlines()
    (broken / "trials.jsonl").write_text("\n".join([*lines[:-1], lines[-1].replace("0.", "1.", 1)]) + "\n")
    (broken / "notes.txt").write_text("mine")
    result = call("verify", broken, "--json")
    problems = {one["name"]: one["problem"] for one in result.json["findings"]}
    assert result.status == 1 and problems["trials.jsonl"].startswith(f"1 of {len(lines)} lines")
    assert result.json["notes"] == ["notes.txt is not epochal's, and is never read."]
    assert "has not ended" in call("verify", unfinished).out


def test_python_names_it_too(comparison):
    with pytest.raises(Refusal, match="holds a comparison, which keeps no trained network"):
        ep.load(comparison)
    with pytest.raises(Refusal, match="keeps no trained network"):
        ep.resume(comparison)


def test_a_comparison_of_python_names_its_options(tmp_path):
    grid = {"batch_size": [16, 32], "learning_rate": 0.05, "epochs": 1, "repeats": 2}
    found = ep.compare(ep.MLP(2), "example:iris", folder=tmp_path / "kept", **grid)
    assert read_study(tmp_path / "kept").result == json.loads(json.dumps(found.to_dict()))
    with pytest.raises(Refusal, match=r"`fit\(model, data, \*\*comparison.options\)` trains with its best"):
        ep.load(tmp_path / "kept")


def test_a_folder_of_a_stranger_names_no_command_but_epochals(comparison, tmp_path):
    folder = shutil.copytree(comparison, tmp_path / "stranger")
    document = read_json(folder / "study.json")
    document["train"], document["command"] = ["rm", "-rf", "/"], "epochal; rm -rf /"
    write_json(folder / "study.json", document)
    found = read_study(folder)
    assert (found.train, found.command) == ((), ())
    (folder / "study.json").write_text("{")
    assert read_study(folder).result is None
    (folder / "request.json").write_text("[" * 100_000)
    assert read_study(folder) is None
