"""How often are equal settings called different, and how often would they be if the level were spent twice?

Pure functions on noise, and trainings of one setting that differ in nothing but initial weights and order,
dealt out as if they were several settings. All repeats of a comparison share their splits, as in `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import epochal as ep
from benchmarks.measure import Aim, Table
from epochal.choose import race as module
from epochal.choose.bench import Bench
from epochal.choose.race import race
from epochal.choose.setting import Setting
from epochal.choose.trial import Job
from epochal.settings import Settings

Floats = NDArray[np.float64]

COMPARISONS = 1000
REPEATS = (3, 10, 30)
NOISE: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy tails (t, 3 degrees)": lambda random, shape: random.standard_t(3, size=shape),
    "skewed (lognormal)": lambda random, shape: random.lognormal(size=shape),
}
SPLITS, DRAWS = 30, 200
"""Of the trainings: 200 on each of 30 splits."""
EPOCHS, BATCH_SIZE, RATE = 10, 16, 0.02


def called_different(tables: Iterator[Floats], margin: float | None = 0.0) -> float:
    """The share of comparisons at whose end any setting is called worse; tables are (settings, repeats)."""
    found = []
    for table in tables:

        def train(live: Sequence[str], _: int, look: int, table: Floats = table) -> dict[str, list[float]]:
            return {name: table[int(name), :look].tolist() for name in live}

        outcome = race([str(i) for i in range(len(table))], table.shape[1], train, margin=margin)
        found.append(len(outcome.tied) < len(table))
    return float(np.mean(found))


def twice(looks: int) -> tuple[float, ...]:
    """The negative control: early looks take even shares, and the last one takes the whole level again."""
    return (1 / looks,) * (looks - 1) + (1.0,)


def simulated(noise: str, settings: int, repeats: int) -> Iterator[Floats]:
    random = np.random.default_rng([settings, repeats])
    for _ in range(COMPARISONS):
        yield NOISE[noise](random, (settings, repeats)) + random.normal(size=repeats)


def trained() -> Floats:
    """The best validation losses of one setting, shape (draws, splits)."""
    model = ep.MLP(4)
    bench = Bench(
        model, "example:iris", Settings.of({"monitor": None, "batch_size": "full", "repeats": SPLITS * DRAWS})
    )
    setting = Setting("equal", model, {"batch_size": BATCH_SIZE, "learning_rate": RATE, "optimizer": "adam"})
    updates = bench.prepared(setting).plan.first_update(1) * EPOCHS
    table = np.full((DRAWS, SPLITS), np.nan)
    for split in range(SPLITS):
        for draw in range(DRAWS):
            # One job a call: trials come back as they end, and do not say which draw they had.
            job = Job(setting, split, updates, updates // EPOCHS, draw=split * DRAWS + draw)
            (trial,) = bench.run([job])
            table[draw, split] = trial.best("validation.loss")
    return table


def dealt(table: Floats, settings: int, repeats: int) -> Iterator[Floats]:
    """Comparisons of disjoint trainings."""
    for first in range(0, SPLITS - repeats + 1, repeats):
        for draw in range(0, DRAWS - settings + 1, settings):
            yield table[draw : draw + settings, first : first + repeats]


def main() -> None:
    table = Table(
        "equal_settings",
        "Comparisons of equal settings that call any of them worse",
        {
            "values": "values",
            "settings": "settings",
            "repeats": "repeats",
            "comparisons": "comparisons",
            "called": "called different, %",
            "margin": "the same with the default margin, %",
            "twice": "if the last look spent the level again, %",
        },
        notes=[
            "At most 2 % is promised, over all pairs and looks; splits are shared.",
            f"Trainings: iris, MLP(4), Adam at {RATE:g}, batch size {BATCH_SIZE}, {EPOCHS} epochs; of each "
            f"split {DRAWS} that differ in initial weights and order. Comparisons share no training.",
        ],
        timed=False,
    )
    values = trained()
    cases: list[tuple[str, int, int, Callable[[], Iterator[Floats]]]] = [
        (noise, settings, repeats, lambda n=noise, s=settings, r=repeats: simulated(n, s, r))  # type: ignore[misc]
        for noise in NOISE
        for settings in (2, 5)
        for repeats in REPEATS
    ]
    cases += [
        ("trainings", settings, repeats, lambda s=settings, r=repeats: dealt(values, s, r))  # type: ignore[misc]
        for settings in (2, 5)
        for repeats in REPEATS
    ]
    worst: dict[str, float] = {}
    for name, settings, repeats, tables in cases:
        called, margin = called_different(tables()), called_different(tables(), None)
        with mock.patch.object(module, "shares", twice):
            again = called_different(tables())
        count = sum(1 for _ in tables())
        table.rows.append(
            {
                "values": name, "settings": settings, "repeats": repeats, "comparisons": count,
                "called": 100 * called, "margin": 100 * margin, "twice": 100 * again,
            }
        )  # fmt: skip
        kind = "trainings" if name == "trainings" else "noise"
        worst[kind] = max(worst.get(kind, 0.0), 100 * called) if count >= 500 else worst.get(kind, 0.0)
    for kind, most in worst.items():
        table.aims.append(
            Aim(f"{kind}, at least 500 comparisons: called different, %", most, 3, at_most=True)
        )
    table.publish()


if __name__ == "__main__":
    main()
