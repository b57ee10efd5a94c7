"""Oracle: scikit-learn's figures of each class, and those of decisions, for each repeat."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from epochal.errors import Refusal
from epochal.models import METRICS
from epochal.run import load_record
from epochal.run.per_class import decided, most_confused, per_class

RANDOM = np.random.default_rng(2)


def repeats(classes, count=3, samples=80):
    """True and predicted classes of some repeats; one class is never predicted in the first."""
    true = RANDOM.integers(0, classes, (count, samples))
    wrong = RANDOM.uniform(size=true.shape) < 0.4
    predicted = np.where(wrong, RANDOM.integers(0, classes, true.shape), true)
    predicted[0][predicted[0] == classes - 1] = 0
    return true, predicted


@pytest.mark.parametrize("classes", [2, 5])
def test_figures_of_each_class(classes):
    true, predicted = repeats(classes)
    counts = np.stack([oracle.confusion_matrix(*pair) for pair in zip(true, predicted, strict=True)])
    found = per_class(counts, [f"class {k}" for k in range(classes)])
    wanted = [
        oracle.precision_recall_fscore_support(*pair, zero_division=0)
        for pair in zip(true, predicted, strict=True)
    ]
    for k, figures in enumerate(found.values()):
        for place, name in enumerate(("precision", "recall", "f1", "support")):
            of_repeats = [one[place][k] for one in wanted]
            summary = getattr(figures, name)
            assert summary.per_repeat == pytest.approx(of_repeats, abs=1e-12), name
            assert summary.sd == pytest.approx(np.std(of_repeats, ddof=1), abs=1e-12), name


def test_figures_of_decisions_are_those_of_the_metrics():
    true, predicted = repeats(2)
    counts = np.stack([oracle.confusion_matrix(*pair) for pair in zip(true, predicted, strict=True)])
    for name, values in decided(counts).items():
        metric = METRICS[name].function
        of_metric = [float(metric(p - 0.5, t, 2, np)) for t, p in zip(true, predicted, strict=True)]
        assert values == pytest.approx(of_metric, abs=1e-12), name


def test_the_most_confused_pairs_are_the_largest_counts_beside_the_diagonal():
    counts = np.array([[[9, 4, 0], [1, 9, 0], [2, 0, 9]], [[9, 2, 0], [3, 9, 0], [0, 0, 9]]])
    found = [(one.true, one.predicted, one.count.mean) for one in most_confused(counts, "abc")]
    assert found == [("a", "b", 3.0), ("b", "a", 2.0), ("c", "a", 1.0)]
    assert most_confused(counts, "abc", most=1)[0].share == pytest.approx(3 / 12)


def test_a_run_folder_gives_the_same_figures(tmp_path, binary_run):
    binary_run.save(tmp_path / "run")
    kept = load_record(tmp_path / "run")
    assert kept.per_class == binary_run.per_class
    assert set(kept.per_class) == {"validation", "test"}
    assert kept.most_confused("test") == binary_run.most_confused("test")
    with pytest.raises(Refusal, match="part must be one with classes"):
        kept.most_confused("train")


def test_figures_of_classes_have_a_spread_and_no_interval():
    """Student's would be of the repeats, which share rows, and not of new rows."""
    found = per_class(np.array([[[8, 2], [1, 4]], [[7, 3], [2, 3]]]), ("no", "yes"))["yes"]
    assert found.recall.sd == pytest.approx(np.std([0.8, 0.6], ddof=1)) and found.recall.ci95 is None
    assert str(found.recall) == "0.70 ± 0.14 (sd of 2 repeats)"
