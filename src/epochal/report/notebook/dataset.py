"""Notebook view of a dataset."""

from __future__ import annotations

from epochal.common.notebook_view import facts, heading, items, view
from epochal.data.dataset import Dataset

MOST_NAMES = 30


def dataset_html(dataset: Dataset) -> str:
    """The source, the target, the inputs by name, and the notes."""
    task = dataset.task
    shape = " × ".join(f"{size:,}" for size in dataset.shape)
    pairs: list[tuple[str, object]] = [
        ("samples", f"{dataset.samples:,}"),
        (
            "inputs",
            f"{shape} ({dataset.dtype})" + (f": {_listed(dataset.features)}" if dataset.features else ""),
        ),
    ]
    if task is not None:
        pairs += [("target", dataset.target_name), ("task", task.kind)]
        pairs += [("classes", _listed(task.classes))] if task.classes else []
    if dataset.sample_weight is not None:
        pairs.append(("weights", "one for each sample"))
    return view(heading("Dataset", dataset.source), facts(pairs), items("Notes", dataset.notes))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
