"""Law: a verdict does not depend on how long a training went on after its minimum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import epochal as ep
from epochal.curves import Curves, Verdict, judge

Floats = NDArray[np.float64]

CHANCE = "no significant difference from chance"
HORIZONS = (300, 1_000, 3_000, 10_000)
SAMPLES = 260


def drawn(kind: str, repeats: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Training and validation loss of epochs 0 to 10,000, and the baseline of each repeat."""
    t, shape = np.arange(HORIZONS[-1] + 1.0), (repeats, HORIZONS[-1] + 1)
    minimum, turn = rng.uniform(0.3, 0.7), rng.uniform(2, 40) * np.exp(rng.normal(0, 0.2, (repeats, 1)))
    fall = np.exp(-3 * t / turn) * np.ones(shape)
    training = 0.01 + np.exp(-t / (2 * turn))
    validation = minimum + (1 - minimum) * fall
    if kind == "overfitting":
        climb = np.sqrt(t / turn) - 1 if rng.random() < 0.5 else np.log(np.maximum(t, 1) / turn)
        validation += minimum * rng.uniform(0.3, 1.5) * np.where(t > turn, climb, 0)
    elif kind == "good fit":
        training = 0.8 * minimum + (1 - 0.8 * minimum) * fall
    else:
        validation = 1 + 0.1 * fall + (rng.random() < 0.5) * rng.uniform(0.1, 1) * np.log1p(t / 50)
        training = 0.9 + 0.2 * fall
    scatter = rng.normal(0, rng.uniform(0.004, 0.02), shape)
    scatter[:, 1:] += 0.7 * scatter[:, :-1]
    baseline = np.exp(rng.normal(0, 0.5 / np.sqrt(SAMPLES), repeats))
    return training, validation * (1 + scatter) * baseline[:, None], baseline


def judged(
    training: Floats, validation: Floats, baseline: Floats, epochs: int, samples: int = SAMPLES
) -> Verdict:
    """The verdict on the first epochs."""
    repeat, at = np.indices((len(baseline), epochs + 1)).reshape(2, -1)
    columns = {name: column[:, : epochs + 1].ravel() for name, column in (
        ("train.loss", training), ("validation.loss", validation))}  # fmt: skip
    return judge(
        Curves(repeat, at, at * 10, at * 100, at * 0.01, columns),
        baseline={"validation.loss": baseline, "train.loss": np.ones(len(baseline))},
        validation_samples=samples,
        training_samples=4 * samples,
        settings={"loss": "log_loss"},
    )


def kinds(kind: str, repeats: int, curves: int = 8) -> Iterator[list[str]]:
    """What is said of each of some curves, with each horizon."""
    rng = np.random.default_rng([len(kind), repeats])
    for _ in range(curves):
        case = drawn(kind, repeats, rng)
        yield [judged(*case, epochs).kind for epochs in HORIZONS]


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_overfitting_stays_overfitting(repeats: int) -> None:
    for said in kinds("overfitting", repeats):
        assert set(said) == {"overfitting"}


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_what_was_learned_never_becomes_chance(repeats: int) -> None:
    for said in kinds("good fit", repeats):
        assert CHANCE not in said and "overfitting" not in said


def test_noise_stays_noise() -> None:
    said = [kind for repeats in (1, 2, 5) for each in kinds("noise", repeats) for kind in each]
    assert said.count(CHANCE) >= 0.97 * len(said)
    assert set(said) <= {CHANCE, "still improving"}


def test_with_a_window_that_is_a_share_of_the_whole_curve_it_would_depend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def smoothed(row: Floats) -> Floats:
        kernel = np.ones(row.size // 20)
        return np.convolve(row, kernel, "same") / np.convolve(np.ones(row.size), kernel, "same")

    monkeypatch.setattr("epochal.curves.statistics.smoothed", smoothed)
    said = list(kinds("overfitting", 5, 4))
    assert all(each[0] == "overfitting" for each in said)
    assert CHANCE in [each[-1] for each in said]


def test_a_training_that_went_on_and_on_is_overfitting_all_along() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(200, 6))
    y = (2 * X[:, 0] + X[:, 1] + rng.normal(0, 1.5, 200) > 0).astype(int)
    model = ep.MLP(32)
    run = ep.fit(model, X, y, epochs=600, batch_size=32, learning_rate=0.01, repeats=2, progress=False)
    assert run.curves.best().median_epoch < 30
    _, training = run.curves.values("train.loss")
    _, validation = run.curves.values("validation.loss")
    baseline = np.asarray(run.baseline["validation.loss"])
    for epochs in (100, 200, 600):
        assert judged(training, validation, baseline, epochs, samples=40).kind == "overfitting"
    assert run.verdict.kind == "overfitting"
