"""The options of a training."""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal, NamedTuple, TypedDict

from epochal.data import TASKS, load
from epochal.engine.optimizers import Optimizer, optimizer_for
from epochal.engine.schedules import Schedule
from epochal.errors import Refusal, did_you_mean
from epochal.models import checked_precision, checked_threshold, metrics_asked
from epochal.models.augment import transforms_of
from epochal.plan import BatchSchedule

__all__ = ["SPLITS", "VARYING", "Options", "Settings", "plain_number"]

SPLITS = ("random", "chronological", "groups")
"""How samples are held out."""

VARYING = ("split", "init", "order")
"""What differs from repeat to repeat unless it is fixed: the split, the initial parameters, the order."""


_ELSEWHERE = {
    "patience": "stop=ep.Patience(20)",
    "target": 'y="column", as in ep.fit(model, frame, "column")',
    "hidden": "the model ep.MLP(64, 64)",
    "sample_weight": "ep.fit(model, X, y, sample_weight=weights)",
    "block_length": "order=ep.Blocks(12)",
    "groups": 'order=ep.Groups(values), or ep.load_data(source, groups="column")',
    "progress": "ep.fit(..., progress=False), since train yields events",
    "max_seconds": "stop=ep.Budget(seconds=60)",
    "max_updates": "stop=ep.Budget(updates=1000)",
    "lr": "learning_rate",
    "n_epochs": "epochs",
    "max_iter": "epochs",
    "random_state": "seed",
    "verbose": "progress=False to be silent",
    "validation_split": "validation=0.2",
    "validation_data": "validation=(X_val, y_val)",
    "early_stopping": "stop=ep.Patience(20)",
    "hidden_layer_sizes": "the model ep.MLP(64, 64)",
    "shuffle": 'order="shuffle", the default, or order="sequential"',
    "callbacks": "ep.train(...), which yields events",
}
"""Options of the command line and of other libraries that are elsewhere, and where."""


class _Bound(NamedTuple):
    """What a number must be, and the words for it."""

    words: str
    holds: Callable[[float], bool]


_AMOUNTS = {
    "weight_decay": _Bound("at least 0 and finite", lambda x: 0 <= x < math.inf),
    "clip_norm": _Bound("greater than 0 and finite", lambda x: 0 < x < math.inf),
    "gradient_noise": _Bound("at least 0 and finite", lambda x: 0 <= x < math.inf),
    "label_smoothing": _Bound("at least 0 and less than 1", lambda x: 0 <= x < 1),
}
_OPTIONAL = ("weight_decay", "clip_norm")


class Options(TypedDict, total=False):
    """The keyword arguments of `fit` and `train`; `Settings` describes each."""

    batch_size: int | Literal["full"] | Mapping[int, Any] | BatchSchedule | None
    micro_batch: int | Literal["auto"] | None
    epochs: int
    updates_per_epoch: int | None
    optimizer: Any
    learning_rate: float | None
    schedule: str | Schedule
    optimizer_options: Mapping[str, float]
    weight_decay: float | None
    clip_norm: float | None
    gradient_noise: float
    loss: Any
    label_smoothing: float
    metrics: Any
    monitor: str | None
    stop: Any
    order: Any
    stateful: bool
    remainder: str
    repeats: int
    devices: int | None
    seed: int
    vary: tuple[str, ...]
    task: str | None
    validation: Any
    test: Any
    split: str | None
    gap: int
    class_weight: Any
    threshold: Any
    standardize: bool | None
    evaluate_every: int | str
    evaluate_train: bool | None
    initial: Any
    stream: bool | None
    workers: int | None
    freeze: Any
    augment: Any
    precision: str
    deterministic: bool


@dataclass(frozen=True)
class Settings:
    """All that a training is asked to do, checked as far as can be without the data.

    Args:
        batch_size: samples of one update, or "full" for all training samples; or sizes that change, as a
            mapping from the epoch at which each begins, such as {0: 32, 30: 128, 60: "full"}, or as a
            `BatchSchedule`, which also counts in updates. 32 by default, or all samples if there are fewer.
        micro_batch: the most samples that go through the model at once: the gradient of a larger batch is
            added up over micro-batches, and the update stays that of the whole batch, but for dropout and
            augmentation (drawn for each) and batch normalization (which sees micro-batches). "auto" takes the
            largest that fits into the memory that is free; None is the whole batch.
        epochs: passes through the training samples, at most (a rule may stop earlier).
        updates_per_epoch: what an epoch is, instead of one pass: evaluations, curves, rules and `epochs`
            count in it, while passes go on underneath as without it.
        optimizer: a name (sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion, muon,
            schedule_free_adam, ...) or an Optax object. Muon (Jordan et al. 2024) moves matrices, and Adam
            all else; of a schedule-free one (Defazio et al. 2024), the averaged parameters are evaluated.
        learning_rate: of a named optimizer; its usual one by default.
        schedule: how the learning rate moves: "constant", "cosine", "linear", "inverse_sqrt", or a
            `Schedule`, such as Schedule("cosine", warmup=100) or Schedule("step", every=500).
        optimizer_options: further numbers of a named optimizer, such as {"weight_decay": 0.01}.
        weight_decay: of a named optimizer: each update shrinks every parameter, biases too, by this share
            times the learning rate, apart from the gradient (decoupled, as in AdamW); "lamb" and "lars" count
            it in their trust ratio. None is the optimizer's usual one: 0.01 of "adamw" and
            "schedule_free_adamw", 0.001 of "lion", else 0.
        clip_norm: the largest norm of the gradient of an update, that of all parameters together; a larger
            gradient is scaled down to it. None for none.
        gradient_noise: variance of normal noise on the first gradient, after clipping; it shrinks with the
            updates t as (1 + t)^-0.55 (Neelakantan et al. 2015, who take 0.01, 0.3 or 1).
        loss: a name ("log_loss", "squared_error", "absolute_error", "huber") or a function
            (outputs, targets) -> (batch,), which sees regression targets as `standardize` has them; the usual
            one of the task by default.
        label_smoothing: the share of each target that is spread evenly over the classes, for log_loss; it
            shapes the gradient and the running loss, while evaluations show the log loss itself.
        metrics: what is evaluated along the curve, by name; the task's usual ones by default. A scorer of
            scikit-learn goes by "sklearn:roc_auc" or as an object; a function of one's own,
            (outputs, targets) -> a number, as itself, as ("name", function) or as `metric(function, ...)`.
        monitor: the column that decides which parameters are the best; "validation.loss" by default, or
            "train.loss" where there are no validation samples.
        stop: a rule of `epochal.stopping`, or None to train for all epochs.
        order: which sample comes when: "shuffle" (a new random order in every epoch), "shuffle_once",
            "sequential", "stratified" (each batch holds the classes in proportion), "balanced" (every class
            equally often), "weighted" (drawn by the sample weights, which then do not weigh the loss),
            "replacement", "groups" (the samples of a group together), or an `Order` such as `Blocks(12)`
            (consecutive samples together) or `Groups(values)`, with a value for each sample of the data.
        stateful: an LSTM or GRU carries its state from each batch to the next, for windows of one series that
            follow one another (stride = lags): order "tracks" and remainder "drop"; it starts at zero in
            every epoch and every evaluation.
        remainder: "keep", "drop", "spread" or "carry": what becomes of samples that do not fill a batch.
        repeats: trainings with the seeds `seed`, `seed + 1`, ...
        devices: of this machine that take part: repeats go to groups of them, and the devices of a group
            share each batch. By default all accelerators (one for each repeat if updates are small), or the
            CPU.
        seed: of the first repeat.
        vary: what differs between repeats, of "split", "init" and "order"; the rest is that of `seed`.
        task: "classification", "binary", "multiclass", "multilabel" (columns of 0 and 1, any number of which
            may be 1) or "regression"; recognized by default.
        validation: a share of the samples in [0, 1), or data of its own; 0 for none.
        test: likewise; test samples are looked at once, at the end.
        split: "random", or "chronological": the last samples are tested, those before validated, and samples
            that cross a cut are left out; all repeats share it. Chronological for windows of a series by
            default. "groups" keeps groups whole, is the default where a column tells groups apart and for
            ranked pairs, and is shared by all repeats, too. Else random.
        gap: for a chronological split, rows left out before each cut besides.
        class_weight: "balanced", or a mapping from class to weight.
        threshold: for two classes, the probability above which a sample is taken for the second: a number, or
            what it shall make greatest on the validation samples of each repeat, "f1", "balanced_accuracy" or
            "youden"; one half by default.
        standardize: bring inputs (and regression targets) to mean 0 and variance 1 by the training samples;
            by default for tables and arrays, but not for images and tokens. Sample weights do not count in
            the scales.
        evaluate_every: epochs between evaluations, or a string such as "100 updates".
        evaluate_train: whether the training loss at fixed parameters is evaluated, too; by default unless
            the samples are streamed and there are others for validation.
        initial: variables from which every repeat starts, instead of drawing them; or where they are: a run
            folder, a safetensors or Keras file, or `Initial(path, fresh=...)`.
        stream: whether the samples stay where they are and are read batch by batch; by default those that
            would take more than a quarter of the free memory, or that are no arrays.
        workers: processes that read the samples of an object, such as a PyTorch Dataset; by default as many
            as there are cores if reading one takes long, and none if it does not.
        freeze: patterns of parameters that are not trained, such as "convolutions/*".
        augment: how images are varied in training: transforms such as Flip() and Shift(2), or words such as
            "flip,shift:2,rotate:15".
        precision: what the model computes in: "float32", or "bfloat16", which modern accelerators multiply
            many times as fast; parameters, optimizer, losses and figures are float32 all the same.
        deterministic: whether a GPU gives the same bits every time, as a CPU does; it costs speed.
    """

    batch_size: int | Literal["full"] | Mapping[int, Any] | BatchSchedule | None = None
    micro_batch: int | Literal["auto"] | None = None
    epochs: int = 100
    updates_per_epoch: int | None = None
    optimizer: Any = "adam"
    learning_rate: float | None = None
    schedule: str | Schedule = "constant"
    optimizer_options: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float | None = None
    clip_norm: float | None = None
    gradient_noise: float = 0.0
    loss: Any = None
    label_smoothing: float = 0.0
    metrics: Any = None
    monitor: str | None = None
    stop: Any = None
    order: Any = "shuffle"
    stateful: bool = False
    remainder: str = "keep"
    repeats: int = 1
    devices: int | None = None
    seed: int = 0
    vary: tuple[str, ...] = VARYING
    task: str | None = None
    validation: Any = 0.2
    test: Any = 0.0
    split: str | None = None
    gap: int = 0
    class_weight: Any = None
    threshold: Any = None
    standardize: bool | None = None
    evaluate_every: int | str = 1
    evaluate_train: bool | None = None
    initial: Any = None
    stream: bool | None = None
    workers: int | None = None
    freeze: Any = ()
    augment: Any = ()
    precision: str = "float32"
    deterministic: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any], beside: Iterable[str] = ()) -> Settings:
        """The settings with these options; an unknown one is refused with the nearest name.

        Args:
            options: by name.
            beside: further arguments of the function that was called, which may have been meant.
        """
        fields = [one.name for one in dataclasses.fields(cls)]
        known = [*beside, *fields]
        for name in options:
            if name in _ELSEWHERE:
                raise Refusal(f'unknown option "{name}"; use {_ELSEWHERE[name]}.')
            if name not in fields and name in signature(load).parameters:
                raise Refusal(
                    f'option "{name}" is one of load_data: ep.fit(model, ep.load_data(source, {name}=...)).'
                )
            if name not in fields:
                raise Refusal(did_you_mean("option", name, known))
        return cls(**options)

    def __post_init__(self) -> None:
        repeats, seed = _whole(self.repeats), _whole(self.seed)
        if repeats is None or repeats < 1:
            raise Refusal(f"repeats must be a whole number, at least 1; got {self.repeats!r}.")
        if seed is None or not 0 <= seed <= 2**64 - repeats:
            raise Refusal(f"seed must be a whole number between 0 and 2^64 - repeats; got {self.seed!r}.")
        devices = _whole(self.devices)
        if self.devices is not None and (devices is None or devices < 1):
            raise Refusal(f"devices must be a whole number, at least 1, or None; got {self.devices!r}.")
        micro = self.micro_batch if self.micro_batch in (None, "auto") else _whole(self.micro_batch)
        if (micro is None and self.micro_batch is not None) or (isinstance(micro, int) and micro < 1):
            raise Refusal(
                'micro_batch must be a whole number of samples, at least 1, "auto" or None; '
                f"got {self.micro_batch!r}."
            )
        plain: dict[str, Any] = {"repeats": repeats, "seed": seed, "vary": _names("vary", self.vary)}
        plain |= {"micro_batch": micro, "devices": devices}
        plain |= {name: plain_number(getattr(self, name)) for name in ("validation", "test")}
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        if self.task is not None and self.task not in TASKS:
            raise Refusal(did_you_mean("task", str(self.task), TASKS))
        for part in self.vary:
            if part not in VARYING:
                raise Refusal(did_you_mean("part of vary", part, VARYING))
        if not self.vary and repeats > 1:
            raise Refusal(
                f"vary must name something that differs between {repeats} repeats, of {', '.join(VARYING)}; "
                "got nothing, which would make them all the same."
            )
        for name in ("stateful", "deterministic"):
            if not isinstance(getattr(self, name), bool):
                raise Refusal(f"{name} must be True or False; got {getattr(self, name)!r}.")
        if self.split is not None and self.split not in SPLITS:
            raise Refusal(did_you_mean("split", str(self.split), SPLITS))
        gap = _whole(self.gap)
        if gap is None or gap < 0:
            raise Refusal(f"gap must be a whole number of rows, at least 0; got {self.gap!r}.")
        object.__setattr__(self, "freeze", _names("freeze", self.freeze or ()))
        object.__setattr__(self, "augment", transforms_of(self.augment))
        if self.metrics is not None:
            object.__setattr__(self, "metrics", metrics_asked(self.metrics))
        if not (isinstance(self.schedule, str | Schedule)):
            raise Refusal(f"schedule must be a name or a Schedule; got {self.schedule!r}.")
        checked_precision(self.precision)
        if self.workers is not None and (_whole(self.workers) is None or self.workers < 0):
            raise Refusal(f"workers must be a whole number, at least 0; got {self.workers!r}.")
        for name in ("standardize", "evaluate_train", "stream"):
            value = getattr(self, name)
            if not (value is None or isinstance(value, bool)):
                raise Refusal(f"{name} must be True, False or None; got {value!r}.")
        if not (self.loss is None or isinstance(self.loss, str) or callable(self.loss)):
            raise Refusal(f"loss must be a name or a function (outputs, targets); got {self.loss!r}.")
        options = self.optimizer_options
        if not isinstance(options, Mapping) or not all(
            isinstance(name, str) and isinstance(value, numbers.Real) for name, value in options.items()
        ):
            raise Refusal(f"optimizer_options must map names to numbers; got {options!r}.")
        options = {name: plain_number(value) for name, value in options.items()}
        object.__setattr__(self, "optimizer_options", options)
        for name, bound in _AMOUNTS.items():
            value = plain_number(getattr(self, name))
            object.__setattr__(self, name, value)
            if not (value is None and name in _OPTIONAL) and not (
                isinstance(value, int | float) and not isinstance(value, bool) and bound.holds(value)
            ):
                raise Refusal(f"{name} must be {bound.words}; got {value!r}.")
        object.__setattr__(self, "threshold", checked_threshold(plain_number(self.threshold)))
        self.evaluation  # noqa: B018 (refuses what it can't read)

    def chosen_optimizer(self) -> Optimizer:
        """The optimizer with its options."""
        options = dict(self.optimizer_options)
        return optimizer_for(self.optimizer, self.learning_rate, options, self.weight_decay)

    def chosen_schedule(self) -> Schedule:
        """The schedule; an Optax object has its own."""
        schedule = self.schedule if isinstance(self.schedule, Schedule) else Schedule(self.schedule)
        if not isinstance(self.optimizer, str) and schedule != Schedule():
            raise Refusal("schedule has no effect on an Optax object, which has its own; leave it out.")
        return schedule

    @property
    def evaluation(self) -> tuple[int, str]:
        """How far apart evaluations are: (count, "epochs" or "updates").

        >>> Settings(evaluate_every="100 updates").evaluation
        (100, 'updates')
        """
        match = re.fullmatch(r"\s*(\d+)\s*(epochs?|updates?)?\s*", str(self.evaluate_every))
        if match is None or not 1 <= int(match[1]) < 2**31:
            raise Refusal(
                "evaluate_every must be a whole number of epochs, at least 1, or of updates such as "
                f'"100 updates"; got {self.evaluate_every!r}.'
            )
        return int(match[1]), "updates" if (match[2] or "").startswith("update") else "epochs"


def plain_number(value: Any) -> Any:
    """A number of NumPy's as the Python number that it is; anything else as it is.

    >>> import numpy as np
    >>> plain_number(np.int64(20)), plain_number(np.float64(0.5)), plain_number("x")
    (20, 0.5, 'x')
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _whole(value: Any) -> int | None:
    """A whole number by type (NumPy's too, bool not), or None."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _names(option: str, value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise Refusal(f"{option} must be a name or a sequence of names; got {value!r}.")
    return tuple(names)
