"""Law: an option is declared once, and the command line, Python, files and docstrings have it from there."""

from __future__ import annotations

import dataclasses
import inspect
import runpy
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import epochal as ep
from epochal.cli import advise, compare, train
from epochal.cli.arguments import advise_arguments, compare_arguments, train_arguments
from epochal.cli.command import Command
from epochal.cli.config import read_config
from epochal.cli.flags import IMAGES, READING, TOKENS, TRAIN, WINDOWS
from epochal.cli.networks import NETWORKS, model
from epochal.cli.options import flags
from epochal.data import load, load_windows
from epochal.data.texts.texts import load_texts
from epochal.engine.schedules import Schedule
from epochal.models import MLP
from epochal.plan import order_named
from epochal.runs.run_folder import SaveOptions
from epochal.settings import DECLARED, Settings
from epochal.settings.option import declare_option, declared_options, documented
from epochal.settings.value_kinds import whole
from epochal.training.differences import differences
from epochal.training.json_values import declared
from epochal.training.signatures import takes_options

ROOT = Path(__file__).parents[2]

FACES = {
    "train": (train.command, train_arguments, ep.train),
    "compare": (compare.command, compare_arguments, ep.compare),
    "advise": (advise.command, advise_arguments, ep.advise),
}

ALIKE = {
    "schedule": lambda value: value if isinstance(value, Schedule) else Schedule(value),
    "order": lambda value: order_named(value) if isinstance(value, str) else value,
}
"""Two ways to say the same."""


def alike(name, value):
    """A value in one form; a list of one value is the value, as an axis of a comparison is."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else tuple(value)
    return ALIKE.get(name, lambda one: one)(value)


@pytest.mark.parametrize("name", FACES)
def test_a_default_of_the_command_line_is_that_of_python(name):
    """All options of all commands: what is passed where nothing is given is what Python would take."""
    command, arguments, function = FACES[name]
    given = command.make_context(name, ["example:iris"]).params
    passed = arguments(given)
    parameters = inspect.signature(function).parameters
    assert set(passed) <= set(parameters)
    for option_, value in passed.items():
        assert alike(option_, value) == alike(option_, parameters[option_].default), option_
    listed = {one.name for one in command.params} & set(DECLARED)
    assert set(DECLARED) & set(passed) <= listed | {"stop"}


def test_the_check_of_defaults_notices_another_one(monkeypatch):
    """Negative control."""
    epochs = next(one for one in train.command.params if one.name == "epochs")
    monkeypatch.setattr(epochs, "default", 99)
    with pytest.raises(AssertionError, match="epochs"):
        test_a_default_of_the_command_line_is_that_of_python("train")


@pytest.mark.parametrize(
    ("options", "function"),
    [(READING, load), (IMAGES, load), (WINDOWS, load_windows), (TOKENS, load_texts)],
    ids=["reading", "images", "windows", "texts"],
)
def test_an_option_of_reading_that_is_not_given_leaves_the_default_to_python(options, function):
    parameters = inspect.signature(function).parameters
    for one in options:
        default = parameters[one.name].default
        assert one.default is None or one.default == default, one.name


def test_networks_and_folders_are_those_of_python():
    given = train.command.make_context("train", ["example:iris"]).params
    data, images = ep.load_data("example:iris"), ep.load_data("example:digits")
    usual = {"mlp": MLP(64, 64), "cnn": ep.CNN(32, 64), "lstm": ep.LSTM(), "gru": ep.GRU()}
    assert set(usual) | {"text"} == set(NETWORKS)
    for name, network in usual.items():
        made = model({**given, "network": name}, images if name == "cnn" else data)
        assert made.to_dict() == network.to_dict(), name
    kept = {one.name for one in train.command.params} & {one.name for one in dataclasses.fields(SaveOptions)}
    assert all(given[name] is None for name in kept), "SaveOptions has the defaults"


def test_the_typed_keywords_are_those_that_are_declared():
    """`python docs/keywords.py` writes them again."""
    made = runpy.run_path(str(ROOT / "docs" / "keywords.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"]()


@dataclass(frozen=True)
class More(Settings):
    """Settings with an option that a temporary declaration adds, and nothing else does."""

    window_decay: int = declare_option(3, whole(2), "Updates of an average.", "N", short="w")


@pytest.fixture(scope="module")
def command():
    """A command with the flags of `epochal train` and of the new option."""

    @click.command("train", cls=Command)
    @flags(TRAIN, "train", declared_options(More))
    @click.pass_context
    def made(ctx, /, **given):
        return given

    return made


def test_adding_an_option_is_one_place(command, tmp_path):
    """Check, flag, help, file of options, JSON, docstring, signature and what it takes to go on."""
    assert More().window_decay == 3 and More(window_decay=5).window_decay == 5
    with pytest.raises(ep.Refusal, match=r"window_decay must be a whole number, at least 2; got 1\."):
        More(window_decay=1)

    assert command.make_context("train", ["-w", "1,000"]).params["window_decay"] == 1000
    with pytest.raises(ep.Refusal, match=r"window_decay must be a whole number, at least 2; got 1\."):
        command.make_context("train", ["--window-decay", "1"])
    help_ = command.make_context("train", []).get_help()
    training = help_.partition("\nTraining:\n")[2].partition("\n\n")[0]
    assert " ".join(training.splitlines()[-1].split()) == "-w, --window-decay N Updates of an average. [3]"

    path = tmp_path / "options.toml"
    path.write_text("window_decay = 7\n")
    assert read_config(path, command.params) == {"window_decay": "7"}
    assert command.make_context("train", ["--config", str(path)]).params["window_decay"] == 7

    codec = declared(declared_options(More)["window_decay"])
    assert codec.read(codec.write(4)) == 4
    with pytest.raises(ValueError, match="at least 2"):
        codec.read(True)

    assert "\n    window_decay: updates of an average." in documented(More)

    @takes_options(declaring=More)
    def function(model, **options):
        """One line.

        Args:
            **options: all of them.
        """

    assert inspect.signature(function).parameters["window_decay"].default == 3
    assert "\n    window_decay: updates of an average." in inspect.getdoc(function)
    assert declared_options(More)["window_decay"].fixed_on_resume


def test_a_run_of_before_an_option_goes_on_where_it_has_its_default(monkeypatch):
    from epochal.training import differences as module

    monkeypatch.setitem(module._DEFAULTS, "window_decay", 3)
    assert differences({"seed": 1}, {"seed": 1, "window_decay": 3}) == []
    assert differences({"seed": 1}, {"seed": 1, "window_decay": 4}) == ["window_decay: 3 then, 4 now"]


def test_each_option_has_a_line_of_help():
    for one in DECLARED.values():
        assert one.help or one.doc, one.name
        assert one.commands or not one.help, one.name
