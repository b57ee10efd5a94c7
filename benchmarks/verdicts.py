"""How often is the verdict right? Curves with known answers: truth against verdict."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from benchmarks.known_curves import TRUTHS, Known, drawn
from epochal.curves import Verdict, judge

REPEATS = (1, 3, 5, 10)


def judged(known: Known) -> Verdict:
    return judge(
        known.curves,
        baseline=known.baseline,
        validation_samples=known.samples,
        training_samples=known.training_samples,
        stopped_early=known.truth.endswith("stopped"),
        settings={"loss": known.loss, "learning_rate": 0.01, "batch_size": 32},
    )


def ratio(known: Known) -> float:
    _, array = known.curves.values("validation.loss")
    last = [row[np.isfinite(row)] for row in array]
    return float(np.mean([row[-1] for row in last]) / np.mean([row.min() for row in last]))


def main(trials: int) -> None:
    for repeats in REPEATS:
        print(f"--- {repeats}")
        green = 0
        for truth in TRUTHS:
            rng = np.random.default_rng([TRUTHS.index(truth), repeats])
            found: Counter[str] = Counter()
            for _ in range(trials):
                known = drawn(truth, repeats, rng)
                verdict = judged(known)
                found[verdict.kind] += 1
                green += verdict.kind == "good fit" and ratio(known) > 1.2
            print(f"{truth:22}", dict(found.most_common()))
        print("green above 1.2:", green)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
