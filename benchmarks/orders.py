"""What does an order cost in the loop? The worked example, with every order beside the shuffle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import epochal as ep
from benchmarks.measure import Aim, Table, Trial, alternate
from benchmarks.worked_example import worked_example

SHUFFLE = "shuffle"


def trial(order: Any, data: tuple[Any, ...]) -> Trial:
    """A training that returns the microseconds of an update, by the engine's own clock."""

    def train() -> float:
        run = ep.fit(
            ep.MLP(12, 8),
            data,
            order=order,
            batch_size=5,
            epochs=1000,
            validation=0,
            metrics=(),
            evaluate_every=1000,
        )
        return run.outcomes[0].seconds / run.plan.updates * 1e6

    return train


def main() -> None:
    work = worked_example(evaluate=False)
    inputs, targets = work.inputs, work.targets
    rare = (np.argsort(np.argsort(-inputs.sum(1))) < 20).astype(np.int32)
    weights = np.random.default_rng(1).uniform(0.1, 2.0, len(inputs))
    orders: dict[str, tuple[Any, tuple[Any, ...]]] = {
        SHUFFLE: (SHUFFLE, (inputs, targets)),
        "sequential": ("sequential", (inputs, targets)),
        "stratified": ("stratified", (inputs, targets)),
        "balanced": ("balanced", (inputs, targets)),
        "balanced, 10 % positives": ("balanced", (inputs, rare)),
        "weighted": ("weighted", (inputs, targets, weights)),
        "replacement": ("replacement", (inputs, targets)),
        "blocks of 10": (ep.Blocks(10), (inputs, targets)),
        "20 groups": (ep.Groups(np.arange(200) % 20), (inputs, targets)),
    }
    contenders: dict[str, Callable[[], Trial]] = {
        name: partial(trial, order, data) for name, (order, data) in orders.items()
    }
    measured = alternate(contenders)
    table = Table(
        "orders",
        "An update of the worked example (200 samples, batch size 5, MLP 8-12-8-1, Adam) in each order",
        {
            "order": "order",
            "turns": "turns per epoch",
            "update": "µs per update",
            "ratio": "times the shuffle's",
        },
        notes=[
            "Median of 5 alternating rounds (min–max) of 1,000 epochs, by the engine's own clock; ratios "
            "within a round. The order of an epoch is made anew in each, in the loop.",
        ],
    )
    base = measured[SHUFFLE].clock
    for name, (order, data) in orders.items():
        found = measured[name].clock
        plan = ep.fit(ep.MLP(4), data, order=order, batch_size=5, epochs=1, validation=0, metrics=()).plan
        ratio = found.per(base)
        table.rows.append({"order": name, "turns": plan.positions_per_epoch, "update": found, "ratio": ratio})
        if name != SHUFFLE:
            table.aims.append(Aim(f"{name}, times the shuffle's update", ratio.median, 1.1, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
