"""Law: a threshold is chosen on validation samples alone, is the best there, and serves unchanged after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as oracle

import epochal as ep
from epochal.errors import Refusal
from epochal.runs import load, load_record
from epochal.runs.per_class import confusion
from epochal.runs.threshold import apply_threshold, best_threshold


def worth(rule, true, taken):
    """What a rule makes greatest, from its definition."""
    sensitivity, specificity = taken[true].mean(), (~taken[~true]).mean()
    if rule == "f1":
        return 2 * (true & taken).sum() / (true.sum() + taken.sum())
    return sensitivity + specificity - 1 if rule == "youden" else (sensitivity + specificity) / 2


@given(
    st.sampled_from(["f1", "balanced_accuracy", "youden"]),
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.01, 0.2, 0.3, 0.30000000000000004, 0.7, 1.0]), st.booleans()),
        min_size=2,
        max_size=12,
    ).filter(lambda pairs: len({true for _, true in pairs}) == 2),
)
def test_no_threshold_is_better_on_the_samples_it_is_chosen_on(rule, pairs):
    shares, true = np.array([share for share, _ in pairs]), np.array([true for _, true in pairs])
    chosen = best_threshold(rule, shares, true)
    assert 0 < chosen < 1
    others = [each for each in {*shares, 1e-9, 0.1, 0.5, 0.9} if 0 < each < 1]
    best = max(worth(rule, true, shares > other) for other in others)
    assert worth(rule, true, shares > chosen) >= best - 1e-12


def test_of_equally_good_thresholds_the_one_nearest_to_one_half_is_taken():
    assert best_threshold("f1", [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == 0.5
    assert best_threshold("f1", [0.5, 0.5], [0, 1]) == 0.25, "all of them, since none would find nothing"
    assert best_threshold("balanced_accuracy", [0.2, 0.3, 0.4], [1, 0, 1]) == pytest.approx(0.35)


def test_the_counts_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    shares, true = random.uniform(size=50), random.integers(0, 2, 50)
    assert (
        confusion(true, (shares > 0.3).astype(int), 2) == oracle.confusion_matrix(true, shares > 0.3)
    ).all()


def test_test_samples_have_no_say_and_each_repeat_uses_its_own(binary_run):
    threshold, scores = binary_run.threshold, binary_run.scores
    held_out = scores["validation"]
    for value, shares, labels in zip(
        threshold.per_repeat.per_repeat, held_out.probabilities[..., 0], held_out.labels, strict=True
    ):
        assert value == best_threshold("f1", shares, labels == 1)
    again, done = apply_threshold("f1", {"validation": held_out}, "1")
    assert again == threshold, "without the test samples, the same"
    test = scores["test"]
    counts = [
        oracle.confusion_matrix(labels, shares > value)
        for value, shares, labels in zip(
            threshold.per_repeat.per_repeat, test.probabilities[..., 0], test.labels, strict=True
        )
    ]
    assert (test.confusion_at_threshold == np.stack(counts)).all()
    assert (done["validation"].confusion_at_threshold == held_out.confusion_at_threshold).all()
    for part in ("validation", "test"):
        both = binary_run.metrics[part], binary_run.at_threshold[part]
        assert both[1]["f1"].mean != both[0]["f1"].mean, "the case shows a difference"
    assert binary_run.at_threshold["validation"]["f1"].mean > binary_run.metrics["validation"]["f1"].mean


def test_predictions_exceed_the_mean_of_the_thresholds_on_average(binary_run, tmp_path):
    random = np.random.default_rng(5)
    inputs = random.normal(size=(500, 3)).astype(np.float32)
    found = binary_run.predict(inputs)
    margins = found.per_repeat[..., 1] - np.array(binary_run.threshold.per_repeat.per_repeat)[:, None]
    assert (found.labels == np.where(margins.mean(axis=0) > 0, 1, 0)).all()
    assert (found.labels != np.where(found.values[:, 1] > 0.5, 1, 0)).any(), "the case shows a difference"
    assert any("above a probability of" in note for note in found.notes)
    assert any(
        "not for these weights" in note for note in binary_run.predict(inputs, parameters="last").notes
    )
    binary_run.save(tmp_path / "run")
    kept = load(tmp_path / "run")
    assert kept.threshold == binary_run.threshold
    assert kept.at_threshold == binary_run.at_threshold
    assert (kept.predict(inputs).labels == found.labels).all()
    record = load_record(tmp_path / "run")
    (curve,), (wanted,) = record.precision_recall("test"), binary_run.precision_recall("test")
    assert (curve.mean == wanted.mean).all(), "probabilities are kept to the last bit"


def test_one_half_given_as_a_number_changes_nothing(binary_run):
    threshold, done = apply_threshold(0.5, binary_run.scores, "1")
    assert (threshold.rule, threshold.value) == ("given", 0.5)
    for scores in done.values():
        assert (scores.confusion_at_threshold == scores.confusion).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": "f2"}, 'unknown threshold "f2"; did you mean "f1"'),
        ({"threshold": 1}, "threshold must lie between 0 and 1"),
        ({"threshold": float("nan")}, "threshold must lie between 0 and 1"),
        ({"threshold": True}, "threshold must lie between 0 and 1"),
        ({"threshold": "f1", "validation": 0}, "chosen on validation samples, and validation=0 leaves none"),
        ({"threshold": 0.3, "task": "regression"}, "threshold must be left out except for two classes"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(options, words):
    data = np.ones((50, 2), np.float32), np.arange(50) % 2
    with pytest.raises(Refusal, match=words):
        ep.fit(ep.MLP(), data, epochs=1, **options)


def test_a_threshold_for_several_classes_is_refused():
    with pytest.raises(Refusal, match="got 'f1' for 4 classes"):
        ep.fit(ep.MLP(), (np.ones((40, 2), np.float32), np.arange(40) % 4), threshold="f1")
