"""Contract: help is ordered, complete and true; a mistake on the command line is one sentence."""

import importlib
import re

import click
import pytest

from epochal.cli.main import COMMANDS, app

SECTIONS = [
    "Data",
    "Time series",
    "Texts",
    "Ranking",
    "Model",
    "Training",
    "Stopping",
    "Evaluation",
    "Output",
    "Checkpoints",
    "Machines",
    "Several hosts",
    "Options",
]


def test_without_arguments_the_commands_are_listed(call):
    result = call()
    assert result.status == 0
    assert result.err == ""
    assert [name for name in COMMANDS if re.search(rf"^  {name} ", result.out, re.M)] == list(COMMANDS)
    assert call("--help").out == result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_in_80_columns(name, call):
    result = call(name, "--help")
    assert result.status == 0
    assert result.out.startswith(f"Usage: epochal {name} ")
    assert max(map(len, result.out.splitlines())) <= 80
    command = importlib.import_module(f"epochal.cli.{name}").command
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[0] in result.out
            assert option.help, option.name


def test_the_many_options_of_train_stand_in_sections(call):
    lines = call("train", "--help").out.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and line[0] != " "] == SECTIONS


def test_help_names_what_there_is(call):
    from epochal.engine.optimizers import OPTIMIZERS
    from epochal.engine.schedules import SCHEDULES
    from epochal.models import LOSSES
    from epochal.plan.remainder import REMAINDERS

    text = " ".join(call("train", "--help").out.split())
    for name in (*SCHEDULES, *REMAINDERS, *LOSSES):
        assert name in text
    offered = re.search(r"--optimizer NAME (.*?) and more", text)[1]
    assert set(offered.split(", ")) <= set(OPTIMIZERS)


def test_the_version(call):
    import epochal

    assert call("--version").out == f"epochal {epochal.__version__}\n"


MISTAKES = {
    "a command": (["trian"], ['unknown command "trian"', 'mean "train"']),
    "an option": (["plan", "9", "--bach-size", "3"], ['"--bach-size"', 'mean "--batch-size"', "--help"]),
    "an option of all": (["--verison"], ['"--verison"', 'mean "--version"']),
    "an option of train": (["train", "x.csv", "--learning-rat", "1"], ['mean "--learning-rate"']),
    "a missing argument": (["plan", "-b", "3"], ["epochal plan needs SAMPLES", "--help"]),
    "a missing value": (["plan", "9", "-b"], ["requires an argument"]),
    "one argument more": (["plan", "9", "8", "-b", "3"], ["unexpected extra argument", "8"]),
    "a value for a flag": (["plan", "9", "-b", "3", "--json=yes"], ["--json"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name, refuse):
    arguments, words = MISTAKES[name]
    assert "Usage" not in refuse(*arguments, words=words).err


def test_every_command_is_found():
    with app.make_context("epochal", ["plan"], resilient_parsing=True) as context:
        assert app.list_commands(context) == list(COMMANDS)
