"""How often do the 95 % intervals of `run.metrics` hold what new samples show? Tables whose truth is known.

The truth of a table is the mean over other repeats, trained in the same way on it, of the metric on 5,000 new
rows; of noise it is one half. Beside it stands Student's interval of the mean over repeats, which knows
neither that they share rows nor that the epoch was chosen on them. Where tables are split by time, inputs and
noise of a row depend on those of the row before; where they are split by groups, rows of a group share both.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
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
KEPT, GROUP = 0.7, 8
"""How much of a row the next one keeps, where rows come in time; rows of a group, which share half."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    kind: str
    rows: int
    repeats: int
    part: str
    tables: int = TABLES
    split: str = "random"

    @property
    def metric(self) -> str:
        if self.kind != "numbers":
            return "accuracy"
        # The targets of a stretch of time vary less than those of all time, and R² with them.
        return "r2" if self.split == "random" else "rmse"


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


def drawn(
    kind: str, rows: int, random: np.random.Generator, split: str = "random"
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Six inputs, of which three say something about the target, unless it is noise."""
    columns = random.normal(size=(rows, 7))
    if split == "chronological":
        for row in range(1, rows):
            columns[row] = KEPT * columns[row - 1] + math.sqrt(1 - KEPT**2) * columns[row]
    elif split == "groups":
        shared = random.normal(size=(-(-rows // GROUP), 7))
        columns = (columns + np.repeat(shared, GROUP, axis=0)[:rows]) / math.sqrt(2)
    inputs, noise = columns[:, :6].astype(np.float32), columns[:, 6]
    if kind == "noise":
        return inputs, (noise > 0).astype(int)
    target = inputs[:, 0] + inputs[:, 1] * inputs[:, 2] + noise
    return inputs, (target > 0).astype(int) if kind == "classes" else target.astype(np.float32)


def truth(run: Any, metric: str, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """The mean over the repeats of a run of what each reaches on new rows."""
    predicted = run.predict(inputs).per_repeat
    if metric == "accuracy":
        return float(np.mean([(one.argmax(axis=1) == targets).mean() for one in predicted]))
    squares = np.array([((np.ravel(one) - targets) ** 2).mean() for one in predicted])
    return float((np.sqrt(squares) if metric == "rmse" else 1 - squares / targets.var()).mean())


def outcomes(case: Case) -> Iterator[tuple[Any, float]]:
    """For each table what `run.metrics` says, and the truth."""
    import epochal as ep

    for number in range(FIRST, FIRST + case.tables):
        random = np.random.default_rng([case.rows, KINDS.index(case.kind), number])
        data: Any = drawn(case.kind, case.rows, random, case.split)
        if case.split == "groups":
            data = ep.load_data(data, groups=np.arange(case.rows) // GROUP)
        options: dict[str, Any] = {
            "epochs": EPOCHS,
            "batch_size": 16,
            "learning_rate": 0.01,
            "test": 0.25 if case.part == "test" else 0.0,
            "evaluate_train": False,
            "split": case.split,
        }
        run = ep.fit(ep.MLP(16), data, repeats=case.repeats, seed=1000 * number, **options)
        true = 0.5
        if case.kind != "noise":
            others = ep.fit(ep.MLP(16), data, repeats=OTHERS, seed=1000 * number + 500, **options)
            true = truth(others, case.metric, *drawn(case.kind, NEW, random, case.split))
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


def found_of(cases: Sequence[Case]) -> list[Found]:
    """All cases, measured side by side."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(measured, cases))


def table_of(name: str, title: str, found: Sequence[Found], notes: Sequence[str]) -> Table:
    """A row for each case, and one for each part and split together."""
    tables = found[0].case.tables
    splits = list(dict.fromkeys(one.case.split for one in found))
    table = Table(
        name,
        title,
        {
            "part": "metric on",
            **({} if splits == ["random"] else {"split": "split"}),
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
            *notes,
        ],
        timed=False,
    )

    def counts(several: Sequence[Found]) -> dict[str, str]:
        of = sum(one.case.tables for one in several)
        return {
            name: share(sum(getattr(one, name) for one in several), of)
            for name in ("covered", "above", "student")
        }

    for one in found:
        case = one.case
        row = {name: getattr(case, name) for name in ("part", "split", "kind", "rows", "repeats")}
        table.rows.append(row | counts([one]) | {"bias": f"{one.bias:+.3f}", "width": f"{one.width:.3f}"})
    for part, split in itertools.product(("validation", "test"), splits):
        several = [one for one in found if (one.case.part, one.case.split) == (part, split)]
        table.rows.append({"part": part, "split": split, "kind": "all"} | counts(several))
        all_of = 100 * sum(one.covered for one in several) / sum(one.case.tables for one in several)
        name = f"% of all tables covered, on {part} rows{'' if split == 'random' else f', {split}'}"
        table.aims.append(Aim(f"{name}, at least", all_of, 93))
        if split == "random":
            table.aims.append(Aim(f"{name}, at most", all_of, 97, at_most=True))
    return table


def main(tables: int = TABLES) -> None:
    cases = [
        Case(kind, rows, repeats, part, tables)
        for part in ("validation", "test")
        for kind in KINDS
        for rows, repeats in SIZES
    ]
    table_of(
        "coverage",
        "How often 95 % intervals of the accuracy, or R², hold what new rows show",
        found_of(cases),
        [f"The truth is the mean of {OTHERS} other repeats on {NEW:,} new rows; of noise it is 0.5."],
    ).publish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
