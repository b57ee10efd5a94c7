"""Laws of what is declared in one place: an optimizer, a metric and a stopping rule of a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import epochal as ep
from epochal import stopping
from epochal.cli.main import main
from epochal.engine import optimizers
from epochal.engine.rules import Observation, Rule
from epochal.models import METRICS, metrics

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(120, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RANDOM.normal(size=120)).astype(np.float32)


def median_error(outputs: Any, targets: Any, classes: int, xp: Any) -> Any:
    return xp.median(xp.abs(outputs.reshape(targets.shape) - targets))


def test_a_metric_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    error = {"bounds": (0.0, np.inf), "in_target_units": True, "greater_is_better": False}
    entry = metrics.Metric("median_error", median_error, ("regression",), **error)
    monkeypatch.setitem(METRICS, "median_error", entry)
    options: dict[str, Any] = {"metrics": ["median_error"], "monitor": "validation.median_error", "test": 0.2}
    run = ep.fit(ep.MLP(4), X, Y, epochs=5, repeats=2, progress=False, **options)
    scores = run.scores["test"].metrics["median_error"]
    assert scores.ci95 is not None and scores.ci95[0] <= scores.mean <= scores.ci95[1]
    assert "median_error" in run.evaluate(X[:30], Y[:30]).metrics
    page = run.report(tmp_path / "page.html")
    assert "median error" in page.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Learned(Rule):
    """Stop when the training loss is low."""

    below: float

    def metric_names(self) -> tuple[str, ...]:
        return ("train.loss",)

    def init(self) -> Any:
        return jnp.float32(0)

    def step(self, state: Any, observation: Observation) -> Any:
        return observation.metrics["train.loss"].astype(jnp.float32), observation.metrics[
            "train.loss"
        ] < self.below

    def reason(self, state: Any) -> str:
        return f"training loss {float(state):.2g}"

    def describe(self) -> str:
        return f"train.loss below {self.below:g}"


def test_a_rule_is_a_class_and_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setitem(stopping.RULES, "learned", Learned)
    options: dict[str, Any] = {"epochs": 300, "learning_rate": 0.02, "stop": Learned(0.05)}
    run = ep.fit(ep.MLP(8), X, Y, out=tmp_path / "run", progress=False, **options)
    assert run.outcomes[0].epochs < 300 and "training loss" in run.outcomes[0].stopped
    again = ep.load(tmp_path / "run")
    assert again.outcomes == run.outcomes and again.settings["stop"] == run.settings["stop"]


def test_an_optimizer_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Any) -> None:
    monkeypatch.setitem(
        optimizers.OPTIMIZERS, "nadamw", optimizers._Named(optax.nadamw, 1e-3, elementwise=True)
    )
    words = ["train", "example:iris", "--optimizer", "nadamw", "--epochs", "2"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert "nadamw at 0.001" in capsys.readouterr().out
