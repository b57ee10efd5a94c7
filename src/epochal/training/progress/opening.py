"""Lines before the first update: data, plan, training."""

from __future__ import annotations

from collections.abc import Sequence

from epochal.data import Dataset
from epochal.training.describe import describe_model, notes_of
from epochal.training.prepared import Prepared

_MAX_COLUMNS = 12


def data_lines(prepared: Prepared) -> list[str]:
    """The source, its parts and its notes."""
    sizes = [(prepared.part_size(name), name) for name in ("train", "validation", "test")]
    words = [f"{size:,} {'training' if name == 'train' else name}" for size, name in sizes if size]
    own = ""
    if not prepared.same_validation:
        own = " (each repeat splits them anew)"
        if sizes[2][0]:
            own = " (all repeats share the test samples; each splits the others anew)"
    return dataset_lines(prepared.dataset, [f"{', '.join(words)}{own}", *_counted(prepared)])


def _counted(prepared: Prepared) -> list[str]:
    """A note that an integer counts rows, if it could have been a percentage."""
    given = {name: getattr(prepared.settings, name) for name in ("validation", "test")}
    counts = {name: value for name, value in given.items() if type(value) is int and 1 <= value < 100}
    if not counts:
        return []
    held = " and ".join(f"{value} row{'s' if value > 1 else ''} for {name}" for name, value in counts.items())
    name, value = next(iter(counts.items()))
    return [f"held out: {held}, as a whole number counts rows; --{name} {value / 100:g} is {value} %."]


def dataset_lines(dataset: Dataset, beside: Sequence[str] = ()) -> list[str]:
    """The source, remarks beside it, and its notes."""
    shape = " × ".join(f"{size:,}" for size in dataset.shape)
    first = f"{dataset.source}: {dataset.samples:,} samples, {shape} inputs{_from_columns(dataset)}"
    return [first, *beside, *dataset.raw_notes]


def _from_columns(dataset: Dataset) -> str:
    """Number of columns and inputs of a table, if they differ."""
    sizes = {} if dataset.encoder is None else dataset.encoder.sizes
    if all(size == 1 for size in sizes.values()):
        return ""
    shown = [f"{name} {size}" if size > 1 else name for name, size in list(sizes.items())[:_MAX_COLUMNS]]
    more = f" and {len(sizes) - len(shown):,} more columns" if len(sizes) > len(shown) else ""
    return f" ({', '.join(shown)}{more})"


def plan_lines(prepared: Prepared) -> list[str]:
    """The plan without its comparison of remainder policies."""
    lines = str(prepared.plan).splitlines()
    end = lines.index("", 2) if "" in lines[2:] else len(lines)
    return [lines[0], *lines[2:end]]


def training_lines(prepared: Prepared) -> list[str]:
    """The network, the optimizer, the seeds, and notes."""
    settings, spec = prepared.settings, prepared.spec
    described = getattr(prepared.model, "to_dict", None)
    model = describe_model(described()) if described else type(prepared.model).__name__
    optimizer, rate = spec.optimizer.name, spec.optimizer.learning_rate
    pace = spec.schedule.describe() if rate else ""
    how = f" at {rate:g}" + (f", {pace}" if pace != "constant" else "") if rate else ""
    if settings.repeats == 1:
        seeds = f"1 repeat, seed {settings.seed}"
    else:
        seeds = f"{settings.repeats} repeats, seeds {settings.seed} to {settings.seed + settings.repeats - 1}"
    lines = [f"{model}, {optimizer}{how}", seeds, *notes_of(prepared)]
    if settings.stop is not None:
        lines.append(f"stops early: {prepared.rule.describe()}")
    return lines
