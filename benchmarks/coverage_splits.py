"""Coverage of the 95 % intervals of `run.metrics` where rows depend on one another, by time and by groups.

As in `coverage`, of tables that are split by time, where a row keeps some of the one before, or by groups.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.coverage import GROUP, KEPT, NEW, OTHERS, Case, Found, found_of, table_of
from benchmarks.measure import Table

TABLES = 25


def table(found: Sequence[Found]) -> Table:
    return table_of(
        "coverage_splits",
        "How often 95 % intervals of the accuracy, or RMSE, hold what new rows show, by time and by groups",
        found,
        [
            f"The truth is the mean of {OTHERS} other repeats on {NEW:,} new rows.",
            f"By time, a row keeps {KEPT:g} of the one before; by groups, {GROUP} rows of a group share half "
            "of their variance; both noise included.",
        ],
    )


def main(tables: int = TABLES) -> None:
    cases = [
        Case(kind, rows, 5, part, tables, split)
        for split in ("chronological", "groups")
        for part in ("validation", "test")
        for kind in ("classes", "numbers")
        for rows in (200, 1000)
    ]
    table(found_of(cases)).publish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
