"""What do more repeats cost? The worked example with 1, 5, 10 and 30 of them."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Aim, Figure, Table, Trial, alternate
from benchmarks.peers import fit_epochal, training_seconds
from benchmarks.worked_example import worked_example

REPEATS = (1, 5, 10, 30)


def prepare(repeats: int) -> Trial:
    workload = worked_example(evaluate=True)
    return lambda: training_seconds(fit_epochal(workload, repeats))


def main() -> None:
    table = Table(
        "repeats",
        "Repeats of the worked example: 1,000 epochs, the clean training loss after each",
        {
            "repeats": "repeats",
            "seconds": "s of training",
            "ratio": "times the time of one",
            "per_repeat": "µs per update and repeat",
            "first_seconds": "s for compile and first call",
            "call_seconds": "s for a later call",
        },
        notes=["Median of 5 alternating rounds (least–most); ratios are formed within a round."],
    )
    updates = worked_example(evaluate=True).updates
    measured = alternate({str(repeats): partial(prepare, repeats) for repeats in REPEATS})
    ratios: dict[int, Figure] = {}
    for repeats in REPEATS:
        figures = measured[str(repeats)]
        ratios[repeats] = figures.clock.per(measured["1"].clock)
        table.rows.append(
            {
                "repeats": repeats,
                "seconds": figures.clock,
                "ratio": ratios[repeats],
                "per_repeat": figures.clock.times(1e6 / updates / repeats),
                "first_seconds": figures.first_seconds,
                "call_seconds": figures.call_seconds.median,
            }
        )
    table.aims.append(Aim("10 repeats, times the time of one", ratios[10].median, 6, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
