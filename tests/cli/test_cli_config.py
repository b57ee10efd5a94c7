"""Contract: a file of options says what flags say, in the same words; what is saved trains alike."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import epochal as ep
from conftest import SMALL
from helpers import read_json

OPTIONS = (
    "example:iris",
    *("--hidden", "5,3", "--epochs", "4", "--batch-size", "16", "--grow-batch", "2:32"),
    *("--optimizer", "adamw", "--optimizer-option", "b1=0.8", "--learning-rate", "1e-2"),
    *("--schedule", "cosine", "--warmup", "3", "--drop", "sepal_width,1", "--no-standardize"),
    *("--class-weight", "setosa=2,virginica=0.5", "--order", "blocks", "--block-length", "4"),
    *("--metrics", "accuracy,f1", "--repeats", "2", "--vary", "init,order", "--validation", "20%"),
    *("--patience", "50", "--evaluate-every", "3 updates", "--threshold", "0.4"),
)


def test_the_saved_file_gives_the_same_training(call, tmp_path):
    words = [one for one in OPTIONS if one not in ("--threshold", "0.4", "--drop", "sepal_width,1")]
    first = call("train", *words, "--out", "a", "--quiet", "--save-config", "options.toml")
    assert first.status == 0, first.err
    again = call("train", "--config", "options.toml", "--out", "b", "--quiet")
    assert again.status == 0, again.err
    one, two = (read_json(tmp_path / name / "run.json") for name in "ab")
    assert one["settings"] == two["settings"] and one["plan"] == two["plan"]
    for name in ("best.safetensors", "last.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "out" not in (tmp_path / "options.toml").read_text()


def test_flags_win_and_sections_are_for_the_eye(call, tmp_path):
    (tmp_path / "options.toml").write_text(
        'data = "example:iris"\nhidden = 4\nbatch-size = 30\nvalidation = 20\nmetrics = ["accuracy"]\n'
        "[Training]\nepochs = 9\nno_report = true\nclass_weight = {setosa = 2}\n"
        "optimizer_options = {b1 = 0.5}\n"
    )
    result = call("train", "--config", "options.toml", "--epochs", "2", "--json", "--quiet")
    assert result.status == 0, result.err
    settings = json.loads(result.out)["settings"]
    assert (settings["epochs"], settings["batch_size"], settings["validation"]) == (2, 30, 20)
    assert settings["optimizer_options"]["b1"] == 0.5 and settings["metrics"] == ["accuracy"]


MISTAKES = {
    "an unknown name": ("epoch = 3", ['unknown option "epoch"', 'did you mean "epochs"', "options.toml"]),
    "an unknown name in a section": ("[Training]\nepoch = 3", ['did you mean "epochs"']),
    "a wrong value": ("epochs = 2.5", ["epochs must be a whole number, at least 1; got 2.5."]),
    "a wrong type": ('epochs = "many"', ['epochs must be a whole number, at least 1; got "many".']),
    "a date": ("repeats = 2020-01-01", ['repeats must be a whole number, at least 1; got "2020-01-01".']),
    "a flag that is none": ("stateful = 1", ["stateful must be true or false; got 1."]),
    "a value for a flag": ("epochs = true", ['epochs must be a whole number, at least 1; got "true".']),
    "no TOML": ("epochs: 3", ["must be a TOML file"]),
    "itself": ('config = "a.toml"', ['unknown option "config"']),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence(name, refuse, tmp_path):
    content, words = MISTAKES[name]
    (tmp_path / "options.toml").write_text(content + "\n")
    refuse("train", "example:iris", "--config", "options.toml", words=words)


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--epochs=0", "epochs = 0"),
        ("--dropout=2", "dropout = 2"),
        ("--precision=half", 'precision = "half"'),
    ],
)
def test_a_wrong_value_is_refused_as_the_flag_is(flag, line, refuse, tmp_path):
    (tmp_path / "options.toml").write_text(line + "\n")
    said = refuse("train", "example:iris", "--config", "options.toml").err
    assert said == refuse("train", "example:iris", flag).err


def test_a_file_that_is_not_there(refuse):
    refuse("train", "example:iris", "--config", "none.toml", words=['"none.toml" can\'t be read'])


def test_another_file_is_not_written_over(call, refuse, tmp_path):
    (tmp_path / "options.toml").write_text("epochs = 3\n")
    refuse("train", "example:iris", "--save-config", "options.toml", words=["exists already"])
    assert (tmp_path / "options.toml").read_text() == "epochs = 3\n"


COMPARED = (
    *("--batch-size", "16,full", "--optimizer", "sgd,adam", "--learning-rate", "0.05", "--hidden", "3"),
    *("--hidden", "4", "--epochs", "2", "--repeats", "2", "--drop", "1"),
)


def test_a_comparison_is_saved_and_goes_on_from_its_file(call, tmp_path):
    first = call("compare", "example:iris", *COMPARED, "--json", "--quiet", "--save-config", "a.toml")
    assert first.status == 0, first.err
    again = call("compare", "--config", "a.toml", "--json", "--quiet", "--save-config", "a.toml")
    assert again.status == 0, again.err
    one, two = json.loads(first.out), json.loads(again.out)
    assert one["folder"] == two["folder"] and one["rows"] == two["rows"]
    assert one["command"] == two["command"] and "--drop 1" in one["command"]
    assert two["usage"]["trainings"] == one["usage"]["trainings"]


@pytest.mark.slow
def test_an_advice_takes_a_file(call, tmp_path):
    (tmp_path / "a.toml").write_text(
        "hidden = 3\nepochs = 20\nrepeats = 3\nbatch_size = 30\nlearning_rate = 0.05\n"
    )
    result = call("advise", "example:iris", "--config", "a.toml", "--json", "--quiet")
    assert result.status == 0, result.err
    assert "--hidden 3" in (json.loads(result.out)["command"] or "--hidden 3")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_of_completion(shell, call):
    result = call("completion", shell)
    assert result.status == 0 and "_EPOCHAL_COMPLETE" in result.out


def test_another_shell_is_refused(refuse):
    refuse("completion", "csh", words=['unknown shell "csh"', "bash, zsh, fish"])


ASKED = {
    "bash": 'eval "$(epochal completion bash)"; COMP_WORDS=({words}); COMP_CWORD={at}; '
    '_epochal_completion epochal; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "fish": 'epochal completion fish | source; complete -C "{line}" | string replace -r "\\t.*" ""',
}
COMPLETED = [
    ("epochal tr", {"train", "trace"}),
    ("epochal train x.csv --learn", {"--learning-rate"}),
    ("epochal train x.csv --precision b", {"bfloat16"}),
]


@pytest.mark.parametrize("shell", ASKED)
@pytest.mark.parametrize(("line", "expected"), COMPLETED)
def test_a_shell_completes(shell, line, expected, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    program = tmp_path / "epochal"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m epochal "$@"\n')
    program.chmod(0o755)
    script = ASKED[shell].format(words=line, at=line.count(" "), line=line)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert set(done.stdout.split()) == expected, done.stderr


def test_a_file_of_arrays_is_standardized_whoever_reads_it(call, tmp_path):
    """From the command line, from Python by its path, and as an array."""
    inputs = np.random.default_rng(0).normal(5.0, 3.0, (60, 3))
    targets = inputs @ [1.0, -2.0, 0.5]
    np.save(tmp_path / "table.npy", np.column_stack([inputs, targets]))
    result = call("train", "table.npy", *SMALL, "--out", "a", "--json", "--quiet")
    assert result.status == 0, result.err
    usual = {"epochs": 3, "batch_size": 30, "progress": False}
    by_path = ep.fit(ep.MLP(4), tmp_path / "table.npy", **usual)
    by_array = ep.fit(ep.MLP(4), inputs, targets, **usual)
    command_line = ep.load(tmp_path / "a")
    for run in (command_line, by_path, by_array):
        assert run.settings["standardize"] is True
        assert run.metrics["validation"]["rmse"].mean == command_line.metrics["validation"]["rmse"].mean
