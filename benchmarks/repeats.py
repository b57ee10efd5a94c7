"""What do more repeats cost? The worked example with 1, 5, 10 and 30 of them."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Aim, Table, Trial, alternate
from benchmarks.peers import fit_epochal, timed
from benchmarks.worked_example import worked_example

REPEATS = (1, 5, 10, 30)


def prepare(repeats: int) -> Trial:
    workload = worked_example(evaluate=True)
    return timed(lambda: fit_epochal(workload, repeats), repeats * workload.updates)


def main() -> None:
    table = Table(
        "repeats",
        "Repeats of the worked example: 1,000 epochs, the clean training loss after each",
        {
            "repeats": "repeats",
            "call_seconds": "s for a call of fit",
            "ratio": "times the time of one",
            "per_update": "µs per update and repeat",
            "first_seconds": "s for the first call, compile included",
        },
        notes=["Median of 5 alternating rounds (min–max); ratios are formed within a round."],
    )
    measured = alternate({str(repeats): partial(prepare, repeats) for repeats in REPEATS})
    ratios = {
        repeats: measured[str(repeats)].call_seconds.per(measured["1"].call_seconds) for repeats in REPEATS
    }
    for repeats in REPEATS:
        figures = measured[str(repeats)]
        table.rows.append(
            {
                "repeats": repeats,
                "call_seconds": figures.call_seconds,
                "ratio": ratios[repeats],
                "per_update": figures.clock.times(1e6),
                "first_seconds": figures.first_seconds,
            }
        )
    table.aims.append(Aim("10 repeats, times the time of one", ratios[10].median, 6, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
