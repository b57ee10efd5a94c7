"""Settings: every option of a training, declared once."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from epochal.errors import Refusal, did_you_mean
from epochal.plan import BatchSchedule
from epochal.settings.option import checked, declare_option, declared_options, documented
from epochal.settings.value_kinds import (
    ANY,
    BOOLEAN,
    FRACTION,
    FUNCTION,
    HELD_OUT,
    INTERVAL,
    NAMES,
    NOT_NEGATIVE,
    NUMBERS,
    POSITIVE,
    THRESHOLD,
    WEIGHTS,
    WORD,
    ValueKind,
    names_in,
    one_of,
    parse_evaluation_interval,
    size,
    whole,
)

TASKS = ("classification", "binary", "multiclass", "multilabel", "regression")
"""What can be learned."""

SPLITS = ("random", "chronological", "groups")
"""How samples are held out."""

VARYING = ("split", "init", "order")
"""The sources of randomness that differ between repeats: the split, the initial parameters, the order."""

PRECISIONS = ("float32", "bfloat16")
"""What a model may compute in."""

TRAIN_ONLY = ("train",)
"""Options with a flag for `train` only; `compare` and `advise` take them in Python."""

COMPARE_DEFAULTS: Mapping[str, Any] = {
    "batch_size": (1, 8, 32, 128, "full"),
    "learning_rate": "tune",
    "epochs": 50,
    "repeats": 10,
}
"""What a comparison takes where nothing else is given."""

ADVISE_DEFAULTS: Mapping[str, Any] = {"batch_size": None, "epochs": 1000, "repeats": 10}
"""What an advice takes where nothing else is given."""

_SIZE = size("full")


def _sizes(value: Any) -> Any:
    return value if isinstance(value, Mapping | BatchSchedule) else _SIZE.check(value)


def _rate(value: Any) -> Any:
    """A number. Any other type is rejected later, when the optimizer is built, with a suggestion."""
    return POSITIVE.check(value) if isinstance(value, str | bool | numbers.Real) else value


def _sources(value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = NAMES.check(value)
    for source in found:
        if source not in VARYING:
            raise Refusal(did_you_mean("source of randomness", source, VARYING))
    return found


def _patterns(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for text in texts for name in names_in(text))


@dataclass(frozen=True)
class Settings:
    """All that a training is asked to do, checked as far as can be without the data.

    Args:
    """

    # fmt: off
    batch_size: int | Literal["full"] | Mapping[int, Any] | BatchSchedule | None = declare_option(
        None, ValueKind(_sizes, _SIZE.read, _SIZE.names),
        'Batch size, or "full". [32, or all samples if fewer]', "B", short="b",
        doc='samples of one update, or "full" for all training samples; or sizes that change, as a '
        'mapping from the epoch at which each begins, such as {0: 32, 30: 128, 60: "full"}, or as a '
        "BatchSchedule, which also counts in updates. 32 by default, or all samples if there are fewer.")
    micro_batch: int | Literal["auto"] | None = declare_option(
        None, size("auto"),
        'Samples that go through the network at once, or "auto": what fits into memory.', "N",
        commands=TRAIN_ONLY,
        doc="the most samples that go through the model at once: the gradient of a larger batch is added "
        "up over micro-batches, and the update stays that of the whole batch, but for dropout and "
        'augmentation (drawn for each) and batch normalization (which sees micro-batches). "auto" takes '
        "the largest that fits into the memory that is free; None is the whole batch.")
    epochs: int = declare_option(
        100, whole(1), "Passes through the training samples, at most.", "E", short="e", fixed_on_resume=False)
    updates_per_epoch: int | None = declare_option(
        None, whole(1),
        "Length of an epoch in updates, instead of one pass; samples are still used in full passes.", "U",
        commands=TRAIN_ONLY,
        doc="updates per epoch, instead of one pass: evaluations, curves, rules and `epochs` count in such "
        "epochs; samples are still used in full passes.")
    repeats: int = declare_option(
        1, whole(1), "Trainings, with the seeds S, S + 1, and so on.", "R", short="r")
    devices: int | None = declare_option(
        None, whole(1), "Devices that take part. [all accelerators, or the CPU]", "N", commands=TRAIN_ONLY,
        fixed_on_resume=False,
        doc="of this machine that take part: repeats go to groups of them, and the devices of a group "
        "share each batch. By default all accelerators (one for each repeat if updates are small), or the "
        "CPU.")
    seed: int = declare_option(
        0, whole(0), "Seed of the first repeat; the others use S + 1, S + 2, ... [0]", "S",
        doc="seed of the first repeat; the others use seed + 1, seed + 2, ...")
    optimizer: Any = declare_option(
        "adam", ANY,
        "sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion, muon, schedule_free_adam and more.",
        "NAME",
        doc="a name (sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion, muon, "
        "schedule_free_adam, ...) or an Optax object. Muon (Jordan et al. 2024) moves matrices, and Adam "
        "all else; of a schedule-free one (Defazio et al. 2024), the averaged parameters are evaluated.")
    learning_rate: float | None = declare_option(
        None, ValueKind(_rate, POSITIVE.read), "Learning rate. [the optimizer's usual one]", "RATE",
        short="l")
    optimizer_options: Mapping[str, float] = declare_option(
        {}, NUMBERS, "Such as b1=0.95; may be repeated.", "NAME=X", flag="optimizer-option",
        doc='further numbers of a named optimizer, such as {"weight_decay": 0.01}.')
    schedule: Any = declare_option(
        "constant", ANY, "constant, cosine, linear, exponential, inverse_sqrt or step.", "NAME",
        commands=("train", "compare"),
        doc='how the learning rate moves: "constant", "cosine", "linear", "inverse_sqrt", or a '
        'Schedule, such as Schedule("cosine", warmup=100) or Schedule("step", every=500).')
    weight_decay: float | None = declare_option(
        None, NOT_NEGATIVE, "Shrink parameters by this fraction times the rate. [the optimizer's usual one]",
        "X",
        doc="of a named optimizer: each update shrinks every parameter, biases too, by this fraction times "
        'the learning rate, apart from the gradient (decoupled, as in AdamW); "lamb" and "lars" count it '
        "in their trust ratio. None is the optimizer's usual one: 0.01 of \"adamw\" and "
        '"schedule_free_adamw", 0.001 of "lion", else 0.')
    clip_norm: float | None = declare_option(
        None, POSITIVE, "Scale larger gradients down to this norm.", "NORM",
        doc="the largest norm of the gradient of an update, that of all parameters together; a larger "
        "gradient is scaled down to it. None for none.")
    gradient_noise: float = declare_option(
        0.0, NOT_NEGATIVE,
        "Variance of the noise added to gradients, decaying over updates; usually 0.01, 0.3 or 1.",
        "VARIANCE",
        doc="variance of normal noise on the first gradient, after clipping; it shrinks with the updates "
        "t as (1 + t)^-0.55 (Neelakantan et al. 2015, who take 0.01, 0.3 or 1).")
    augment: Any = declare_option(
        (), ANY, "Vary images: flip,shift:2,crop:2,rotate:15,brightness:0.2.", "LIST", commands=TRAIN_ONLY,
        doc="how images are varied in training: transforms such as Flip() and Shift(2), or words such as "
        '"flip,shift:2,rotate:15".')
    precision: str = declare_option(
        "float32", one_of("precision", PRECISIONS), "What the network computes in: float32 or bfloat16.",
        "NAME",
        doc='what the model computes in: "float32", or "bfloat16", which modern accelerators multiply '
        "many times as fast; parameters, optimizer, losses and metrics are float32 all the same.")
    deterministic: bool = declare_option(
        False, BOOLEAN, "The same bits every time on a GPU, too; slower.", fixed_on_resume=False)
    initial: Any = declare_option(
        None, ANY, "Start from a run folder, safetensors or Keras file.", "PATH", commands=TRAIN_ONLY,
        doc="variables from which every repeat starts, instead of drawing them; or where they are: a run "
        "folder, a safetensors or Keras file, or `Initial(path, reinitialize=...)`.")
    freeze: Any = declare_option(
        (), ValueKind(NAMES.check, _patterns, multiple=True),
        'Parameters that are not trained, such as "convolutions/*".', "PATTERN", commands=TRAIN_ONLY)
    loss: Any = declare_option(
        None, FUNCTION, "log_loss, squared_error, absolute_error, huber.", "NAME",
        doc='a name ("log_loss", "squared_error", "absolute_error", "huber") or a function (outputs, '
        "targets) -> (batch,), which sees regression targets as `standardize` has them; the usual one of "
        "the task by default.")
    label_smoothing: float = declare_option(
        0.0, FRACTION, "For log_loss: fraction of a target that is spread over all classes.", "FRACTION",
        doc="the fraction of each target that is spread evenly over the classes, for log_loss; it shapes "
        "the gradient and the running loss, while evaluations show the log loss itself.")
    class_weight: Any = declare_option(
        None, WEIGHTS, '"balanced", or such as 0=1,1=2.5.', "WEIGHTS",
        doc='"balanced", or a mapping from class to weight.')
    order: Any = declare_option(
        "shuffle", ANY,
        "shuffle, shuffle_once, sequential, stratified, balanced, weighted, replacement, blocks, groups, "
        "contiguous, buckets.",
        "NAME",
        doc='which sample comes when: "shuffle" (a new random order in every epoch), "shuffle_once", '
        '"sequential", "stratified" (each batch holds the classes in proportion), "balanced" (every class '
        'equally often), "weighted" (drawn by the sample weights, which then do not weigh the loss), '
        '"replacement", "groups" (the samples of a group together), or an Order such as `Blocks(12)` '
        "(consecutive samples together) or `Groups(values)`, with a value for each sample of the data.")
    stateful: bool = declare_option(
        False, BOOLEAN, "An LSTM or GRU carries its state from batch to batch of a series.",
        commands=TRAIN_ONLY,
        doc="an LSTM or GRU carries its state from each batch to the next, for windows of one series "
        'that follow one another (stride = window): order "contiguous" and remainder "drop"; it starts at '
        "zero in every epoch and every evaluation.")
    remainder: str = declare_option(
        "keep", WORD, "What becomes of samples that fill no batch: keep, drop, spread or carry.", "NAME")
    vary: tuple[str, ...] = declare_option(
        VARYING, ValueKind(_sources, names_in, VARYING),
        "What differs between repeats; everything else is as in the first repeat.", "SOURCES",
        doc="the sources of randomness that differ between repeats; all else is as in the first repeat.")
    stop: Any = declare_option(
        None, ANY,
        doc="a rule of `epochal.stopping`, or None to train for all epochs.")
    task: str | None = declare_option(
        None, one_of("task", TASKS), "classification, binary, multiclass, multilabel, regression.", "TASK",
        section="Data",
        doc='"classification", "binary", "multiclass", "multilabel" (columns of 0 and 1, any number of '
        'which may be 1) or "regression"; recognized by default.')
    positive: Any = declare_option(
        None, ANY, "The positive class, for F1, precision, recall and the threshold.", "CLASS",
        section="Data",
        doc="of two classes the one that F1, precision, recall, average precision and `threshold` are of; "
        "by default the last in order (1, true, yes).")
    validation: Any = declare_option(
        0.2, HELD_OUT, "Held out for the curves: 0.2 or 20% of the rows, 20 rows, a file; 0 for none.",
        "FRACTION|ROWS|FILE", section="Data",
        doc="a fraction of the samples in [0, 1), or data of its own; 0 for none.")
    test: Any = declare_option(
        0.0, HELD_OUT, "Held out and evaluated once, at the end; same forms as for validation.",
        "FRACTION|ROWS|FILE", section="Data",
        doc="held out and evaluated once, at the end; in the same forms as `validation`.")
    stream: bool | None = declare_option(
        None, BOOLEAN, "Read batches from the file while training. [if it is large]", section="Data",
        fixed_on_resume=False,
        doc="whether the samples stay where they are and are read batch by batch; by default those that "
        "would take more than a quarter of the free memory, or that are no arrays.")
    standardize: bool | None = declare_option(
        None, BOOLEAN, "Bring inputs to mean 0 and variance 1. [tables and arrays]", section="Data",
        doc="bring inputs (and regression targets) to mean 0 and variance 1 by the training samples; by "
        "default for tables and arrays, but not for images and tokens. Sample weights do not count in the "
        "scales.")
    workers: int | None = declare_option(
        None, whole(0), fixed_on_resume=False,
        doc="processes that read the samples of an object, such as a PyTorch Dataset; by default as many "
        "as there are cores if reading one takes long, and none if it does not.")
    split: str | None = declare_option(
        None, one_of("split", SPLITS), "chronological, random or groups. [as the data is]", "HOW",
        section="Time series",
        doc='"random", or "chronological": the last samples are tested, those before validated, and '
        "samples that cross a cut are left out; all repeats share it. Chronological for windows of a "
        'series by default. "groups" keeps groups whole, is the default where a column tells groups apart '
        "and for ranked pairs, and is shared by all repeats, too. Else random.")
    gap: int = declare_option(
        0, whole(0, "a whole number of rows"), "Left out before each cut of a chronological split.", "ROWS",
        section="Time series")
    metrics: Any = declare_option(
        None, ValueKind(ANY.check, names_in),
        "Metrics to record at each evaluation, such as accuracy,roc_auc,sklearn:jaccard.", "NAMES",
        section="Evaluation",
        doc="what is evaluated along the curve, by name; the task's usual ones by default. A scorer of "
        "scikit-learn goes by \"sklearn:roc_auc\" or as an object; a function of one's own, (outputs, "
        'targets) -> a number, as itself, as ("name", function) or as `metric(function, ...)`.')
    monitor: str | None = declare_option(
        None, WORD, "Decides what is best. [validation.loss]", "METRIC", section="Evaluation",
        doc='the metric that decides which parameters are the best; "validation.loss" by default, or '
        '"train.loss" where there are no validation samples.')
    threshold: Any = declare_option(
        None, THRESHOLD,
        "For two classes: f1, balanced_accuracy, youden (best on validation), or a number.", "RULE|X",
        section="Evaluation", commands=TRAIN_ONLY, fixed_on_resume=False,
        doc="for two classes, the probability above which a sample is taken for the second: a number, or "
        'what it shall make greatest on the validation samples of each repeat, "f1", "balanced_accuracy" '
        'or "youden"; one half by default.')
    evaluate_every: int | str = declare_option(
        1, INTERVAL, 'Epochs between evaluations; or "100 updates".', "N", section="Evaluation",
        commands=TRAIN_ONLY)
    evaluate_train: bool | None = declare_option(
        None, BOOLEAN,
        "Also evaluate the training loss at each evaluation, without dropout or updates. "
        "[unless data is streamed]",
        section="Evaluation", commands=TRAIN_ONLY)
    # fmt: on

    def __post_init__(self) -> None:
        for one in declared_options(type(self)).values():
            object.__setattr__(self, one.name, checked(one, getattr(self, one.name)))
        if self.seed > 2**64 - self.repeats:
            raise Refusal(f"`seed` must be a whole number between 0 and 2^64 - repeats; got {self.seed!r}.")
        if not self.vary and self.repeats > 1:
            raise Refusal(
                f"`vary` must name something that differs between {self.repeats} repeats, of "
                f"{', '.join(VARYING)}; got nothing, which would make them all the same."
            )

    @property
    def evaluation(self) -> tuple[int, str]:
        """How far apart evaluations are: (count, "epochs" or "updates")."""
        return parse_evaluation_interval(self.evaluate_every)


DECLARED = declared_options(Settings)
"""Each option of a training, by name."""

Settings.__doc__ = f"{inspect.cleandoc(Settings.__doc__ or '')}\n{documented(Settings)}\n"
