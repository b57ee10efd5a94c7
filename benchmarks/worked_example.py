"""How fast is an update of a tiny network? 200 samples, batches of 5, 1,000 epochs: 40,000 updates."""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Aim, Table
from benchmarks.peers import (
    AS_THEY_COME,
    BY_HAND,
    EPOCHAL,
    EPOCHAL_CLOCK,
    SCIKIT_LEARN,
    TUNED,
    Workload,
    fastest,
    race,
    race_columns,
    times_faster,
)

FEW_EPOCHS = 30  # 1,200 updates: enough for the peers, whose updates take a hundred times as long


def worked_example(evaluate: bool) -> Workload:
    """Two noisy classes in eight features, as in the table that the example is taught with."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 8)).astype(np.float32)
    targets = (inputs.sum(1) + 2 * generator.normal(size=200) > 0).astype(np.int32)
    # Products this small gain nothing from threads, and PyTorch's wait for one another on a busy machine.
    return Workload(
        inputs, targets, (12, 8), classes=2, batch_size=5, epochs=1000, evaluate=evaluate, torch_threads=1
    )


def main() -> None:
    table = Table(
        "worked_example",
        "Worked example: 200 samples, batch size 5, MLP 8-12-8-1, Adam, 1,000 epochs",
        race_columns("µs", {"curve": "with the clean training loss after each epoch", "plain": "without"}),
        notes=[
            "Median of 5 alternating rounds (min–max); ratios, within a round, are to the call of fit.",
            f"Slow contenders train for {FEW_EPOCHS} epochs: an update takes no less in a longer training.",
            "“40 updates a call”: Keras with steps_per_execution=40, a whole epoch. “Fused Adam”: "
            "torch.optim.Adam(fused=True). Both are faster than what one gets without asking.",
            "PyTorch and what is built on it run on one thread: on two they are no faster, and far slower on "
            "a busy machine.",
            "The last two columns are of the variant with the clean loss. The first import of a framework is "
            "charged to the first contender that needs it.",
        ],
    )
    peers = (*AS_THEY_COME, *TUNED)
    variants = {"curve": worked_example(evaluate=True), "plain": worked_example(evaluate=False)}
    contenders = (EPOCHAL, EPOCHAL_CLOCK, BY_HAND, *peers)
    measured = race(table, variants, contenders, dict.fromkeys(peers, FEW_EPOCHS), scale=1e6)

    curve, plain = measured["curve"], measured["plain"]
    for kind, among in (("peer", AS_THEY_COME), ("tuned peer", peers)):
        name = fastest(curve, among)
        what = f"with the clean loss, times faster than the fastest {kind} ({name})"
        table.aims.append(Aim(what, times_faster(curve, name), 30))
    if SCIKIT_LEARN in plain:
        what = "without, by its own clock, times faster than scikit-learn (3.5 µs where that takes 150)"
        table.aims.append(Aim(what, times_faster(plain, SCIKIT_LEARN, EPOCHAL_CLOCK), 150 / 3.5))
    table.publish()


if __name__ == "__main__":
    main()
