"""Checks of held-out samples: duplicates, and missing classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from epochal.data import Dataset, Split, Timeline, chronological
from epochal.data.duplicates import Duplicates, find_duplicates, row_hashes
from epochal.data.tables.target import UNKNOWN
from epochal.errors import Refusal
from epochal.settings import Settings

_TOO_GOOD = "have inputs that training samples have, too: metrics may be too good."


def duplicates_notes(
    duplicates: Duplicates | None,
    chosen: Split,
    together: bool,
    dataset: Dataset,
    others: Sequence[Dataset | None],
) -> list[str]:
    """Notes on duplicates, which the split keeps `together` or not, and on those in `others`."""
    notes, inputs = [], dataset.inputs
    if duplicates is not None and together:
        notes.append(duplicates.note)
    elif duplicates is not None:
        rows = np.concatenate([chosen.validation, chosen.test])
        seen = int(np.isin(duplicates.group[rows], duplicates.group[chosen.train]).sum())
        notes += [f"{seen:,} of the {len(rows):,} held-out samples {_TOO_GOOD}"] if seen else []
    for name, other in zip(("validation", "test"), others, strict=True):
        if other is None or not (isinstance(inputs, np.ndarray) and isinstance(other.inputs, np.ndarray)):
            continue
        seen = int(np.isin(row_hashes(other.inputs), row_hashes(inputs)).sum())
        if seen and find_duplicates(np.concatenate([inputs, other.inputs])) is not None:
            notes.append(f"{seen:,} of the {other.samples:,} {name} samples {_TOO_GOOD}")
    return notes


def default_fraction(
    part: float | int, test: float | int, settings: Settings, dataset: Dataset
) -> tuple[float | int, tuple[str, ...]]:
    """The validation fraction: the default one is dropped, with a note, if there are too few samples."""
    if part != Settings.validation or not isinstance(part, float):
        return part, ()
    try:
        if settings.split == "chronological":
            line = dataset.timeline or Timeline.of_rows(dataset.row_numbers)
            chronological(line, validation=part, test=test, gap=settings.gap)
            return part, ()
        units, what = dataset.samples, "samples"
        if settings.split == "groups" and dataset.groups is not None:
            units, what = len(np.unique(dataset.groups)), "groups"
        if round(part * units):
            return part, ()
        if units > 2:
            return 1, ()
        return 0, (f"{units} {what} are too few to hold any out: nothing validates.",)
    except Refusal:
        return 0, (f"{dataset.samples:,} samples are too few to hold any out: nothing validates.",)


def unknown_note(dataset: Dataset) -> str:
    """A note on labels unseen in training, or empty."""
    classified = dataset.task is not None and dataset.task.is_classification
    if dataset.targets is None or not classified or not (dataset.targets == UNKNOWN).any():
        return ""
    return next(note for note in dataset.raw_notes if "training did not have" in note)


def known_labels_only(dataset: Dataset) -> Dataset | None:
    """The samples with labels of the training; None if there are none."""
    if not unknown_note(dataset):
        return dataset
    assert dataset.targets is not None
    known = np.flatnonzero(dataset.targets != UNKNOWN)
    return dataset.subset(known) if len(known) else None


def undefined_notes(dataset: Dataset, splits: Sequence[Split]) -> list[str]:
    """Notes on undefined held-out metrics."""
    if dataset.task is None or dataset.targets is None or dataset.task.is_multilabel:
        return []
    notes = []
    for name in ("validation", "test"):
        parts = [dataset.targets[getattr(chosen, name)] for chosen in splits]
        same = [bool(len(part)) and bool((part == part[0]).all()) for part in parts]
        if any(same):
            what = "ROC AUC and the like are" if dataset.task.is_classification else "R\u00b2 is"
            which = "class" if dataset.task.is_classification else "target"
            count = len(parts[0])
            of = "1 sample" if count == 1 else f"{count:,} samples of the same {which}"
            where = "" if all(same) else " in some repeats"
            notes.append(f"the {name} part has {of}{where}: {what} not defined there.")
    return notes


def class_notes(dataset: Dataset, splits: Sequence[Split]) -> list[str]:
    """Notes on classes without held-out samples."""
    if dataset.strata is None or dataset.task is None:
        return []
    names, notes = dataset.task.classes, []
    counts = np.bincount(dataset.strata, minlength=len(names))
    for name in ("validation", "test"):
        parts = [getattr(chosen, name) for chosen in splits if len(getattr(chosen, name))]
        found = [np.bincount(dataset.strata[part], minlength=len(names)) for part in parts]
        lacking = [at for at in np.flatnonzero(counts) if any(one[at] == 0 for one in found)]
        if lacking:
            shown = ", ".join(f'"{names[at]}" ({counts[at]:,} in all)' for at in lacking[:5])
            shown += f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
            notes.append(f"the {name} samples lack the class {shown}: no metric on them counts it.")
    return notes
