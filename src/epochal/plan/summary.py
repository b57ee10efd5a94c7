"""The summary of a plan as text, HTML and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from epochal.common.notebook_view import facts, heading, table as html_table, view
from epochal.common.text import aligned, counted, wrapped
from epochal.plan.counts import Counts
from epochal.plan.pass_schedule import Segments

_WIDTH = 80
_MAX_PHASES = 12
_REGIMES = {
    "batch": "batch gradient descent: every update sees all samples",
    "stochastic": "stochastic gradient descent: every update sees one sample",
    "mini-batch": "mini-batch gradient descent: every update sees some of the samples",
}


def sizes(plan: Counts) -> str:
    """The batch sizes of an epoch, written out or counted.

    >>> from epochal import Plan
    >>> sizes(Plan(1000, 400, 1)), sizes(Plan(1000, 400, 2, remainder="carry"))
    ('400, 400, 200', '2 or 3 × 400')
    """
    if plan.remainder == "carry" and plan.epochs > 1 and plan.positions_per_epoch % plan.batch_size:
        most = plan.batches_per_epoch
        return f"{most - 1:,} or {most:,} × {plan.batch_size:,}"
    return _sizes(plan.segments)


def _sizes(segments: Segments) -> str:
    if sum(count for count, _ in segments) <= 4:
        return ", ".join(f"{size:,}" for count, size in segments for _ in range(count))
    return ", ".join(f"{count:,} × {size:,}" for count, size in segments)


def _phases(plan: Counts) -> list[tuple[str, str]]:
    whole = "epoch" if plan.updates_per_epoch is None else "pass"
    if plan.batch_schedule is None:
        return [(f"batches per {whole}", f"{plan.passes.batches_per_epoch:,}  ({sizes(plan.passes)})")]
    plural = "epochs" if whole == "epoch" else "passes"
    shown = list(zip(plan.phases, [*plan.phases[1:], None], strict=True))
    rows = []
    for phase, following in shown:
        first, last = phase.first + 1, plan.passes.epochs if following is None else following.first
        name = f"{whole} {first:,}" if last == first else f"{plural} {first:,} to {last:,}"
        batches = counted(phase.batches, "batch")
        rows.append((name, f"{batches}  ({_sizes(phase.segments)})"))
    if len(rows) > _MAX_PHASES:
        rows[_MAX_PHASES // 2 : -_MAX_PHASES // 2] = [("...", f"{len(rows):,} phases in all")]
    return rows


def _updates(plan: Counts) -> str:
    if plan.updates_per_epoch is not None:
        passes = plan.passes.epochs_after(plan.updates)
        how = f"{counted(plan.epochs, 'epoch')} × {counted(plan.updates_per_epoch, 'update')}; that is "
        how += f"{passes:,.4g} passes through the samples"
    elif plan.batch_schedule is not None:
        how = f"{counted(plan.epochs, 'epoch')} in {counted(len(plan.phases), 'phase')}"
    elif plan.remainder == "carry" and plan.positions_per_epoch % plan.batch_size:
        how = f"{counted(plan.epochs, 'epoch')} on end, cut into batches of {plan.batch_size:,}"
    else:
        how = f"{counted(plan.epochs, 'epoch')} × {counted(plan.batches_per_epoch, 'batch')}"
    return f"{plan.updates:,}  ({how})"


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max(len(label) for label, _ in rows) + 2
    return wrapped((f"{label:<{width}}{value}" for label, value in rows), _WIDTH).splitlines()


def _divided(plan: Counts) -> bool:
    return plan.divides or plan.batch_schedule is not None


def _others(plan: Counts) -> tuple[str, list[tuple[str, str, str, str]]]:
    others = [other for name, other in plan.by_remainder().items() if name != plan.remainder]
    whole = "epoch" if plan.updates_per_epoch is None else "pass"
    table = [("", f"batches per {whole}", "updates", "what becomes of the rest")]
    table += [(other.remainder, sizes(other.passes), f"{other.updates:,}", other.outcome) for other in others]
    title = f"{plan.batch_size:,} does not divide {plan.positions_per_epoch:,}."
    return f"{title} Other ways to treat the remainder:", table


def _lines_of_others(plan: Counts) -> list[str]:
    title, table = _others(plan)
    lines = [f"  {line}" for line in aligned(table, right=[2])]
    if max(map(len, lines)) > _WIDTH:
        lines = _rows(
            (name, f"{batches}; {updates} updates; {outcome}")
            for name, batches, updates, outcome in table[1:]
        )
    return ["", *textwrap.wrap(title, _WIDTH), "", *lines]


def _facts(plan: Counts) -> list[tuple[str, str]]:
    every = "samples" if plan.order.once else "uses"
    size = f"{plan.batch_size:,}" + (f", all {every} (full)" if plan.is_full else "")
    if plan.batch_schedule is not None:
        size = str(plan.batch_schedule)
    uses = [] if plan.order.once else [("uses per epoch", f"{plan.positions_per_epoch:,}")]
    notes = plan.order.notes(plan.samples, int(plan.batch_size))
    return [
        ("samples", f"{plan.samples:,}"),
        *uses,
        ("batch size", size),
        *_phases(plan),
        ("remainder", plan.outcome if plan.divides else f"{plan.remainder}: {plan.outcome}"),
        ("epochs", f"{plan.epochs:,}"),
        ("updates", _updates(plan)),
        ("order", f"{plan.order.name}: {'; '.join((plan.order.description, *notes))}"),
        ("seed", f"{plan.seed}"),
    ]


def summary(plan: Counts) -> str:
    """The plan as plain text of at most 80 columns.

    >>> from epochal import Plan
    >>> print(summary(Plan(200, 5, 1000)))
    Mini-batch gradient descent: every update sees some of the samples
    <BLANKLINE>
      samples            200
      batch size         5
      batches per epoch  40  (40 × 5)
      remainder          none: every batch is full
      epochs             1,000
      updates            40,000  (1,000 epochs × 40 batches)
      order              shuffle: a new random order in every epoch
      seed               0
    """
    lines = [_REGIMES[plan.regime].capitalize(), "", *_rows(_facts(plan))]
    return "\n".join(lines if _divided(plan) else lines + _lines_of_others(plan))


def html(plan: Counts) -> str:
    """The plan as a notebook view.

    >>> from epochal import Plan
    >>> "40 × 5" in html(Plan(200, 5, 1000))
    True
    """
    title, _, rest = _REGIMES[plan.regime].capitalize().partition(":")
    parts = [heading(title, rest.strip()), facts(_facts(plan))]
    if not _divided(plan):
        outcomes, (head, *rows) = _others(plan)
        parts += [heading("", outcomes), html_table(head, rows, text_columns=(0, 1, 3))]
    return view(*parts)


def plan_json(plan: Counts) -> dict[str, Any]:
    """The plan as JSON, with the outcome of each remainder policy."""
    return {
        "samples": plan.samples,
        "positions_per_epoch": plan.positions_per_epoch,
        "batch_size": int(plan.batch_size),
        "batch_schedule": None if plan.batch_schedule is None else plan.batch_schedule.to_dict(),
        "phases": {
            f"from pass {phase.first + 1}": {
                "update": phase.update,
                "batches": phase.batches,
                "segments": [list(segment) for segment in phase.segments],
            }
            for phase in (plan.phases if len(plan.phases) > 1 else ())
        },
        "updates_per_epoch": plan.updates_per_epoch,
        "passes": plan.passes.epochs_after(plan.updates),
        "batches_per_epoch": plan.batches_per_epoch,
        "epochs": plan.epochs,
        "updates": plan.updates,
        "regime": plan.regime,
        "segments": [list(segment) for segment in plan.passes.segments],
        "last_batch_size": plan.passes.segments[-1][1],
        "left_out": plan.left_out(0),
        "order": plan.order.name,
        "order_options": plan.order.options,
        "remainder": plan.remainder,
        "seed": plan.seed,
        "remainders": {
            name: {
                "segments": [list(segment) for segment in other.passes.segments],
                "batches_per_epoch": other.batches_per_epoch,
                "updates": other.updates,
                "outcome": other.outcome,
            }
            for name, other in plan.by_remainder().items()
        },
    }
