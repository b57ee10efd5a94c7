"""Options of comparisons and advice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import under
from epochal.cli.hosts_options import ray_option
from epochal.cli.network_options import network_options, network_parts
from epochal.cli.options import POSITIVE, BatchSize, Number, Whole, decorate
from epochal.cli.train_options import (
    column_options,
    common,
    computing_options,
    data_options,
    gradient_options,
    loss_options,
    output_options,
    pace_options,
)
from epochal.common.version import VERSION
from epochal.errors import Refusal

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType

__all__ = ["Listed", "advise_options", "advised", "compare_options", "compared", "request"]

UNASKED = ("out", "no_report", "as_json", "quiet", "yes", "train", "all_data", "ray")
"""Options that change nothing about which trainings are made."""


EPOCHS = 50
"""Of a comparison, where neither --epochs nor --at says how far it goes."""


class Listed(_Type):
    """Values with commas between them.

    Args:
        each: how one of them is read.
        example: such a list, for the refusal of an empty one.
        words: words that may stand for a value.
    """

    name = "list"

    def __init__(self, each: Any, example: str, words: tuple[str, ...] = ()) -> None:
        self.each, self.example, self.words = each, example, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The values as a tuple, or a refusal."""
        if isinstance(value, tuple):
            return value
        name = f"`{param.name}`" if param is not None else "the list"
        parts = [part.strip() for part in str(value).split(",")]
        if not all(parts):
            raise Refusal(
                f'{name} must be values with commas between them, such as {self.example}; got "{value}".'
            )
        for part in parts[1:]:
            if part.isdecimal() and len(part) == 3 and part[0] == "0":
                raise Refusal(
                    f'{name} is a list, in which a comma sets no thousands off; got "{value}". '
                    f"Write {value.replace(',', '')} if it is one number."
                )
        read = [part if part in self.words else self.each.convert(part, param, ctx) for part in parts]
        for one in read:
            if read.count(one) > 1:
                raise Refusal(f"{name} must have each value once; got {one} {read.count(one)} times.")
        return tuple(read)


_model = under("Model")
_grid = under("Grid")
_training = under("Training")
_evaluation = under("Evaluation")
_output = under("Output")

_seed = _training(
    "--seed", type=Whole(0), default=0, show_default=True, metavar="S", help="The first of the seeds."
)
_optimizer_option = _training(
    "--optimizer-option",
    multiple=True,
    metavar="NAME=X",
    help="Such as b1=0.95; may be repeated.",
)
_vary = _training(
    "--vary",
    default="split,init,order",
    show_default=True,
    metavar="PARTS",
    help="What differs between repeats.",
)
_target_value = _evaluation(
    "--target-value", type=Number(), metavar="V", help="What the judged column is to reach. [measured]"
)
_data = data_options(
    "Held out to judge by: 0.2 or 20% of the rows, 20 rows, or a file.",
    "Held out and not looked at; likewise.",
)


def _out(command: str) -> Any:
    return _output(
        "--out",
        "-o",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="The folder of the results. [new, in runs/]",
    )


compare_options = decorate(
    _data,
    _grid(
        "--batch-size",
        "-b",
        type=Listed(BatchSize(), "1,32,full"),
        metavar="LIST",
        help="Of whole numbers and full.  [default: 1,8,32,128,full]",
    ),
    _grid(
        "--learning-rate",
        "-l",
        type=Listed(POSITIVE, "0.01,0.03", ("tune",)),
        default="tune",
        show_default=True,
        metavar="LIST",
        help="Numbers; tune finds one for each setting.",
    ),
    _grid(
        "--optimizer",
        type=Listed(click.STRING, "sgd,adam"),
        default="adam",
        show_default=True,
        metavar="LIST",
        help="sgd, momentum, nesterov, adam and more.",
    ),
    _grid(
        "--epochs",
        "-e",
        type=Listed(Whole(1), "20,50"),
        metavar="LIST",
        help=f"Passes through the training samples.  [default: {EPOCHS}]",
    ),
    _grid(
        "--schedule",
        type=Listed(click.STRING, "constant,cosine"),
        default="constant",
        show_default=True,
        metavar="LIST",
        help="constant, cosine, step.",
    ),
    _grid(
        "--order",
        type=Listed(click.STRING, "shuffle,sequential"),
        default="shuffle",
        show_default=True,
        metavar="LIST",
        help="As for train, but blocks: shuffle, stratified, balanced and more.",
    ),
    _grid(
        "--remainder",
        type=Listed(click.STRING, "keep,drop"),
        default="keep",
        show_default=True,
        metavar="LIST",
        help="keep, drop, spread, carry.",
    ),
    _grid(
        "--hidden",
        multiple=True,
        metavar="UNITS",
        help="mlp: units of its layers; give it again for another network. [64,64]",
    ),
    _grid(
        "--activation",
        type=Listed(click.STRING, "relu,tanh"),
        metavar="LIST",
        help="mlp, cnn: activation function. [relu]",
    ),
    _grid(
        "--at",
        default="epochs",
        show_default=True,
        metavar="AT",
        help="Equal epochs, samples, updates or seconds; or 2000updates, 10s.",
    ),
    _model(
        "--network",
        type=Listed(click.STRING, "mlp,lstm"),
        metavar="LIST",
        help="mlp, cnn, lstm, gru, text. [by the samples' shape]",
    ),
    network_parts,
    _training(
        "--repeats",
        "-r",
        type=Whole(1),
        default=10,
        show_default=True,
        metavar="R",
        help="Trainings of each setting, on the same seeds.",
    ),
    _seed,
    _optimizer_option,
    pace_options,
    gradient_options,
    computing_options,
    loss_options,
    _vary,
    column_options,
    _target_value,
    _evaluation(
        "--margin",
        type=Number(),
        metavar="D",
        help="Smallest difference that matters. [a fifth of the sd over repeats]",
    ),
    ray_option,
    _out("compare"),
    _output("--yes", "-y", is_flag=True, help="Also if it takes long."),
    output_options,
)
"""All options of `epochal compare`, in the order of its help."""

advise_options = decorate(
    _data,
    network_options,
    _training(
        "--goal",
        "-g",
        default="quality",
        show_default=True,
        metavar="GOAL",
        help="quality; or the least time, samples or updates to a good model.",
    ),
    _training("--batch-size", "-b", type=BatchSize(), metavar="B", help="Keep this one. [searched]"),
    _training("--learning-rate", "-l", type=POSITIVE, metavar="RATE", help="Keep this one. [searched]"),
    _training(
        "--epochs",
        "-e",
        type=Whole(1),
        metavar="E",
        help="Passes, at most. [1,000, ended early]",
    ),
    _training(
        "--repeats",
        "-r",
        type=Whole(1),
        metavar="R",
        help="Seeds of the search, and again of the check. [10]",
    ),
    _seed,
    _training(
        "--optimizer",
        default="adam",
        show_default=True,
        metavar="NAME",
        help="sgd, momentum, nesterov, adam, adamw, muon and more.",
    ),
    _optimizer_option,
    gradient_options,
    computing_options,
    loss_options,
    _training("--order", default="shuffle", metavar="NAME", help="As for train, but blocks."),
    _training("--remainder", default="keep", metavar="NAME", help="keep, drop, spread or carry."),
    _vary,
    column_options,
    _target_value,
    ray_option,
    _output("--train", is_flag=True, help="Train at once as advised, into a run folder."),
    _output("--all-data", is_flag=True, help="For the training: without validation samples."),
    _out("advise"),
    output_options,
)
"""All options of `epochal advise`, in the order of its help."""


def compared(given: dict[str, Any], dataset: Any) -> dict[str, Any]:
    """The keyword arguments of `epochal.choose.compare.compare`."""
    from epochal.engine.schedules import Schedule

    schedules = [
        Schedule(
            name,
            given["warmup"],
            every=(given["step_every"] or 0) if name in ("step", "exponential") else 0,
            factor=given["step_factor"],
            floor=given["schedule_floor"] if name in ("cosine", "linear") else 0.0,
        )
        for name in given["schedule"]
    ]
    axes = {name: list(given[name]) for name in ("learning_rate", "optimizer", "order", "remainder")}
    axes |= {name: list(given[name]) for name in ("batch_size", "epochs") if given[name] is not None}
    if "epochs" not in axes and not any(character.isdecimal() for character in given["at"]):
        axes["epochs"] = [EPOCHS]
    return {
        **common(given, dataset),
        **axes,
        "schedule": schedules,
        "at": given["at"],
        "target": given["target_value"],
        "margin": given["margin"],
        "yes": given["yes"],
        "ray": given["ray"],
    }


def advised(given: dict[str, Any], dataset: Any) -> dict[str, Any]:
    """The keyword arguments of `epochal.choose.advise.advise`."""
    asked = {name: given[name] for name in ("optimizer", "order", "remainder", "goal")}
    own = {name: given[name] for name in ("batch_size", "learning_rate", "epochs", "repeats")}
    asked |= common(given, dataset) | own | {"target": given["target_value"], "ray": given["ray"]}
    return {name: value for name, value in asked.items() if name not in own or value is not None}


def request(dataset: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What makes two calls the same: the samples and all options that decide which trainings are made."""
    asked = {name: value for name, value in given.items() if name not in UNASKED}
    return {"version": VERSION, "data": dataset.fingerprint, "options": asked}
