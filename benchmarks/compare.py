"""What does a comparison cost, beside the same trainings one after another and beside a grid search?

5 batch sizes x 3 learning rates x 10 repeats on breast cancer, 50 epochs each: 150 trainings.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import epochal as ep
from benchmarks.measure import Aim, Figure, Table

SIZES = (1, 8, 32, 128, "full")
RATES = (3e-4, 1e-3, 3e-3)
REPEATS, EPOCHS = 10, 50
NETWORKS = ((32,), (64, 64))
DATA = "example:breast-cancer"
TRAINING_SAMPLES = 455
ROUNDS = 2


def compare(hidden: tuple[int, ...]) -> None:
    ep.compare(
        ep.MLP(*hidden), DATA, batch_size=list(SIZES), learning_rate=list(RATES), epochs=EPOCHS,
        repeats=REPEATS,
    )  # fmt: skip


def one_after_another(hidden: tuple[int, ...]) -> None:
    """The same trainings by `fit`, each of one repeat, in one process."""
    data = ep.load_data(DATA)
    for size, rate, repeat in itertools.product(SIZES, RATES, range(REPEATS)):
        ep.fit(
            ep.MLP(*hidden), data, batch_size=size, learning_rate=rate, epochs=EPOCHS, seed=repeat,
            evaluate_train=False,
        )  # fmt: skip


def calls_of_fit(hidden: tuple[int, ...]) -> None:
    """One call of `fit` for each setting, with 10 repeats each."""
    data = ep.load_data(DATA)
    for size, rate in itertools.product(SIZES, RATES):
        ep.fit(
            ep.MLP(*hidden), data, batch_size=size, learning_rate=rate, epochs=EPOCHS, repeats=REPEATS,
            evaluate_train=False,
        )  # fmt: skip


def grid_search(hidden: tuple[int, ...]) -> None:
    """scikit-learn's MLPClassifier on the same grid: 10 splits, both cores, no score but the last."""
    import warnings

    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_breast_cancer(return_X_y=True)
    network = MLPClassifier(hidden, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0.0)
    grid = {
        "mlpclassifier__batch_size": [TRAINING_SAMPLES if one == "full" else one for one in SIZES],
        "mlpclassifier__learning_rate_init": RATES,
    }
    splits = StratifiedShuffleSplit(REPEATS, test_size=0.2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(
            make_pipeline(StandardScaler(), network), grid, cv=splits, scoring="neg_log_loss", n_jobs=-1
        ).fit(X, y)


def searched(hidden: tuple[int, ...]) -> float:
    """Seconds of the grid search, in a process whose workers end with it and so count as ours."""
    code = f"""
import time
from benchmarks.compare import grid_search
begin = time.perf_counter()
grid_search({hidden!r})
print(time.perf_counter() - begin)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def timed(call: Callable[[], None], rounds: int) -> tuple[float, Figure]:
    """Seconds of a first call, and of some more."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times[0], Figure(tuple(times[1:]))


def main() -> None:
    table = Table(
        "compare",
        "150 trainings on breast cancer: 5 batch sizes (1 to full), 3 rates, 10 repeats, 50 epochs, Adam",
        {
            "network": "network",
            "how": "how",
            "seconds": "s",
            "ratio": "times compare",
            "first": "s of the first call, compilation included",
        },
        notes=[
            f"Median of {ROUNDS} calls (min–max) after a first one in the same process, whose programs "
            "may have been in the cache of an earlier process; the grid search was measured once.",
            "compare judges after each epoch, drops settings that cannot win, measures update times, tests "
            "and sums up; the grid search (both cores) scores once, at the end. Both hold out a fifth.",
        ],
    )
    for hidden in NETWORKS:
        name = "-".join(map(str, hidden))
        first, mine = timed(partial(compare, hidden), ROUNDS)
        rows: list[tuple[str, Figure, float | None]] = [("epochal.compare", mine, first)]
        for how, call in (
            ("epochal.fit, once for each setting", calls_of_fit),
            ("epochal.fit, once for each training", one_after_another),
        ):
            first, seconds = timed(partial(call, hidden), ROUNDS)
            rows.append((how, seconds, first))
        rows.append(("scikit-learn, GridSearchCV", Figure((searched(hidden),)), None))
        for how, seconds, first in rows:
            ratio = seconds.median / mine.median
            table.rows.append(
                {"network": name, "how": how, "seconds": seconds, "ratio": ratio, "first": first}
            )
        singly, search = rows[2][1].median, rows[3][1].median
        table.aims.append(Aim(f"{name}: one after another, times compare", singly / mine.median, 3))
        table.aims.append(Aim(f"{name}: GridSearchCV, times compare", search / mine.median, 20))
    table.publish()


if __name__ == "__main__":
    main()
