"""Oracle: scikit-learn's scorers, and NumPy, for metrics of one's own, wherever they are evaluated."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.metrics import get_scorer, make_scorer

import epochal as ep
from epochal.common.metric_names import higher_is_better
from epochal.training.prepared import Prepared
from epochal.training.repeat_stacks import RepeatStacks
from helpers import assert_same_bits

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(90, 4)).astype(np.float32)
WORDS = np.array(["no", "yes"])[(X[:, 0] + X[:, 1] ** 2 > 0.6).astype(int)]
NUMBERS = (X @ [3.0, 1.0, 0.0, 0.5] + 400 + RANDOM.normal(size=90)).astype(np.float32)
COUNTS = np.digitize(X[:, 0], [-0.5, 0.5]) * 9 + 2
"""Three classes, 2, 11 and 20, whose order as text is another one."""


def compiled(outputs, targets):
    return jnp.mean((outputs > 0) == targets)


def column(outputs, targets):
    return jnp.mean((outputs[:, 0] > 0) == targets)


def on_host(outputs, targets):
    assert isinstance(outputs, np.ndarray)
    return np.mean((outputs > 0) == targets)


def percent(outputs, targets):
    """Relative error, which knows the offset of the target."""
    return jnp.mean(jnp.abs((outputs - targets) / targets))


def worst(outputs, targets):
    return float(np.abs(outputs - targets).max())


F2 = make_scorer(oracle.fbeta_score, beta=2, pos_label="yes")
OWN = [
    "accuracy",
    "roc_auc",
    compiled,
    column,
    ("host", on_host),
    {"f2": F2},
    "sklearn:roc_auc",
    get_scorer("neg_log_loss"),
]
SMALL = {"epochs": 4, "learning_rate": 0.03, "seed": 3}


@pytest.fixture(scope="module")
def words():
    return ep.fit(ep.MLP(4), (X, WORDS), metrics=OWN, monitor="validation.f2", repeats=2, **SMALL)


def test_own_metrics_are_those_of_scikit_learn_and_of_epochal(words):
    for part in ("train", "validation"):
        curve = {name: words.curves.columns[f"{part}.{name}"] for name in ("accuracy", "compiled", "column")}
        for name in ("compiled", "column"):
            np.testing.assert_allclose(curve[name], curve["accuracy"], atol=1e-6)
        for own, known, sign in (
            ("host", "accuracy", 1),
            ("sklearn:roc_auc", "roc_auc", 1),
            ("neg_log_loss", "loss", -1),
        ):
            found, wanted = (words.curves.columns[f"{part}.{name}"] for name in (own, known))
            np.testing.assert_allclose(found, sign * wanted, atol=1e-5)
    scores = words.scores["validation"]
    true, chosen = scores.labels[0], scores.probabilities[0, :, 0] > 0.5
    found = words.metrics["validation"]
    assert found["f2"].per_repeat[0] == pytest.approx(oracle.fbeta_score(true, chosen, beta=2))
    assert found["neg_log_loss"].mean == pytest.approx(-found["loss"].mean, abs=1e-6)
    assert found["compiled"].mean == pytest.approx(found["accuracy"].mean, abs=1e-6)


def test_one_of_them_decides_which_parameters_are_the_best(words):
    for outcome in words.outcomes:
        curve = words.curves.of(outcome.repeat)
        assert outcome.best_epoch == curve.epoch[np.argmax(curve.columns["validation.f2"])]
    assert words.settings["monitor"] == "validation.f2"


def test_regression_metrics_are_in_the_units_of_the_target():
    own = [("percent", percent), ("worst", worst), "sklearn:neg_mean_absolute_percentage_error"]
    own = [ep.metric(percent, greater_is_better=False), *own[1:], "sklearn:r2", "r2"]
    rule = ep.TargetValue(0.0, "validation.percent")
    run = ep.fit(
        ep.MLP(4),
        (X, NUMBERS),
        metrics=own,
        monitor="validation.percent",
        stop=rule,
        standardize=True,
        **SMALL,
    )
    rows = run.split_codes[0] == 2
    predicted = run.predict(X[rows], parameters="last").values[:, 0]
    wanted = oracle.mean_absolute_percentage_error(NUMBERS[rows], predicted)
    last = {name: column[-1] for name, column in run.curves.columns.items()}
    assert last["validation.percent"] == pytest.approx(wanted, rel=1e-4)
    assert last["validation.sklearn:neg_mean_absolute_percentage_error"] == pytest.approx(-wanted, rel=1e-4)
    assert last["validation.worst"] == pytest.approx(np.abs(predicted - NUMBERS[rows]).max(), rel=1e-4)
    assert last["validation.sklearn:r2"] == pytest.approx(last["validation.r2"], abs=1e-4)
    assert run.outcomes[0].best_epoch == np.argmin(run.curves.columns["validation.percent"])
    assert not higher_is_better("validation.percent")


def test_scorers_of_several_classes_and_of_labels():
    several = ep.fit(
        ep.MLP(4), (X, COUNTS), metrics=["accuracy", "sklearn:accuracy", "sklearn:roc_auc_ovr"], **SMALL
    )
    scores = several.scores["validation"]
    found = several.metrics["validation"]
    wanted = oracle.roc_auc_score(scores.labels[0], scores.probabilities[0], multi_class="ovr")
    assert found["sklearn:roc_auc_ovr"].mean == pytest.approx(wanted)
    assert found["sklearn:accuracy"].mean == found["accuracy"].mean

    labels = np.stack([X[:, 0] > 0, X[:, 1] > 0.3], axis=1).astype(int)
    own = ["exact_match", "f1_macro", "average_precision_macro", "sklearn:accuracy", "sklearn:f1_macro"]
    run = ep.fit(ep.MLP(4), (X, labels), metrics=[*own, "sklearn:average_precision"], **SMALL)
    found = {name: one.mean for name, one in run.metrics["validation"].items()}
    assert found["sklearn:accuracy"] == pytest.approx(found["exact_match"])
    assert found["sklearn:f1_macro"] == pytest.approx(found["f1_macro"])
    assert found["sklearn:average_precision"] == pytest.approx(found["average_precision_macro"])


def test_on_the_host_the_training_is_the_same_in_parts_vmapped_and_streamed(tmp_path, monkeypatch):
    own = {"metrics": ["accuracy", ("host", on_host)], "monitor": "validation.host"}
    own["metrics"][1] = ep.metric(on_host, "host", greater_is_better=True)
    run = ep.fit(ep.MLP(4), (X, WORDS), **SMALL, repeats=2, **own)
    plain = ep.fit(ep.MLP(4), (X, WORDS), **SMALL, repeats=2, monitor="validation.accuracy")
    assert_same_bits([one.last for one in run.fitted], [one.last for one in plain.fitted])
    assert [one.best_epoch for one in run.outcomes] == [one.best_epoch for one in plain.outcomes]

    ep.fit(ep.MLP(4), (X, WORDS), **SMALL | {"epochs": 2}, repeats=2, out=tmp_path / "run", **own)
    with pytest.raises(ep.Refusal, match=r"metrics .*host"):
        ep.resume(tmp_path / "run", data=(X, WORDS), epochs=4)
    on = ep.resume(tmp_path / "run", data=(X, WORDS), epochs=4, metrics=own["metrics"])
    assert_same_bits(
        [(one.best, one.last) for one in on.fitted], [(one.best, one.last) for one in run.fitted]
    )
    for name, column in run.curves.columns.items():
        np.testing.assert_array_equal(on.curves.columns[name], column, err_msg=name)
    loaded = ep.load(tmp_path / "run")
    assert loaded.settings["own_metrics"] == {"host": "higher is better"}
    assert "host" in loaded.metrics["validation"]

    streamed = ep.fit(ep.MLP(4), (X, WORDS), **SMALL, repeats=2, stream=True, evaluate_train=True, **own)
    monkeypatch.setattr(Prepared, "stacks", property(lambda _: RepeatStacks((range(2),), ((),), 1)))
    together = ep.fit(ep.MLP(4), (X, WORDS), **SMALL, repeats=2, **own)
    for other in (streamed, together):
        for name in ("train.host", "validation.host", "validation.loss"):
            np.testing.assert_allclose(
                other.curves.columns[name], run.curves.columns[name], atol=2e-5, err_msg=name
            )


def test_a_metric_that_fails_later_is_nan_and_said():
    calls = []

    def fails(outputs, targets):
        calls.append(len(targets))
        if len(calls) > 3:
            raise ZeroDivisionError("no luck")
        return np.asarray(outputs).mean()

    with pytest.warns(RuntimeWarning, match="the metric fails raised ZeroDivisionError: no luck"):
        run = ep.fit(ep.MLP(4), (X, WORDS), metrics=[fails], **SMALL)
    assert np.isnan(run.curves.columns["validation.fails"][-1])


def figure(outputs, targets):
    return jnp.mean(outputs)


WRONG = {
    "direction": ({"metrics": [figure], "monitor": "validation.figure"}, "whether a higher figure is better"),
    "rule": (
        {"metrics": [figure], "stop": ep.Patience(3, monitor="train.figure")},
        "whether a higher figure",
    ),
    "no name": ({"metrics": [lambda outputs, targets: 0.0]}, "needs one: metrics=.*name"),
    "known name": ({"metrics": [("accuracy", figure)]}, "epochal's own; give yours another name"),
    "twice": ({"metrics": [figure, figure]}, 'differ in their names; got "figure" twice'),
    "arguments of scikit-learn": ({"metrics": [oracle.f1_score]}, "make_scorer.f1_score"),
    "no scorer": ({"metrics": ["sklearn:roc_acu"]}, 'unknown scorer of scikit-learn "roc_acu"; did you mean'),
    "not one number": ({"metrics": [("each", lambda o, t: o - t)]}, "must give one number for all samples"),
    "raises": (
        {"metrics": [("bad", lambda o, t: o.nothing)]},
        "bad must be a function .outputs, targets.*raised",
    ),
    "no metric": ({"metrics": [3]}, "must be a function .outputs, targets. or a scorer; got 3"),
    "column": ({"metrics": [figure], "monitor": "validation.figures"}, 'did you mean "validation.figure"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_metric_is_refused(name):
    options, sentence = WRONG[name]
    with pytest.raises(ep.Refusal, match=sentence):
        ep.fit(ep.MLP(4), (X, WORDS), epochs=1, **options)
