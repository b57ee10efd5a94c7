"""Does an advice hold on new seeds, is it as good as the defaults, and does it abstain on noise?

Ten tables of scikit-learn and of known making, with Adam and with plain SGD. For each the advice (goal
quality, 10 repeats) and the defaults are trained on 30 new seeds: the advice for the advised epochs, the
defaults for 100 epochs, read at the epoch that the other seeds choose. The promise holds where the mean over
the new seeds lies in its interval. And 20 tables of noise, whose columns say nothing about the target.

That is about other seeds. For other rows, small tables of known making are drawn anew, validated on random
splits, on a file, or in order: the promise holds where the mean loss of ten seeds on 4,000 new rows lies in
its interval. The interval of the seeds alone is the negative control.

    python -m benchmarks.promises NAME OPTIMIZER    one cell, kept in build/promises
    python -m benchmarks.promises rows KIND         promises for new rows: random, file or chronological
    python -m benchmarks.promises                   all of them, and the tables
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Aim, Table
from epochal.choose.advice.advise import advise
from epochal.choose.search.final_estimate import Criteria, FinalEstimate, final_of
from epochal.choose.search.final_step import DEFAULT_EPOCHS, default_point
from epochal.choose.search.quality_search import NONINFERIORITY_MARGIN
from epochal.choose.search.search import Point, Search
from epochal.choose.trials.target_values import baseline, cost_of
from epochal.choose.trials.trial import Candidate, Job
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.curves import summarize
from epochal.models import MLP
from epochal.settings import Settings
from epochal.training.train import fit

FOLDER = Path("build") / "promises"
BUNDLED = ("breast-cancer", "wine", "iris", "diabetes", "digits")
GENERATED = ("friedman", "linear", "moons", "network", "weak")
OPTIMIZERS = ("adam", "sgd")
NOISE = 20
KINDS = ("random", "file", "chronological")
TABLES = 20
"""Tables of each kind whose promises are held against new rows."""
FRESH, FIRST_SEED = 30, 5000


def data(name: str) -> Any:
    """A bundled table, a generated one, or noise."""
    kind, _, number = name.partition(" ")
    random = np.random.default_rng([len(kind), int(number or 0)])
    if name in BUNDLED:
        return f"example:{name}"
    if kind == "noise":  # 100 to 400 rows, 3 to 12 columns; classes and amounts in turn
        inputs = random.normal(size=(int(random.integers(100, 400)), int(random.integers(3, 12))))
        even = int(number) % 2 == 0
        return inputs, random.integers(2, size=len(inputs)) if even else random.normal(size=len(inputs))
    if kind == "friedman":
        x = random.random((300, 8))
        score = (
            10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
        )
        return x, score + random.normal(0, 1, 300)
    x = random.normal(size=(400, 6))
    if kind == "linear":
        return x[:200], x[:200] @ np.arange(6) + random.normal(0, 2, 200)
    if kind == "moons":
        return x[:, :2], (x[:, 1] + np.sin(3 * x[:, 0]) + random.normal(0, 0.3, 400) > 0).astype(int)
    if kind == "network":
        hidden = np.tanh(x @ random.normal(size=(6, 12)))
        return x, (hidden @ random.normal(size=12) + random.normal(0, 0.5, 400) > 0).astype(int)
    return x, (0.5 * x[:, 0] + random.normal(0, 1, 400) > 0).astype(int)


def fresh(name: str, optimizer: str, point: Point | None, epochs: int) -> FinalEstimate:
    """A setting, or the defaults, on seeds that nobody has seen."""
    settings = Settings(optimizer=optimizer, repeats=FRESH, seed=FIRST_SEED, epochs=epochs)
    runner = TrialRunner(prepare_shared(MLP(64, 64), data(name), replace_size(settings)))
    search = Search(
        runner, Candidate("", MLP(64, 64), {}), "quality", cost_of("updates", float),
        lambda size: epochs, lambda size: 0.0, lambda phase, jobs: runner.run(jobs),
    )  # fmt: skip
    usual = point is None
    point = default_point(runner, None) if point is None else point
    batches = -(-runner.base.plan.positions_per_epoch // point.batch_size)
    jobs = [Job(search.candidate_of(point), seed, epochs * batches, batches) for seed in range(FRESH)]
    trials = {trial.repeat: trial for trial in runner.run(jobs)}
    constant = {seed: baseline(runner, seed) for seed in range(FRESH)}
    return final_of(point, epochs, trials, constant, Criteria(runner.monitor, 0.0), kept=usual)


def replace_size(settings: Settings) -> Settings:
    """A runner is settled with all samples in a batch; each job says its own."""
    from dataclasses import replace

    return replace(settings, batch_size="full")


def cell(name: str, optimizer: str) -> dict[str, Any]:
    """One advice, and what new seeds say about it."""
    path = FOLDER / f"{name}-{optimizer}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    advice = advise(MLP(64, 64), data(name), optimizer=optimizer, progress=False)
    found = {
        "table": name, "optimizer": optimizer, "recommended": advice.recommended, "answer": advice.answer,
        "updates": advice.usage.updates, "seconds": advice.usage.seconds,
    }  # fmt: skip
    if advice.recommended and not name.startswith("noise"):
        assert advice.learning_rate is not None and advice.quality.ci95 is not None
        step = 2 * float(np.log2(advice.learning_rate))
        tested = fresh(name, optimizer, Point(int(advice.batch_size), step), int(advice.epochs.value))
        usual = fresh(name, optimizer, None, DEFAULT_EPOCHS)
        low, high = advice.quality.ci95
        apart = tested.paired_difference(usual)
        found |= {
            "advised": [advice.batch_size, advice.learning_rate, advice.epochs.value],
            "promise": [advice.quality.mean, low, high],
            "fresh": float(tested.values.mean()),
            "usual": float(usual.values.mean()),
            "apart": [apart.mean, *(apart.ci95 or (0.0, 0.0))],
            "span": float(np.mean(usual.baseline - usual.values)),
            "failed": tested.failures,
            "usual_failed": usual.failures,
        }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return found


def new_rows(kind: str) -> dict[str, Any]:
    """How many promises hold for new rows, and how many intervals of the seeds alone, of small tables."""
    path = FOLDER / f"rows-{kind}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept
    held, by_seeds, ratios, recommended = 0, 0, [], 0
    for number in range(TABLES):
        random = np.random.default_rng([7, number])

        def drawn(count: int, random: np.random.Generator = random) -> Any:
            x = random.normal(size=(count, 4)).astype(np.float32)
            return x, (x[:, 0] + random.normal(size=count) > 0).astype(int)

        (x, y), validation, many = drawn(160), drawn(40), drawn(4000)
        more: dict[str, Any] = {}
        if kind != "random":
            more = {"validation": validation} if kind == "file" else {"split": "chronological"}
        advice = advise(MLP(4), x, y, epochs=20, repeats=5, batch_size=16, progress=False, **more)
        recommended += advice.recommended
        # What came nearest makes a promise, too: of those that are recommended the luckiest are left.
        settings: dict[str, Any] = {"batch_size": 16, "epochs": int(advice.epochs.value)}
        assert advice.learning_rate is not None
        size = len(x) if kind == "file" else int(0.8 * len(x))
        run = fit(
            MLP(4), x[:size], y[:size], validation=many, repeats=10, seed=FIRST_SEED, progress=False,
            learning_rate=advice.learning_rate, **settings,
        )  # fmt: skip
        true = float(np.mean([run.curves.of(one).columns["validation.loss"][-1] for one in range(10)]))
        low, high = advice.quality.ci95 or (0.0, 0.0)
        held += low <= true <= high
        low, high = summarize(advice.quality.per_repeat).ci95 or (0.0, 0.0)
        by_seeds += low <= true <= high
        ratios.append(true / advice.quality.mean)
    found = {
        "kind": kind, "tables": TABLES, "recommended": recommended, "held": held, "by_seeds": by_seeds,
        "ratio": float(np.median(ratios)),
    }  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return found


def publish_rows() -> None:
    """The table of promises for new rows."""
    table = Table(
        "promises_rows",
        f"Promises for new rows (MLP 4, 160 rows, 5 repeats), {TABLES} tables of each kind",
        {
            "kind": "validation",
            "tables": "tables",
            "recommended": "recommended",
            "held": "promises that hold",
            "by_seeds": "intervals of the seeds alone that hold (negative control)",
            "ratio": "true over promised loss, median",
        },
        notes=["Of tables without a recommendation the promise of what came nearest counts, too."],
        timed=False,
    )
    table.rows += [new_rows(kind) for kind in KINDS]
    shared = table.rows[1:]
    for words, rows, name, aim in (
        ("promises that hold for new rows", table.rows, "held", 0.9),
        (
            "intervals of the seeds alone that hold, on shared rows (negative control)",
            shared,
            "by_seeds",
            0.6,
        ),
    ):
        share = sum(row[name] for row in rows) / sum(row["tables"] for row in rows)
        table.aims.append(Aim(f"share of {words}", share, aim, at_most=name == "by_seeds"))
    table.publish()


def main() -> None:
    table = Table(
        "promises",
        f"Advice (goal quality, MLP 64-64) on {FRESH} new seeds",
        {
            "table": "table",
            "optimizer": "optimizer",
            "advised": "advised batch, rate, epochs",
            "promise": "promised validation loss (95 %)",
            "fresh": "new seeds",
            "usual": "the defaults on them",
            "apart": "advice less defaults (95 %)",
            "failed": "new seeds that failed: advice, defaults",
        },
        notes=[
            "Failed: not finite, or worse than the baseline at the end.",
            "The defaults are read at the epoch, of 100, at which the other seeds are best: what keeping the "
            "weights of the best epoch gives on rows that did not choose it.",
        ],
        timed=False,
    )
    cells = [cell(name, optimizer) for name in (*BUNDLED, *GENERATED) for optimizer in OPTIMIZERS]
    noise = [cell(f"noise {number}", "adam") for number in range(NOISE)]
    told = [one for one in cells if one["recommended"]]
    for one in cells:
        row: dict[str, Any] = {"table": one["table"], "optimizer": one["optimizer"]}
        if one["recommended"]:
            size, rate, epochs = one["advised"]
            row |= {
                "advised": f"{size:g}, {rate:g}, {epochs:g}",
                "promise": "{:.3g} ({:.3g} to {:.3g})".format(*one["promise"]),
                "fresh": one["fresh"],
                "usual": one["usual"],
                "apart": "{:+.2g} ({:+.2g} to {:+.2g})".format(*one["apart"]),
                "failed": f"{one['failed']}, {one['usual_failed']}",
            }
        else:
            row["advised"] = "nothing"
        table.rows.append(row)
    held = [one["promise"][1] <= one["fresh"] <= one["promise"][2] for one in told]
    lower, higher = ([one for one in told if one["apart"][end] * sign > 0] for end, sign in ((2, -1), (1, 1)))
    worse = [one for one in higher if one["apart"][0] > NONINFERIORITY_MARGIN * one["span"]]
    table.notes.append(
        f"Of {len(told)} advices {len(lower)} are significantly better than the defaults, {len(higher)} "
        f"significantly worse, and {len(worse)} of those by more than the margin of non-inferiority "
        f"({NONINFERIORITY_MARGIN:.0%} of what the defaults gain on the baseline)."
    )
    gain = [-one["apart"][0] / one["span"] for one in told]
    table.aims += [
        Aim("tables of noise on which it abstains", sum(not one["recommended"] for one in noise), NOISE - 1),
        Aim("share of promises that hold", float(np.mean(held)), 0.95),
        Aim("recommendations significantly worse than the defaults, by more than the margin", len(worse), 0,
            at_most=True),
        Aim("recommendations significantly worse than the defaults, by any amount", len(higher), 1,
            at_most=True),
        Aim("median gain on the defaults, share of their gain on the baseline", float(np.median(gain)), 0.0),
        Aim("new seeds that failed, of all", sum(one["failed"] for one in told) / (FRESH * len(told)), 0.02,
            at_most=True),
    ]  # fmt: skip
    table.publish()
    publish_rows()


if __name__ == "__main__":
    if sys.argv[1:2] == ["rows"]:
        print(json.dumps(new_rows(sys.argv[2])))
    elif len(sys.argv) > 2:
        print(json.dumps(cell(sys.argv[1], sys.argv[2])))
    else:
        main()
