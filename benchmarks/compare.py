"""What does a comparison cost, beside the same trainings one after another and beside a grid search?

5 batch sizes x 3 learning rates x 10 repeats on breast cancer, 50 epochs each: 150 trainings.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import epochal as ep
from benchmarks.measure import Aim, Figure, Table

SIZES = (8, 16, 32, 64, 128)
RATES = (3e-4, 1e-3, 3e-3)
REPEATS, EPOCHS = 10, 50
HIDDEN = (64, 64)
DATA = "example:breast-cancer"
ROUNDS = 3


def compare() -> None:
    ep.compare(
        ep.MLP(*HIDDEN), DATA, batch_size=list(SIZES), learning_rate=list(RATES), epochs=EPOCHS,
        repeats=REPEATS,
    )  # fmt: skip


def one_after_another() -> None:
    """The same trainings by `fit`, each of one repeat, in one process."""
    data = ep.load_data(DATA)
    for size, rate, repeat in itertools.product(SIZES, RATES, range(REPEATS)):
        ep.fit(
            ep.MLP(*HIDDEN), data, batch_size=size, learning_rate=rate, epochs=EPOCHS, seed=repeat,
            evaluate_train=False,
        )  # fmt: skip


def calls_of_fit() -> None:
    """One call of `fit` for each setting, with 10 repeats each."""
    data = ep.load_data(DATA)
    for size, rate in itertools.product(SIZES, RATES):
        ep.fit(
            ep.MLP(*HIDDEN), data, batch_size=size, learning_rate=rate, epochs=EPOCHS, repeats=REPEATS,
            evaluate_train=False,
        )  # fmt: skip


def grid_search() -> None:
    """scikit-learn's MLPClassifier on the same grid: 10 splits, both cores, no score but the last."""
    import warnings

    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_breast_cancer(return_X_y=True)
    network = MLPClassifier(HIDDEN, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0.0)
    grid = {"mlpclassifier__batch_size": SIZES, "mlpclassifier__learning_rate_init": RATES}
    splits = StratifiedShuffleSplit(REPEATS, test_size=0.2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(
            make_pipeline(StandardScaler(), network), grid, cv=splits, scoring="neg_log_loss", n_jobs=-1
        ).fit(X, y)


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
        "150 trainings on breast cancer: 5 batch sizes, 3 rates, 10 repeats, 50 epochs, MLP 30-64-64-1, Adam",
        {
            "how": "how",
            "seconds": "s",
            "ratio": "times compare",
            "first": "s of the first call, compilation included",
        },
        notes=[
            "Median of 3 calls (least–most) after a first one in the same process, whose programs "
            "may have been in the cache of an earlier process; the grid search was measured once.",
            "compare judges after each epoch, drops settings that cannot win, measures update times, tests "
            "and sums up; the grid search scores once, at the end. Both validate on a fifth of the rows.",
        ],
    )
    first, mine = timed(compare, ROUNDS)
    rows = [("epochal.compare", mine, first)]
    for name, call in (
        ("epochal.fit, once for each setting", calls_of_fit),
        ("epochal.fit, once for each training", one_after_another),
    ):
        first, seconds = timed(call, ROUNDS)
        rows.append((name, seconds, first))
    begin = time.perf_counter()
    grid_search()
    rows.append(("scikit-learn, GridSearchCV", Figure((time.perf_counter() - begin,)), None))
    for name, seconds, first in rows:
        table.rows.append(
            {"how": name, "seconds": seconds, "ratio": seconds.median / mine.median, "first": first}
        )
    singly, search = rows[2][1].median, rows[3][1].median
    table.aims.append(Aim("one after another, times compare", singly / mine.median, 3))
    table.aims.append(Aim("GridSearchCV, times compare", search / mine.median, 20))
    table.publish()


if __name__ == "__main__":
    main()
