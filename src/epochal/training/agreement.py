"""Agreement between processes that train together: same training, same calls, or all would wait forever."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from epochal.common.option_text import call
from epochal.errors import Refusal
from epochal.training.differences import differences
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.resume_fingerprint import resume_fingerprint

INTERRUPTED = "interrupted"
"""Why an interrupted stack ended."""

Found = TypeVar("Found")


class Call(NamedTuple):
    """The next call of a stack: its most updates, or why there is none."""

    updates: int
    reason: str = ""
    os_signal: int = 0
    """The operating system's signal that caused the end, if any."""


def agreed_call(proposal: Call) -> Call:
    """The call that all processes make: that of process 0, or none if any wants to stop."""

    def reduce(proposals: Sequence[Sequence[Any]]) -> Call:
        calls = [Call(*proposal) for proposal in proposals]
        first = next((call for call in calls if call.reason == INTERRUPTED), calls[0])
        return first._replace(updates=calls[0].updates)

    return Call(*process_group().decide("a call", proposal, reduce))


def same_micro_batch(prepared: Prepared) -> Prepared:
    """With a micro-batch that fits into the memory of every process, if it is chosen automatically."""
    if prepared.settings.micro_batch != "auto":
        return prepared
    size = process_group().decide(
        "the micro-batch", prepared.spec.micro_batch, lambda sizes: min(filter(None, sizes), default=None)
    )
    return replace(prepared, spec=replace(prepared.spec, micro_batch=size))


def start_together(
    prepared: Prepared, begin: Callable[[], Found], folder: Path | None = None, updates: int = 0
) -> Found | None:
    """Check that all processes train the same, from the same checkpoint, then run `begin` in process 0."""
    others, found = process_group(), list[Found]()
    if others.alone:
        return begin()
    if folder is not None:
        others.set_remedy(
            f"{call('ep.resume', str(folder))} goes on from its last checkpoint, on any number of processes."
        )

    def reduce(proposals: Sequence[Mapping[str, Any]]) -> None:
        for index, other in enumerate(proposals):
            _check_same(proposals[0], other, index)
        found.append(begin())

    until = {
        "epochs": prepared.plan.epochs,
        "devices": prepared.settings.devices,
        "budgets": ", ".join(one.describe() for one in prepared.budgets),
    }
    proposal = {"fingerprint": resume_fingerprint(prepared), "until": until, "updates": updates}
    others.decide("what is trained", proposal, reduce)
    return found[0] if found else None


def _check_same(first: Mapping[str, Any], other: Mapping[str, Any], index: int) -> None:
    differing = differences(first["fingerprint"], other["fingerprint"])
    differing += [
        f"{name}: {value} then, {other['until'].get(name)} now"
        for name, value in first["until"].items()
        if value != other["until"].get(name)
    ]
    if differing:
        clauses = "; ".join(differing).replace(" then, ", " in process 0, ")
        clauses = re.sub(r" now\b", f" in process {index}", clauses)
        raise Refusal(f"all processes must be given the same data and options; they differ: {clauses}.")
    if first["updates"] != other["updates"]:
        raise Refusal(
            f"all processes must see the same run folder; process 0 goes on after {first['updates']:,} "
            f"updates, process {index} after {other['updates']:,}. Keep it on a disk that they share."
        )
