"""Options of a training, and their conversion to settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import under
from epochal.cli.hosts_options import hosts_options, ray_option
from epochal.cli.network_options import network_options
from epochal.cli.options import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    BatchSize,
    Growth,
    Number,
    Whole,
    batch_size_of,
    decorate,
    images,
    number_or_path,
    order_of,
    reading,
)
from epochal.cli.options import options as read_options
from epochal.cli.rank_options import rank_options
from epochal.cli.saving_options import saving_options
from epochal.cli.series_options import held_out, series_options
from epochal.cli.text_options import text_options
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.data import Dataset

__all__ = [
    "column_options",
    "common",
    "computing_options",
    "data_options",
    "gradient_options",
    "loss_options",
    "names",
    "output_options",
    "pace_options",
    "settings",
    "train_options",
]

_data = under("Data")
_training = under("Training")
_stopping = under("Stopping")
_evaluation = under("Evaluation")
_output = under("Output")


def data_options(validation: str, test: str) -> Callable[[Any], Any]:
    """Which table, and what becomes of its columns; what is held out for what is told in words."""
    return decorate(
        _data("--target", "-t", metavar="COLUMN", help="Name or number, from 1. [the last column]"),
        _data("--task", metavar="TASK", help="classification, binary, multiclass, multilabel, regression."),
        _data(
            "--validation",
            default="0.2",
            show_default=True,
            metavar="SHARE|ROWS|FILE",
            help=validation,
        ),
        _data("--test", default="0", metavar="SHARE|ROWS|FILE", help=test),
        _data("--sample-weight", metavar="COLUMN", help="The column with sample weights."),
        _data("--groups", metavar="COLUMN", help="The column of groups, which a split keeps whole."),
        _data("--groups-from", metavar="REGEX", help=r"Finds groups in file names, such as 's(\d+)_'."),
        _data("--groups-table", metavar="FILE", help="A table of file names and their groups."),
        _data("--drop", multiple=True, metavar="COLUMNS", help="Columns to leave out."),
        _data("--keep", multiple=True, metavar="COLUMNS", help="Columns to keep, whatever they look like."),
        _data("--categorical", multiple=True, metavar="COLUMNS", help="Columns to read as categories."),
        _data("--numeric", multiple=True, metavar="COLUMNS", help="Columns to read as numbers."),
        _data("--decimal", metavar="MARK", help="Decimal mark, . or ,. [detected]"),
        _data("--date-format", metavar="FORMAT", help="How dates are written: %d/%m/%Y. [detected]"),
        _data(
            "--stream/--no-stream",
            default=None,
            help="Read batches from the file while training. [if it is large]",
        ),
        _data("--no-standardize", is_flag=True, help="Do not standardize the inputs."),
        images("Data"),
        reading("Data"),
        series_options,
        text_options,
    )


pace_options = decorate(
    _training(
        "--warmup", type=Whole(0), default=0, metavar="UPDATES", help="Updates over which the rate rises."
    ),
    _training(
        "--step-every",
        type=Whole(1),
        metavar="UPDATES",
        help='For "step" and "exponential": updates between steps.',
    ),
    _training(
        "--schedule-floor",
        type=SHARE,
        default=0.0,
        metavar="SHARE",
        help='For "cosine" and "linear": share of the rate at which they end.',
    ),
    _training(
        "--step-factor",
        type=POSITIVE,
        default=0.1,
        show_default=True,
        metavar="FACTOR",
        help='For "step" and "exponential": the rate is multiplied by it.',
    ),
)
"""Further numbers of a schedule."""

computing_options = decorate(
    _training(
        "--precision",
        default="float32",
        show_default=True,
        metavar="NAME",
        help="What the network computes in: float32 or bfloat16.",
    ),
    _training("--deterministic", is_flag=True, help="The same bits every time on a GPU, too; slower."),
)
"""How products and sums are computed."""

gradient_options = decorate(
    _training(
        "--weight-decay",
        type=NOT_NEGATIVE,
        metavar="X",
        help="Shrink parameters by this share times the rate. [the optimizer's usual one]",
    ),
    _training("--clip-norm", type=POSITIVE, metavar="NORM", help="Scale larger gradients down to this norm."),
    _training(
        "--gradient-noise",
        type=NOT_NEGATIVE,
        default=0.0,
        metavar="VARIANCE",
        help="Noise on gradients, which fades: 0.01, 0.3 or 1 are usual.",
    ),
)
"""What becomes of a gradient before it moves the parameters."""

loss_options = decorate(
    _training("--loss", metavar="NAME", help="log_loss, squared_error, absolute_error, huber."),
    _training(
        "--label-smoothing",
        type=SHARE,
        default=0.0,
        metavar="SHARE",
        help="For log_loss: share of a target that is spread over all classes.",
    ),
    _training("--class-weight", metavar="WEIGHTS", help='"balanced", or such as 0=1,1=2.5.'),
)
"""What is to be least."""

column_options = decorate(
    _evaluation(
        "--metrics", metavar="NAMES", help="Of the curves, such as accuracy,roc_auc,sklearn:jaccard."
    ),
    _evaluation("--monitor", metavar="COLUMN", help="Decides what is best. [validation.loss]"),
)
"""What is evaluated along the curve, and which of it decides."""

output_options = decorate(
    _output("--no-report", is_flag=True, help="Without report.html in it."),
    _output("--json", "as_json", is_flag=True, help="One JSON object on stdout, all else on stderr."),
    _output("--quiet", "-q", is_flag=True, help="Nothing but the result."),
)
"""What is written and printed besides the folder."""

train_options = decorate(
    data_options(
        "Held out for the curves: 0.2 or 20% of the rows, 20 rows, a file; 0 for none.",
        "Held out and looked at once, at the end; likewise.",
    ),
    rank_options,
    network_options,
    _training(
        "--batch-size",
        "-b",
        type=BatchSize(),
        metavar="B",
        help='Batch size, or "full".  [default: 32, or all samples if fewer]',
    ),
    _training(
        "--micro-batch",
        type=BatchSize("auto"),
        metavar="N",
        help='Samples that go through the network at once, or "auto": what fits into memory.',
    ),
    _training(
        "--epochs",
        "-e",
        type=Whole(1),
        default=100,
        show_default=True,
        metavar="E",
        help="Passes through the training samples.",
    ),
    _training(
        "--updates-per-epoch",
        type=Whole(1),
        metavar="U",
        help="What an epoch is, instead of one pass; passes go on underneath.",
    ),
    _training(
        "--grow-batch",
        type=Growth(),
        metavar="E:B,...",
        help='Other batch sizes after so many epochs, such as 30:128,60:full; or "5000 updates:128".',
    ),
    _training(
        "--repeats",
        "-r",
        type=Whole(1),
        default=1,
        show_default=True,
        metavar="R",
        help="Trainings with seeds of their own.",
    ),
    _training(
        "--devices",
        type=Whole(1),
        metavar="N",
        help="Devices that take part. [all accelerators, or the CPU]",
    ),
    _training(
        "--seed",
        type=Whole(0),
        default=0,
        show_default=True,
        metavar="S",
        help="Of the first repeat; the others count on.",
    ),
    _training(
        "--optimizer",
        default="adam",
        show_default=True,
        metavar="NAME",
        help="sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion, muon, schedule_free_adam "
        "and more.",
    ),
    _training(
        "--learning-rate",
        "-l",
        type=POSITIVE,
        metavar="RATE",
        help="Learning rate. [the optimizer's usual one]",
    ),
    _training(
        "--optimizer-option",
        multiple=True,
        metavar="NAME=X",
        help="Such as b1=0.95; may be repeated.",
    ),
    _training(
        "--schedule",
        default="constant",
        show_default=True,
        metavar="NAME",
        help="constant, cosine, linear, exponential, inverse_sqrt or step.",
    ),
    pace_options,
    gradient_options,
    _training("--augment", metavar="LIST", help="Vary images: flip,shift:2,crop:2,rotate:15,brightness:0.2."),
    computing_options,
    _training("--initial", metavar="PATH", help="Start from a run folder, safetensors or Keras file."),
    _training("--fresh", multiple=True, metavar="PATTERN", help="For --initial: parameters drawn anew."),
    _training("--freeze", multiple=True, metavar="PATTERN", help="Parameters that are not trained."),
    loss_options,
    _training(
        "--order",
        default="shuffle",
        show_default=True,
        metavar="NAME",
        help="shuffle, shuffle_once, sequential, stratified, balanced, weighted, replacement, blocks, "
        "groups, tracks, buckets.",
    ),
    _training(
        "--stateful", is_flag=True, help="An LSTM or GRU carries its state from batch to batch of a series."
    ),
    _training("--block-length", type=Whole(1), metavar="N", help='For "blocks": samples that stay together.'),
    _training(
        "--remainder", default="keep", show_default=True, metavar="NAME", help="keep, drop, spread or carry."
    ),
    _training(
        "--vary",
        default="split,init,order",
        show_default=True,
        metavar="PARTS",
        help="What differs between repeats.",
    ),
    _stopping("--patience", type=POSITIVE, metavar="EPOCHS", help="Stop after so many without improvement."),
    _stopping(
        "--min-change", type=NOT_NEGATIVE, metavar="X", help="For --patience: what counts as improvement."
    ),
    _stopping(
        "--min-epochs", type=NOT_NEGATIVE, metavar="EPOCHS", help="For --patience: not before that epoch."
    ),
    _stopping("--target-value", type=Number(), metavar="V", help="Stop when the monitored column reaches V."),
    _stopping("--max-seconds", type=POSITIVE, metavar="SECONDS", help="Training time of a repeat, at most."),
    _stopping("--max-updates", type=Whole(1), metavar="UPDATES", help="Updates of a repeat, at most."),
    _stopping("--stop-gl", type=POSITIVE, metavar="ALPHA", help="Prechelt's generalization loss, in %."),
    _stopping("--stop-pq", type=POSITIVE, metavar="ALPHA", help="Prechelt's productivity quotient."),
    _stopping("--stop-up", type=Whole(1), metavar="STRIPS", help="Prechelt's successive rises."),
    column_options,
    _evaluation(
        "--threshold",
        metavar="RULE|X",
        help="For two classes: f1, balanced_accuracy, youden (best on validation), or a number.",
    ),
    _evaluation(
        "--evaluate-every", default="1", metavar="N", help='Epochs between evaluations; or "100 updates".'
    ),
    _evaluation(
        "--evaluate-train/--no-evaluate-train",
        default=None,
        help="The training loss at fixed parameters, too. [unless data is streamed]",
    ),
    _output(
        "--out",
        "-o",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="The run folder. [a new one in runs/]",
    ),
    saving_options,
    ray_option,
    hosts_options,
    output_options,
)
"""All options of `epochal train`, in the order of its help."""


def settings(given: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """The keyword arguments of `epochal.train`."""
    from epochal.engine.schedules import Schedule

    schedule = Schedule(
        given["schedule"],
        given["warmup"],
        every=given["step_every"] or 0,
        factor=given["step_factor"],
        floor=given["schedule_floor"],
    )
    taken = (
        "devices",
        "updates_per_epoch",
        "micro_batch",
        "epochs",
        "optimizer",
        "learning_rate",
        "remainder",
    )
    return {
        **common(given, dataset),
        **{name: given[name] for name in (*taken, "evaluate_every")},
        "batch_size": batch_size_of(given["batch_size"], given["grow_batch"]),
        "schedule": schedule,
        "order": order_of(given["order"], given["block_length"]),
        "stateful": given["stateful"],
        "stop": _rule(given),
        "threshold": None if given["threshold"] is None else number_or_path(given["threshold"]),
        "evaluate_train": given["evaluate_train"],
        "stream": given["stream"],
        "initial": _initial(given["initial"], given["fresh"]),
        "freeze": tuple(name for value in given["freeze"] for name in names(value)),
        "augment": given["augment"],
    }


def _initial(path: str | None, fresh: tuple[str, ...]) -> Any:
    from epochal.models.starts import Initial

    patterns = tuple(name for value in fresh for name in names(value))
    if path is None:
        if patterns:
            raise Refusal("--fresh belongs to --initial; give that, too.")
        return None
    return Initial(path, patterns)


def common(given: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Those of them that `fit`, `compare` and `advise` understand alike."""
    taken = (
        *("loss", "monitor", "repeats", "seed", "precision", "deterministic"),
        *("label_smoothing", "weight_decay", "clip_norm", "gradient_noise"),
    )
    return {
        **{name: given[name] for name in taken},
        "optimizer_options": read_options(given["optimizer_option"]),
        "metrics": None if given["metrics"] is None else names(given["metrics"]),
        "vary": names(given["vary"]),
        "validation": number_or_path(given["validation"]),
        "test": number_or_path(given["test"]),
        **held_out(given),
        "class_weight": _class_weight(given["class_weight"]),
        "standardize": False if given["no_standardize"] else None,
    }


def names(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _class_weight(text: str | None) -> Any:
    return text if text is None or "=" not in text else read_options(tuple(text.split(",")))


def _rule(given: dict[str, Any]) -> Any:
    from epochal.stopping import (
        Budget,
        GeneralizationLoss,
        Patience,
        Productivity,
        RisingStrips,
        Target,
        any_of,
    )

    held_out = number_or_path(given["validation"]) != 0
    monitor = given["monitor"] or ("validation.loss" if held_out else "train.loss")
    rules: list[Any] = []
    if given["patience"] is not None:
        rules.append(
            Patience(given["patience"], given["min_change"] or 0.0, given["min_epochs"] or 0.0, monitor)
        )
    else:
        for name in ("min_change", "min_epochs"):
            if given[name] is not None:
                raise Refusal(f"--{name.replace('_', '-')} belongs to --patience; give that, too.")
    if given["target_value"] is not None:
        rules.append(Target(given["target_value"], monitor))
    for name, make in (("stop_gl", GeneralizationLoss), ("stop_pq", Productivity), ("stop_up", RisingStrips)):
        if given[name] is not None:
            rules.append(make(given[name]))
    if given["max_seconds"] is not None or given["max_updates"] is not None:
        rules.append(Budget(given["max_seconds"], given["max_updates"]))
    return any_of(*rules) if rules else None
