"""Tracing of samples and updates of a run.

Nothing is stored: the plan is a pure function of the run's seed. Repeats, epochs, updates, batches and slots
count from 0 here, as in `Plan`, and rows from 1; what a person reads (refusals, `to_dict`, the command line)
counts all of them from 1.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from epochal.errors import Refusal
from epochal.plan import Plan, SampleUse
from epochal.plan.audit import DEFAULT_EPOCHS, Audit, audit
from epochal.runs.run import Run

_TRAIN = 1


@dataclass(frozen=True)
class Seen:
    """The uses of one row in one epoch of one repeat; empty if it was left out."""

    repeat: int
    row: int
    epoch: int
    uses: tuple[SampleUse, ...]
    sizes: tuple[int, ...] = ()
    """The sizes of the batches of each use."""
    name: str = ""
    """The row's name, if it has one."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON, everything counted from 1."""
        uses = [{name: value + 1 for name, value in asdict(use).items()} for use in self.uses]
        place = {"repeat": self.repeat + 1, "row": self.row, "epoch": self.epoch + 1}
        size = self.sizes[0] if self.sizes else 0
        return {**place, "uses": uses, "size": size, "sizes": list(self.sizes), "name": self.name}


@dataclass(frozen=True)
class Formed:
    """The rows of one update of one repeat, in batch order."""

    repeat: int
    update: int
    epoch: int
    batch: int
    rows: tuple[int, ...]
    names: tuple[str, ...] = ()
    """The rows' names, if they have any."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON, everything counted from 1."""
        place = {name: getattr(self, name) + 1 for name in ("repeat", "update", "epoch", "batch")}
        return {**place, "rows": list(self.rows), "names": list(self.names)}


def _course(run: Run, repeat: int) -> tuple[Plan, int]:
    """The plan of a repeat, and its number of updates, a diverged one included."""
    if not 0 <= repeat < run.repeats:
        raise Refusal(f"`repeat` must be between 1 and {run.repeats}; got {repeat + 1}.")
    outcome = run.outcomes[repeat]
    return run.plan_of(repeat), outcome.updates + (outcome.diverged is not None)


def seen(run: Run, row: int, epoch: int, repeat: int = 0) -> Seen:
    """The uses of `row` of the source (counted from 1) in an epoch (counted from 0)."""
    found, missed = _looked_up(run, row, epoch, repeat)
    if missed is not None:
        raise Refusal(
            f"`epoch` must be one in which row {row} had its turn; repeat {repeat + 1} ended after "
            f"{run.outcomes[repeat].updates:,} updates, and in epoch {epoch + 1} it is in update "
            f"{missed.update + 1:,}."
        )
    return found


def seen_throughout(run: Run, row: int, repeat: int = 0) -> list[Seen]:
    """`seen` for each epoch of the repeat; not for the last if it ended before the row was used."""
    plan, begun = _course(run, repeat)
    begun_epochs = plan.locate(begun - 1)[0] + 1 if begun else 0
    borrows = begun > 0 and plan.remainder == "carry" and plan.updates_per_epoch is None
    found = []
    for epoch in range(begun_epochs + borrows):
        here, missed = _looked_up(run, row, epoch, repeat)
        if here.uses or (missed is None and epoch < begun_epochs):
            found.append(here)
    return found


def _looked_up(run: Run, row: int, epoch: int, repeat: int) -> tuple[Seen, SampleUse | None]:
    """The uses of a row in an epoch, and the first one that the repeat did not reach."""
    plan, begun = _course(run, repeat)
    # The very last batch may have borrowed from the next epoch.
    most = plan.epochs + (plan.remainder == "carry" and plan.updates_per_epoch is None)
    if not 0 <= epoch < most:
        raise Refusal(f"`epoch` must be between 1 and {most:,} (those of the plan); got {epoch + 1:,}.")
    if not len(run.rows):
        return _came(run, plan, row, epoch, repeat), None
    found = np.flatnonzero(run.rows == row)
    if len(found) == 0:
        last = int(run.rows.max())
        why = f"rows are 1 to {last}"
        if 1 <= row <= last:
            why = "it was left out when the table was read"
            if run.observed is not None:
                why = "no window has its first target there"
        raise Refusal(f"no sample is row {row}: {why}.")
    parts = run.split_codes[repeat][found]
    if _TRAIN not in parts:
        name = {2: "a validation sample", 3: "a test sample"}.get(int(parts[0]), "in no part")
        raise Refusal(f"row {row} is {name} in repeat {repeat + 1}, so no update saw it.")
    train = np.flatnonzero(run.split_codes[repeat] == _TRAIN)
    # The row of a ranked item is that of a sample for each pair in which it is first.
    samples = np.searchsorted(train, found[parts == _TRAIN])
    planned = [use for sample in samples for use in plan.find(int(sample), epoch)]
    planned.sort(key=lambda use: (use.update, use.slot))
    uses = tuple(use for use in planned if use.update < begun)
    sizes = tuple(len(plan.batch(use.epoch, use.batch)) for use in uses)
    name = run.names[found[0]] if run.names else ""
    return Seen(repeat, row, epoch, uses, sizes, name), planned[0] if planned and not uses else None


def _came(run: Run, plan: Plan, row: int, epoch: int, repeat: int) -> Seen:
    """The use of a sample of a source without length; rows are in order of arrival."""
    came = int(run.data["samples"])
    if not 1 <= row <= came:
        raise Refusal(f"row must be between 1 and {came} (the samples that were trained on); got {row}.")
    uses = plan.find(row - 1, epoch)
    sizes = tuple(len(formed(run, use.update, repeat).rows) for use in uses)
    return Seen(repeat, row, epoch, uses, sizes)


def formed(run: Run, update: int, repeat: int = 0) -> Formed:
    """The rows of an update (counted from 0)."""
    plan, begun = _course(run, repeat)
    if not 0 <= update < begun:
        raise Refusal(
            f"`update` must be between 1 and {begun:,} (repeat {repeat + 1} made that many); "
            f"got {update + 1:,}."
        )
    epoch, batch = plan.locate(update)
    if not len(run.rows):
        came = plan.batch(epoch, batch) + 1
        return Formed(repeat, update, epoch, batch, tuple(came[came <= run.data["samples"]].tolist()))
    samples = np.flatnonzero(run.split_codes[repeat] == _TRAIN)[plan.batch(epoch, batch)]
    names = tuple(run.names[k] for k in samples) if run.names else ()
    return Formed(repeat, update, epoch, batch, tuple(run.rows[samples].tolist()), names)


def audited(run: Run, repeat: int = 0, epochs: int | None = None) -> Audit:
    """The audit of a repeat's plan over its first epochs, by default as many as it began, at most 10."""
    plan, _ = _course(run, repeat)
    if not len(run.rows):
        raise Refusal(
            f"an audit needs samples that come again; this run had the {run.data['samples']:,} samples of a "
            "source without length, each once, in the order in which they came."
        )
    most = max(1, math.ceil(run.outcomes[repeat].epochs))
    if epochs is not None and epochs > most:
        raise Refusal(
            f"`epochs` must be between 1 and {most} (repeat {repeat + 1} began that many); got {epochs}."
        )
    names = run.task.classes if run.settings.get("order_by") == "classes" else ()
    return audit(
        plan, plan.batches, epochs=min(most, DEFAULT_EPOCHS) if epochs is None else epochs, names=names
    )
