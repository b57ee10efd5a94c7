"""Oracle: scikit-learn's precision-recall curve and average precision, step by step, with ties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from epochal.curves import precision_recall
from epochal.curves.precision_recall import steps

RANDOM = np.random.default_rng(3)


def case(samples=70, ties=False):
    positive = RANDOM.uniform(size=samples) < 0.2
    scores = positive + RANDOM.normal(size=samples)
    return (np.round(scores, 1) if ties else scores), positive


@pytest.mark.parametrize("ties", [False, True])
def test_every_step_is_that_of_scikit_learn(ties):
    for _ in range(20):
        scores, positive = case(ties=ties)
        found = steps(scores, positive)
        precision, recall, thresholds = oracle.precision_recall_curve(positive, scores)
        # scikit-learn keeps what lies below the threshold that first finds everything, as we do.
        np.testing.assert_allclose(found.precision, precision, atol=1e-12)
        np.testing.assert_allclose(found.recall, recall, atol=1e-12)
        np.testing.assert_array_equal(found.thresholds, thresholds)
        assert found.area == pytest.approx(oracle.average_precision_score(positive, scores), abs=1e-12)


def test_the_mean_curve_has_the_mean_area_and_every_repeat_is_in_it():
    pairs = [case() for _ in range(5)]
    found = precision_recall("yes", *zip(*pairs, strict=True))
    area = float(np.sum(np.diff(np.concatenate([[0.0], found.recall])) * found.mean))
    areas = [oracle.average_precision_score(positive, scores) for scores, positive in pairs]
    assert area == pytest.approx(np.mean(areas), abs=1e-12)
    assert found.average_precision.per_repeat == pytest.approx(areas, abs=1e-12)
    assert found.base_rate == pytest.approx(np.mean([positive.mean() for _, positive in pairs]))
    assert found.recall[-1] == 1
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_many_places_are_thinned_and_a_class_without_samples_has_no_curve():
    scores, positive = case(samples=3000)
    found = precision_recall("yes", [scores], [positive], most=50)
    assert len(found.recall) == 50
    assert found.mean == pytest.approx(found.repeats[0].at(found.recall))
    assert np.isnan(found.low).all(), "one repeat has no interval"
    assert precision_recall("yes", [scores, scores], [positive, ~(positive | True)]) is None
    broken = precision_recall("yes", [scores, scores * np.nan], [positive, positive])
    assert len(broken.repeats) == 1, "what is not a number is left out"


def test_a_run_draws_the_curves_that_its_average_precision_is_the_area_of(binary_run, tmp_path):
    for part in ("validation", "test"):
        (found,) = binary_run.precision_recall(part)
        wanted = binary_run.metrics[part]["average_precision"]
        assert found.name == "1"
        assert found.average_precision.per_repeat == pytest.approx(wanted.per_repeat, abs=1e-9)
    figure = binary_run.plot_precision_recall(tmp_path / "picture.png", style="dark")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    said = {text.get_text() for axes in figure.axes for text in axes.texts}
    summary = binary_run.metrics["test"]["average_precision"]
    assert (
        f"test: average precision {summary.format_value(summary.mean)} ± {summary.format_value(summary.sd)}"
        in said
    )
