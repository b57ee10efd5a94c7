"""What does a batch cost where the samples are too many to permute? `Plan`, up to 10^12 samples."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from benchmarks.measure import ROUNDS, Aim, Cell, Figure, Table
from epochal.plan import Plan

BATCH_SIZE = 32
CALLS = 200
MAX_PERMUTED = 10**7  # 10^12 would take NumPy 8 TB


def seconds(work: Callable[[int], object], calls: int) -> Figure:
    """Per call, over rounds; each call gets a number of its own."""
    work(0)
    values = []
    for turn in range(ROUNDS):
        started = time.perf_counter()
        for call in range(turn * calls, (turn + 1) * calls):
            work(call)
        values.append((time.perf_counter() - started) / calls)
    return Figure(tuple(values))


def peak_bytes(work: Callable[[int], object]) -> int:
    tracemalloc.start()
    work(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    table = Table(
        "plan",
        f"One batch of {BATCH_SIZE} samples at a random place of a random epoch",
        {
            "samples": "samples",
            "batch": "ms for Plan.batch",
            "find": "ms for Plan.find",
            "peak": "KB at the peak",
            "permutation": "ms for NumPy's permutation of all samples",
            "permutation_peak": "KB at its peak",
        },
        notes=[f"Median of {ROUNDS} rounds of {CALLS} calls (min–max). Memory by tracemalloc, in one call."],
    )
    generator = np.random.default_rng(0)
    batches: dict[int, Figure] = {}
    for samples in (10**3, 10**6, 10**9, 10**12):
        plan = Plan(samples=samples, batch_size=BATCH_SIZE, epochs=1000)
        epochs = generator.integers(plan.epochs, size=ROUNDS * CALLS).tolist()
        places = generator.integers(samples // BATCH_SIZE, size=ROUNDS * CALLS).tolist()

        def batch(call: int) -> object:
            return plan.batch(epochs[call], places[call])  # noqa: B023

        def find(call: int) -> object:
            return plan.find(places[call], epochs[call])  # noqa: B023

        def permutation(call: int) -> object:
            return generator.permutation(samples)  # noqa: B023

        batches[samples] = seconds(batch, CALLS)
        row: dict[str, Cell] = {
            "samples": samples,
            "batch": batches[samples].times(1e3),
            "find": seconds(find, CALLS).times(1e3),
            "peak": peak_bytes(batch) / 1e3,
        }
        if samples <= MAX_PERMUTED:
            row["permutation"] = seconds(permutation, calls=3).times(1e3)
            row["permutation_peak"] = peak_bytes(permutation) / 1e3
        table.rows.append(row)
    table.aims.append(Aim("10^12 samples, ms for a batch", batches[10**12].median * 1e3, 5, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
