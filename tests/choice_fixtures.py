"""What do the tests of comparisons and advice show? Hand-made ones, with each awkward value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from epochal.choose.advice.advice import Advice, AdviceUsage, ComparedSetting, Recommendation, Tried
from epochal.choose.comparison.comparison import Comparison, Regime, Row, Tuned, Usage
from epochal.choose.statistics.hyperbola import Hyperbola
from epochal.choose.statistics.noise_measurement import NoiseOverTraining
from epochal.choose.statistics.paired_test import difference
from epochal.choose.statistics.race import Dropped
from epochal.choose.statistics.time_to_target import ExpectedRunningTime
from epochal.choose.trials.timing import TimingCurve, UpdateTime
from epochal.curves import Curves, summarize


def two_batch_moments(small: int, big: int, square_small: float, square_big: float) -> tuple[float, float]:
    """tr(Σ) and |G|² from squared gradients at two batch sizes (McCandlish et al. 2018, appendix A.1)."""
    trace = (square_small - square_big) / (1 / small - 1 / big)
    return trace, (big * square_big - small * square_small) / (big - small)


EVIL = "<script>alert(1)</script>"
TRAIN = 512


def curves(size: int = 32, repeats: int = 5, epochs: int = 20, nan: bool = False) -> Curves:
    """Falling losses, a little apart by repeat; NaN after the start where training diverged."""
    batches = math.ceil(TRAIN / size)
    rng = np.random.default_rng(size)
    return Curves.from_rows(
        {
            "repeat": repeat, "epoch": float(epoch), "update": epoch * batches, "samples": epoch * TRAIN,
            "seconds": epoch * batches * seconds_of(size),
            "validation.loss": math.nan if nan and epoch else level + 0.02 * repeat + rng.normal(0, 0.01),
            "validation.accuracy": math.nan if nan and epoch else 1 - level / 2,
        }
        for repeat in range(repeats)
        for epoch in range(epochs + 1)
        for level in [0.2 + 0.002 * abs(math.log2(size) - 5) ** 2 + 0.6 * 0.8**epoch]
    )  # fmt: skip


def seconds_of(size: int) -> float:
    """An update takes 10 µs, and a tenth of that more for each sample."""
    return 1e-5 + 1e-6 * size


def row(name: str, size: int, values: Sequence[float], best: Sequence[float], **more: Any) -> Row:
    """One setting; `best` are the values of the setting that it is compared with."""
    batches = math.ceil(TRAIN / size)
    fields: dict[str, Any] = {
        "name": name,
        "axes": {"batch_size": size},
        "batch_size": size,
        "regime": "stochastic" if size == 1 else "batch" if size == TRAIN else "mini-batch",
        "learning_rate": 0.01 * math.sqrt(size),
        "repeats": len(values),
        "quality": summarize(values),
        "metrics": {"validation.accuracy": summarize([1 - value / 2 for value in values])},
        "best_epoch": summarize([12.0 + i for i in range(len(values))]),
        "epochs": 20.0,
        "updates": 20 * batches,
        "samples": 20 * TRAIN,
        "update_seconds": seconds_of(size),
        "seconds": 20 * batches * seconds_of(size),
        "updates_to_target": ExpectedRunningTime(
            900 / size + 60, 800 / size + 50, 1000 / size + 75, len(values), len(values)
        ),
        "noise": 0.02 / math.sqrt(size),
        "diverged": sum(not math.isfinite(value) for value in values),
        "difference": None if values is best else difference(best, values, a="batch 32", b=name),
        "dropped": None,
        "tuned": Tuned(0.01, ((0.001, 0.5, 1), (0.01, 0.2, 3), (0.1, math.nan, 1)), "", 3),
    }
    return Row(**(fields | more))


def hyperbola(**more: Any) -> Hyperbola:
    """Turns at batch size 15."""
    fields: dict[str, Any] = {
        "minimal_steps": 60.0, "minimal_samples": 900.0, "critical_batch_size": 15.0, "points": 5,
        "steps_ci95": (50.0, 70.0), "samples_ci95": (800.0, 1000.0), "critical_batch_size_ci95": (11.0, 22.0),
        "scatter": 0.1, "censored": 1,
    }  # fmt: skip
    return Hyperbola(**(fields | more))


def comparison(**more: Any) -> Comparison:
    """Five batch sizes: one best, one tied, one worse, one dropped, one diverged."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.02, 8)
    best = (0.21 + luck).tolist()
    rows = (
        row("batch 32", 32, best, best),
        row("batch 8", 8, (0.212 + luck + rng.normal(0, 0.01, 8)).tolist(), best),
        row(
            f"batch 512 {EVIL}", TRAIN, (0.29 + luck).tolist(), best,
            updates_to_target=ExpectedRunningTime(math.inf, 160.0, math.inf, 0, 8, within=(20.0, 20.0)),
            tuned=Tuned(0.1, ((0.01, 0.3, 1), (0.1, 0.29, 3)), f"the best rate is the highest {EVIL}", 3),
        ),
        row(
            "batch 128", 128, (0.34 + luck[:3]).tolist(), best,
            dropped=Dropped("batch 128", 3, f"worse than {EVIL} by 0.13"),
            updates_to_target=ExpectedRunningTime(70.0, 20.0, math.inf, 1, 3, within=(80.0, 80.0)),
        ),
        row(
            "batch 1", 1, [math.nan] * 3, best, noise=math.nan, learning_rate=None, tuned=None,
            updates_to_target=None,
            dropped=Dropped("batch 1", 3, "no finite value in any of 3 repeats"),
        ),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "answer": f"No significant difference between 8 and 32 {EVIL}.",
        "monitor": "validation.loss",
        "higher_is_better": False,
        "budget": "20 epochs each",
        "rows": rows,
        "recommended": "batch 32",
        "same": ("batch 32",),
        "best": "batch 32",
        "tied": ("batch 32", "batch 8"),
        "margin": 0.004,
        "baseline_not_beaten": None,
        "target_value": 0.26,
        "target_text": f"90 % of the way {EVIL}",
        "hyperbola": hyperbola(),
        "critical_batch_size_ci95": (11.0, 22.0),
        "regimes": (
            Regime("batch", rows[2].name), Regime("mini-batch", "batch 32"), Regime("stochastic", None),
        ),
        "curves": {one.name: curves(one.batch_size, one.repeats, nan=bool(one.diverged)) for one in rows},
        "timing": {"": timing()},
        "notes": (f"something {EVIL} happened.",),
        "usage": Usage(52, 123_456, 75.0),
        "data": data(),
        "settings": {"optimizer": EVIL, "model": {"kind": "mlp", "hidden": [16]}},
        "environment": environment(),
    }  # fmt: skip
    return Comparison(**(fields | more))


def single() -> Comparison:
    """One setting, one repeat, no target."""
    only = row(
        "batch 32", 32, [0.3], [0.3], difference=None, updates_to_target=None, tuned=None, noise=math.nan
    )
    return comparison(
        rows=(only,), recommended="batch 32", same=("batch 32",), tied=("batch 32",),
        target_value=None, target_text="", hyperbola=None, critical_batch_size_ci95=None,
        regimes=(), curves={"batch 32": curves(32, 1)}, notes=(),
    )  # fmt: skip


def all_diverged() -> Comparison:
    """Nothing trained to a finite loss."""
    nothing = [math.nan] * 3
    rows = tuple(
        row(f"batch {size}", size, nothing, nothing, difference=None, updates_to_target=None)
        for size in (8, 32)
    )
    return comparison(
        rows=rows, recommended="batch 8", best="batch 8", same=(), tied=(), target_value=None,
        hyperbola=None, critical_batch_size_ci95=None, regimes=(),
        curves={one.name: curves(one.batch_size, 3, nan=True) for one in rows},
    )  # fmt: skip


def many(count: int = 30) -> Comparison:
    """So many settings, two axes, all tied."""
    rng = np.random.default_rng(1)
    best = rng.normal(0.2, 0.01, 6).tolist()
    names = [f"batch {2 ** (i // 3)}, optimizer number {i % 3} with a long name" for i in range(count)]
    rows = tuple(
        row(
            name, 2 ** (i // 3), best if i == 0 else rng.normal(0.2, 0.01, 6).tolist(), best,
            axes={"batch_size": 2 ** (i // 3), "optimizer": i % 3},
        )
        for i, name in enumerate(names)
    )  # fmt: skip
    return comparison(
        rows=rows, recommended=names[0], same=(names[0],), best=names[0],
        tied=tuple(names), hyperbola=None, critical_batch_size_ci95=None, regimes=(),
        curves={one.name: curves(one.batch_size, 6) for one in rows},
    )  # fmt: skip


def timing() -> TimingCurve:
    """What `seconds_of` says."""
    sizes = (1, 4, 16, 64, 256, 512)
    return TimingCurve(tuple(UpdateTime(size, seconds_of(size), 0.1, 0.3, 1000) for size in sizes))


def data() -> dict[str, Any]:
    """What `describe_data` says."""
    return {
        "source": f"table {EVIL}.csv", "samples": 640, "target": EVIL, "notes": [f'column "{EVIL}" left out'],
        "sizes": {"train": TRAIN, "validation": 128, "test": 0}, "fingerprint": "00ff",
        "task": {"kind": "classification"},
    }  # fmt: skip


def environment() -> dict[str, Any]:
    return {"date": "2026-11-24T10:00:00+00:00", "device": f"cpu {EVIL}", "versions": {"jax": "0.10"}}


def tried(size: int, rate: float | None, took: float, **more: Any) -> Tried:
    """A setting with an interval from 0.8 to 1.3 times its cost in seconds."""
    each = took / seconds_of(size)
    fields: dict[str, Any] = {
        "batch_size": size, "learning_rate": rate, "repeats": 10,
        "updates_to_target": ExpectedRunningTime(each, 0.8 * each, 1.3 * each, 10, 10),
        "value": (took, 0.8 * took, 1.3 * took), "effect": (took / 0.01, 0.8 * took / 0.01, took / 0.007),
        "tied": took < 0.013,
    }  # fmt: skip
    return Tried(**(fields | more))


def advice(**more: Any) -> Advice:
    """Take 64; 16 to 128 can't be told apart; 512 never got there."""
    never = ExpectedRunningTime(math.inf, 5000.0, math.inf, 0, 10, within=(500.0, 500.0))
    endless = (math.inf, 20.0, math.inf)
    fields: dict[str, Any] = {
        "answer": f"Take batch size 64, learning rate 0.12 and 40 epochs {EVIL}.",
        "recommended": True,
        "goal": "time",
        "batch_size": 64,
        "learning_rate": 0.12,
        "epochs": Recommendation(40, 25, 60, f"checked {EVIL}"),
        "optimizer": "sgd",
        "monitor": "validation.loss",
        "higher_is_better": False,
        "target_value": 0.25,
        "target_text": f"within 2 % of the best {EVIL}",
        "quality": summarize([0.21, 0.22, 0.2, 0.23]),
        "metrics": {"validation.accuracy": summarize([0.9, 0.91, 0.92, 0.9])},
        "defaults": ComparedSetting(
            32, 0.01, 100, summarize([0.22, 0.24, 0.2, 0.23]), summarize([-0.01, -0.02, 0.0, 0.0]), 0
        ),
        "failures": 0,
        "seconds": 0.02,
        "best_epochs": (25.0, 33.0, 38.0, 40.0, 41.0, 44.0, 48.0, 60.0, 100.0, math.nan),
        "improving": (False,) * 8 + (True, False),
        "tried": (
            tried(4, 0.03, 0.05),
            tried(16, 0.06, 0.012),
            tried(64, 0.06, 0.014),
            tried(64, 0.12, 0.01, tied=True, effect=(1.0, 1.0, 1.0)),
            tried(128, 0.25, 0.0115, value=(0.0115, 0.006, math.inf)),
            tried(512, 0.5, 0.2, updates_to_target=never, value=(math.inf, 0.26, math.inf), effect=endless),
        ),
        "timing": timing(),
        "noise": NoiseOverTraining(45.0, 20.0, 90.0, 30, 1, 3),
        "noise_text": "",
        "theory": Recommendation(50, 24, 110),
        "decided_by": f"The noise scale suggests 50 {EVIL}; the measured trainings agree",
        "curves": curves(64, 10, 100),
        "notes": (f"1 of 10 repeats was still improving {EVIL}.",),
        "usage": AdviceUsage(120, 54_321, 12.5, 33.0, 0.021, "11 sizes × 9 rates × 10 repeats, 100 epochs"),
        "data": data(),
        "settings": {"model": {"kind": "mlp", "hidden": [16]}, "loss": EVIL},
        "environment": environment(),
    }  # fmt: skip
    return Advice(**(fields | more))


def bare_advice() -> Advice:
    """Nothing but what must be: no rate, no noise, no end of the epochs, nothing reached."""
    never = ExpectedRunningTime(math.inf, 500.0, math.inf, 0, 2, within=(100.0, 400.0))
    only = tried(32, None, 1.0, updates_to_target=never, value=(math.inf, 0.02, math.inf), repeats=2)
    return replace(
        advice(),
        learning_rate=None, epochs=Recommendation(1000, 900, math.inf, "still improving at epoch 1,000"),
        batch_size=32, noise=None,
        noise_text=f"batch normalization {EVIL}",
        theory=None, decided_by="", notes=(), tried=(only,), best_epochs=(math.nan, math.nan),
        improving=(False, False), quality=summarize([math.nan] * 2), metrics={}, optimizer="Optax object",
        curves=Curves.empty(["validation.loss"]), timing=TimingCurve(timing().points[:1]),
    )  # fmt: skip
