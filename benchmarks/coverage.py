"""How often do the 95 % intervals of `run.metrics` hold what new samples show? Tables whose truth is known.

The truth of a table is the mean over other repeats, trained in the same way on it, of the figure on 5,000 new
rows; of noise it is one half. Beside it stands Student's interval of the mean over repeats, which knows
neither that they share rows nor that the epoch was chosen on them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Aim, Table

TABLES, FIRST = 100, 1000
"""How many, and the number of the first: those below 40 were looked at when the intervals were chosen."""
OTHERS, NEW, EPOCHS = 10, 5000, 30
KINDS = ("noise", "classes", "numbers")
SIZES = ((100, 5), (200, 5), (200, 10), (1000, 5))
"""Rows of a table, and repeats."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    kind: str
    rows: int
    repeats: int
    part: str
    tables: int = TABLES

    @property
    def metric(self) -> str:
        return "r2" if self.kind == "numbers" else "accuracy"


@dataclass(frozen=True)
class Found:
    """How the intervals of the tables of a case did."""

    case: Case
    covered: int
    above: int
    """Tables whose whole interval promises more than the truth."""
    student: int
    bias: float
    """The mean over tables of the mean over repeats, less the truth."""
    width: float


def drawn(kind: str, rows: int, random: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Six inputs, of which three say something about the target, unless it is noise."""
    inputs = random.normal(size=(rows, 6)).astype(np.float32)
    if kind == "noise":
        return inputs, random.integers(0, 2, rows)
    target = inputs[:, 0] + inputs[:, 1] * inputs[:, 2] + random.normal(size=rows)
    return inputs, (target > 0).astype(int) if kind == "classes" else target.astype(np.float32)


def truth(run: Any, kind: str, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """The mean over the repeats of a run of what each reaches on new rows."""
    predicted = run.predict(inputs).per_repeat
    if kind == "classes":
        return float(np.mean([(one.argmax(axis=1) == targets).mean() for one in predicted]))
    return float(np.mean([1 - ((np.ravel(one) - targets) ** 2).mean() / targets.var() for one in predicted]))


def outcomes(case: Case) -> Iterator[tuple[Any, float]]:
    """For each table what `run.metrics` says, and the truth."""
    import epochal as ep

    for number in range(FIRST, FIRST + case.tables):
        random = np.random.default_rng([case.rows, KINDS.index(case.kind), number])
        data = drawn(case.kind, case.rows, random)
        options: dict[str, Any] = {
            "epochs": EPOCHS,
            "batch_size": 16,
            "learning_rate": 0.01,
            "test": 0.25 if case.part == "test" else 0.0,
            "evaluate_train": False,
        }
        run = ep.fit(ep.MLP(16), data, repeats=case.repeats, seed=1000 * number, **options)
        true = 0.5
        if case.kind != "noise":
            others = ep.fit(ep.MLP(16), data, repeats=OTHERS, seed=1000 * number + 500, **options)
            true = truth(others, case.kind, *drawn(case.kind, NEW, random))
        yield run.metrics[case.part][case.metric], true


def measured(case: Case) -> Found:
    """Train on the tables of a case, and count."""
    from epochal.curves import summarize

    covered = above = student = 0
    biases, widths = [], []
    for summary, true in outcomes(case):
        low, high = summary.ci95
        covered += low <= true <= high
        above += low > true
        before = summarize(summary.per_repeat).ci95
        assert before is not None
        student += before[0] <= true <= before[1]
        biases.append(summary.mean - true)
        widths.append(high - low)
    return Found(case, covered, above, student, float(np.mean(biases)), float(np.mean(widths)))


def share(count: int, tables: int) -> str:
    """A share with its standard error.

    >>> share(95, 100)
    '95.0 ± 2.2 %'
    """
    part = count / tables
    return f"{100 * part:.1f} ± {100 * math.sqrt(part * (1 - part) / tables):.1f} %"


def main(tables: int = TABLES) -> None:
    cases = [
        Case(kind, rows, repeats, part, tables)
        for part in ("validation", "test")
        for kind in KINDS
        for rows, repeats in SIZES
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(measured, cases))
    table = Table(
        "coverage",
        "How often 95 % intervals of the accuracy, or R², hold what new rows show",
        {
            "part": "figure on",
            "kind": "tables of",
            "rows": "rows",
            "repeats": "repeats",
            "covered": "covered",
            "above": "wholly above the truth",
            "student": "Student's interval over repeats",
            "bias": "mean less the truth",
            "width": "mean width",
        },
        notes=[
            f"{tables} generated tables a row (± one standard error), from number {FIRST:,} on: nobody "
            "looked at these when the intervals were chosen; 6 inputs, MLP(16), Adam at 0.01, "
            f"batches of 16, {EPOCHS} epochs, a fifth validates, a quarter tests.",
            f"The truth is the mean of {OTHERS} other repeats on {NEW:,} new rows; of noise it is 0.5.",
        ],
        timed=False,
    )
    for one in found:
        case = one.case
        table.rows.append(
            {
                "part": case.part,
                "kind": case.kind,
                "rows": case.rows,
                "repeats": case.repeats,
                "covered": share(one.covered, case.tables),
                "above": share(one.above, case.tables),
                "student": share(one.student, case.tables),
                "bias": f"{one.bias:+.3f}",
                "width": f"{one.width:.3f}",
            }
        )
    for part in ("validation", "test"):
        of = [one for one in found if one.case.part == part]
        all_of = 100 * sum(one.covered for one in of) / sum(one.case.tables for one in of)
        table.rows.append(
            {
                "part": part,
                "kind": "all",
                "covered": share(sum(one.covered for one in of), sum(one.case.tables for one in of)),
                "above": share(sum(one.above for one in of), sum(one.case.tables for one in of)),
                "student": share(sum(one.student for one in of), sum(one.case.tables for one in of)),
            }
        )
        table.aims.append(Aim(f"% of all tables covered, on {part} rows, at least", all_of, 93))
        table.aims.append(Aim(f"% of all tables covered, on {part} rows, at most", all_of, 97, at_most=True))
    table.publish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
