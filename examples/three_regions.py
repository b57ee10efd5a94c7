"""Where does a larger batch stop saving updates? A study in the manner of Shallue et al. (2018), on digits.

For each batch size the learning rate that needs the fewest updates to a validation loss is searched, as in
"Measuring the effects of data parallelism on neural network training" (arXiv 1811.03600). Three regions show:

    perfect scaling      twice the batch, half the updates
    diminishing returns  twice the batch saves less and less
    the floor            a larger batch saves nothing

    python examples/three_regions.py             # about a minute; writes three_regions.png
    python examples/three_regions.py 0.3 adam    # another target and optimizer
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

from epochal import MLP, Settings
from epochal.choose.search.search import Point, Search, exponent_of, rate_at
from epochal.choose.statistics.hyperbola import Hyperbola, bootstrap_hyperbola
from epochal.choose.statistics.time_to_target import ExpectedRunningTime, Reached, expected_running_time
from epochal.choose.trials.trial import Candidate
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def study(
    data: object = "example:digits",
    sizes: tuple[int, ...] = SIZES,
    target: float = 0.2,
    optimizer: str = "sgd",
    repeats: int = 5,
    most_updates: int = 20_000,
) -> tuple[dict[Point, list[Reached]], Hyperbola]:
    """The updates that each batch size needs at its best rate, by repeat, and the fit."""
    # One split for all: the target means the same in every repeat; start and order differ.
    settings = Settings(optimizer=optimizer, repeats=repeats, vary=("init", "order"))
    runner = TrialRunner(prepare_shared(MLP(32), data, settings))
    search = Search(
        runner,
        Candidate("", MLP(32), {}),
        "updates",
        cost=lambda size: 1.0,
        max_updates=lambda size: most_updates,
        patience=lambda size: float(most_updates),
        run=lambda phase, jobs: runner.run(jobs),
        per_epoch=32,
        target_values=dict.fromkeys(range(repeats), target),
    )
    found: dict[Point, list[Reached]] = {}
    guess: float = exponent_of(0.05 if optimizer == "sgd" else 0.001)
    for size in sizes:
        point = search.tune(size, guess, range(repeats))
        search.measure([point], range(repeats))
        found[point] = [search.results[point][repeat].reached for repeat in range(repeats)]
        assert point.exponent is not None
        guess = point.exponent + 1
    steps = np.array([[one.updates for one in row] for row in found.values()]).T
    reached = np.array([[one.reached for one in row] for row in found.values()]).T
    return found, bootstrap_hyperbola([point.batch_size for point in found], steps, reached)


def picture(running_times: dict[int, ExpectedRunningTime], fit: Hyperbola, path: str) -> None:
    """Updates to the target against the batch size, with the fit and the lines that it bends between."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    sizes = np.array(list(running_times))
    middle = np.array([one.expected for one in running_times.values()])
    ends = np.array([[one.expected - one.low, one.high - one.expected] for one in running_times.values()]).T
    line = np.geomspace(sizes.min(), sizes.max(), 200)
    axes.plot(line, fit.minimal_samples / line, ":", color="0.5", label="perfect scaling")
    axes.axhline(fit.minimal_steps, ls="--", color="0.5", label="the floor")
    axes.plot(line, fit.steps(line), color="C0", label="fit")
    axes.errorbar(sizes, middle, np.where(np.isfinite(ends), ends, 0), fmt="o", color="C0", capsize=3)
    axes.axvline(
        fit.critical_batch_size, color="C1", label=f"critical batch size {fit.critical_batch_size:.0f}"
    )
    axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="updates to the target")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(target: float = 0.2, optimizer: str = "sgd") -> None:
    """Run the study, print its table, draw its picture."""
    found, fit = study(target=target, optimizer=optimizer)
    running_times = {point.batch_size: expected_running_time(reached) for point, reached in found.items()}
    print(f"{'batch':>6} {'rate':>7} {'updates':>9} {'epochs':>7}   95 % interval")
    for point, one in zip(found, running_times.values(), strict=True):
        epochs = one.expected * point.batch_size / 1438
        rate = rate_at(point.exponent or 0)
        print(
            f"{point.batch_size:>6} {rate:>7g} {one.expected:>9,.0f} {epochs:>7.1f}   "
            f"{one.low:,.0f} to {one.high:,.0f}"
        )
    low, high = fit.critical_batch_size_ci95
    print(
        f"\nfloor {fit.minimal_steps:,.0f} updates, critical batch size {fit.critical_batch_size:,.0f}",
        end=" ",
    )
    print(f"({low:,.0f} to {high:,.0f}); at least {fit.minimal_samples:,.0f} samples")
    picture(running_times, fit, "three_regions.png")


if __name__ == "__main__":
    main(*(kind(value) for kind, value in zip((float, str), sys.argv[1:], strict=False)))
