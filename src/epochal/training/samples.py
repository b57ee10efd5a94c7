"""Samples of each repeat: loading, splitting and scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from epochal.data import (
    Dataset,
    PairEncoder,
    Scaling,
    Split,
    TargetScaling,
    Timeline,
    Vocabulary,
    chronological,
    class_words,
    fit_scaling,
    fit_target_scaling,
    fit_vocabulary,
    load,
    repeated_note,
    rising_note,
    split,
    split_groups,
    time_notes,
    transform,
)
from epochal.data.duplicates import find_duplicates, whole_groups
from epochal.data.grouping import GROUP_LEAK_NOTE_MARKER
from epochal.data.lazy import MemoryArray, streams_note
from epochal.data.records import code_sizes
from epochal.data.registry import read, recognized
from epochal.data.source import TrainingContext
from epochal.data.standardize import fit_levels
from epochal.engine.memory import device_memory
from epochal.errors import MissingExtra, Refusal, did_you_mean
from epochal.plan import BatchSchedule, Groups, Plan
from epochal.plan.sizes import bounded
from epochal.settings import Settings
from epochal.training import held_out
from epochal.training.prepared import SplitSamples
from epochal.training.processes import process_group
from epochal.training.standardize import standardized


def as_dataset(
    data: Any, task: str | None = None, stream: bool | None = None, workers: int | None = None
) -> Dataset:
    """The `data` argument of `fit` as a `Dataset`; a `Dataset` must have the given task, if any."""
    if not isinstance(data, Dataset):
        return load(data, task=task, stream=stream, workers=workers)
    kind = None if data.task is None else data.task.kind
    if task not in (None, kind) and (task != "classification" or kind == "regression"):
        raise Refusal(
            f'`task` must be that of the Dataset, {kind}; got "{task}": load it with `task="{task}"`.'
        )
    return data


def with_positive(dataset: Dataset, positive: Any) -> Dataset:
    """The data set with that one of its two classes last, so that metrics and thresholds are of it."""
    task = dataset.task
    if positive is None:
        return dataset
    pairs = isinstance(dataset.encoder, PairEncoder)
    if pairs or task is None or dataset.targets is None or task.kind != "binary":
        what = "pairs of a ranking" if pairs else "no targets" if task is None else task.kind
        raise Refusal(f"`positive` is for two classes; got {what}. Leave it out.")
    known = [word for word in class_words(positive) if word in task.classes]
    if not known:
        raise Refusal(did_you_mean("class in `positive`", class_words(positive)[0], task.classes))
    if known[0] == task.classes[1]:
        return dataset
    task = replace(task, classes=task.classes[::-1])
    encoder = None if dataset.encoder is None else dataset.encoder.with_task(task)
    return replace(dataset, task=task, targets=1 - dataset.targets, encoder=encoder)


def in_memory_or_streamed(dataset: Dataset, stream: bool | None, state: Callable[[Dataset], int]) -> Dataset:
    """The data set in memory or streamed, as requested; by default streamed if the device is small.

    Samples may take half of the memory besides the state of one repeat (`state`, in bytes), since batches and
    activations need some, too.
    """
    inputs = dataset.inputs
    if not isinstance(inputs, np.ndarray):
        return dataset if stream is not False else replace(dataset, inputs=inputs[:])
    limit = device_memory() if stream is None else None
    if stream or (limit is not None and inputs.nbytes > (limit - state(dataset)) / 2):
        rows = MemoryArray(inputs, inputs.dtype)
        return replace(
            dataset, inputs=rows, raw_notes=(*dataset.raw_notes, streams_note(rows, "host memory"))
        )
    return dataset


ENDLESS_EPOCH = 100
"""Default updates per epoch of a source without length."""


def endless_plan(settings: Settings) -> Plan:
    """The plan for a source without length: one pass over the samples it uses."""
    most = "between 1 and 2^31 - 1"
    given = settings.updates_per_epoch
    per = bounded("`updates_per_epoch`", ENDLESS_EPOCH if given is None else given, 1, 2**31 - 1, most)
    assert settings.batch_size is not None
    size = bounded("`batch_size`", settings.batch_size, 1, 2**31 - 1, most)
    epochs = bounded("`epochs`", settings.epochs, 1, (2**31 - 1) // per, f"between 1 and 2^31 / {per}")
    return Plan(
        per * epochs * size,
        size,
        epochs,
        seed=settings.seed,
        order="sequential",
        remainder=settings.remainder,
        updates_per_epoch=per,
    )


def check_endless(settings: Settings) -> None:
    """Refuse settings that a source without length can't have."""
    if not process_group().alone:
        raise Refusal(
            f"a source without length is for one process; {process_group().count} train together. "
            "Give a file, or an object with __getitem__ and __len__, of which each process reads its part."
        )
    for name, value in (("validation", settings.validation), ("test", settings.test)):
        if isinstance(value, int | float) and (value or name == "validation"):
            raise Refusal(
                f"`{name}` must be data of its own, such as (X, y), for a source without length; "
                f"got {value:g}."
            )
    changing = isinstance(settings.batch_size, str | Mapping | BatchSchedule)
    wrong: tuple[tuple[str, bool, str], ...] = (
        ("repeats", settings.repeats > 1, "must be 1 for a source that can be read once"),
        ("batch_size", changing, "must be a number for a source without length"),
        ("order", settings.order not in ("shuffle", "sequential"), "must be that in which samples come"),
        ("split", settings.split == "chronological", "must be left out where nothing is held out"),
        ("remainder", settings.remainder not in ("keep", "drop"), "must be keep or drop where none is known"),
        ("positive", settings.positive is not None, "needs all targets, which are not known before"),
        ("class_weight", settings.class_weight is not None, "needs all targets, which are not known before"),
        ("standardize", bool(settings.standardize), "needs a look at all samples; scale them in the source"),
        ("evaluate_train", bool(settings.evaluate_train), "needs the samples again, which are gone"),
        ("stream", settings.stream is False, "must be True or None for a source without length"),
    )
    for name, is_wrong, why in wrong:
        if is_wrong:
            raise Refusal(f"`{name}` {why}; got {getattr(settings, name)!r}.")


def _other(data: Any, dataset: Dataset, name: str, finite: bool) -> tuple[float | int, Dataset | None]:
    """A fraction of the samples, or separate data, encoded as the training data."""
    if isinstance(data, bool) or data is None:
        raise Refusal(
            f"`{name}` must be a fraction of the samples in [0, 1) or data of its own; got {data!r}."
        )
    if isinstance(data, int | float):
        return data, None
    try:
        context = TrainingContext(dataset.task, dataset.shape, dataset.target_name, dataset.dtype)
        other = transform(dataset.encoder, data, context, finite=finite)
    except MissingExtra:
        raise
    except Refusal as error:
        raise Refusal(f"{name}: {error.sentence}") from error
    if name == "validation" and (note := held_out.unknown_note(other)):
        raise Refusal(f"{name}: {note.partition(': they')[0]}. Correct the labels, or leave those rows out.")
    if other.targets is None:
        raise Refusal(f'the {name} data has no target column "{dataset.target_name}".')
    return 0.0, other


def _news(**others: Dataset | None) -> list[str]:
    """Levels and missing values of separate data that the training data does not have."""
    return [
        f"{name} data: {note}"
        for name, other in others.items()
        if other is not None
        for note in other.raw_notes
        if "not seen in training" in note or "training had none" in note
    ]


def prepare_samples(
    data: Any, settings: Settings, state: Callable[[Dataset], int] = lambda _: 0, model: Any = None
) -> SplitSamples:
    """Load, split and scale the data; `state` gives the bytes of one repeat's state."""
    if not isinstance(data, Dataset) and recognized(data).endless:
        check_endless(settings)
        dataset = read("load_data", data, {"task": settings.task, "validation": settings.validation})
    else:
        dataset = as_dataset(data, settings.task, settings.stream, settings.workers)
    dataset = with_positive(dataset, settings.positive)
    dataset = in_memory_or_streamed(dataset, settings.stream, state)
    dataset = _with_groups_of(settings, dataset)
    settings = settled_split(settings, dataset)
    if dataset.task is None or dataset.targets is None:
        raise Refusal("the training data has no target; give (inputs, targets), or name the target column.")
    targets = dataset.targets
    scales_inputs, scales_targets, remarks = standardized(settings, dataset, model)
    if remarks:
        dataset = replace(dataset, raw_notes=(*dataset.raw_notes, *remarks))
    validation_part, validation = _other(settings.validation, dataset, "validation", finite=not scales_inputs)
    test_part, test = _other(settings.test, dataset, "test", finite=not scales_inputs)
    unlabeled = "" if test is None else held_out.unknown_note(test)
    test = None if test is None else held_out.known_labels_only(test)
    validation_part, few = held_out.default_fraction(validation_part, test_part, settings, dataset)
    duplicates = None  # where they matter for a split and can be found
    if (validation_part or test_part) and dataset.timeline is None and isinstance(dataset.inputs, np.ndarray):
        duplicates = find_duplicates(dataset.inputs)
    groups, together = dataset.groups, settings.split != "chronological"
    if groups is not None and duplicates is not None and settings.split == "groups":
        merged = whole_groups(groups, duplicates)
        try:  # the samples of these groups may be too few for a split
            together = merged is not None
            groups = groups if merged is None else merged
            split_groups(groups, validation=validation_part, test=test_part, seed=settings.seed)
        except Refusal:
            groups, together = dataset.groups, False
    tokens, sizes = getattr(dataset.encoder, "vocabulary_size", None), code_sizes(dataset.encoder)
    parts = {"validation": validation_part, "test": test_part}

    def of_repeat(repeat: int) -> tuple[Split, Scaling | Vocabulary | None, TargetScaling | None]:
        if settings.split == "chronological":
            line = dataset.timeline or Timeline.of_rows(dataset.row_numbers)
            chosen = chronological(line, **parts, gap=settings.gap)
        elif settings.split == "groups":
            assert groups is not None
            chosen = split_groups(groups, **parts, seed=settings.seed)
        else:
            seed = settings.seed + repeat
            chosen = split(dataset.samples, **parts, seed=seed, strata=dataset.strata, duplicates=duplicates)
        inputs, train = dataset.inputs, chosen.train
        scaling: Scaling | Vocabulary | None = None
        if tokens is not None:
            scaling = fit_vocabulary(inputs, tokens, train)
        elif sizes:
            scaling = fit_levels(inputs, dataset.continuous, sizes, train, scales_inputs)
        elif scales_inputs:
            scaling = fit_scaling(inputs, dataset.continuous, train)
        return chosen, scaling, fit_target_scaling(targets, train) if scales_targets else None

    repeats = [of_repeat(0)]
    for repeat in range(1, settings.repeats):
        repeats.append(of_repeat(repeat) if "split" in settings.vary else repeats[0])
    splits, scalings, target_scalings = zip(*repeats, strict=True)
    notes = (
        *few,
        *((f"test: {unlabeled}",) if unlabeled else ()),
        *held_out.undefined_notes(dataset, splits),
        *held_out.duplicates_notes(duplicates, splits[0], together, dataset, (validation, test)),
        *held_out.class_notes(dataset, splits),
        *time_notes(dataset.timeline, dataset.samples, splits[0], settings.split, settings.gap),
        *rising_note(dataset.time_column, settings.split, settings.validation, settings.test),
        *repeated_note(dataset.repeated_column, settings.split, settings.validation, settings.test),
        *_news(validation=validation, test=test),
    )
    dataset = replace(dataset, raw_notes=(*dataset.raw_notes, *notes)) if notes else dataset
    return SplitSamples(dataset, validation, test, splits, scalings, target_scalings, settings)


def _with_groups_of(settings: Settings, dataset: Dataset) -> Dataset:
    values = settings.order.values if isinstance(settings.order, Groups) else None
    if values is None or dataset.groups is not None or len(values) != dataset.samples:
        return dataset  # an order of another length is refused later
    if settings.split == "groups":
        return replace(dataset, groups=np.asarray(values, np.int64))
    held = any(isinstance(part, int | float) and part for part in (settings.validation, settings.test))
    if settings.split == "chronological" or not held:
        return dataset
    note = (
        f"the order has groups, which {GROUP_LEAK_NOTE_MARKER}, so that metrics may be too good: "
        '`split="groups"` keeps each on one.'
    )
    return replace(dataset, raw_notes=(*dataset.raw_notes, note))


def settled_split(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the kind of split; by time or by groups it is the same in all repeats."""
    usual = "random" if dataset.groups is None else "groups"
    kind = settings.split or (usual if dataset.timeline is None else "chronological")
    if kind == "groups" and dataset.groups is None:
        raise Refusal(
            '`split="groups"` needs groups, and here are none: name their column with `groups=COLUMN`, find '
            "them in file names with `groups_from=...`, or give order=Groups(values)."
        )
    if kind != "chronological" and settings.gap:
        raise Refusal('`gap` belongs to a split in the order of time: use `split="chronological"`.')
    if kind == "random":
        return replace(settings, split=kind)
    vary = tuple(part for part in settings.vary if part != "split")
    if not vary and settings.repeats > 1:
        raise Refusal(
            f"`vary` must name init or order for {settings.repeats} repeats, which share a split "
            f"{'by groups' if kind == 'groups' else 'in the order of time'}; got split alone."
        )
    return replace(settings, split=kind, vary=vary)
