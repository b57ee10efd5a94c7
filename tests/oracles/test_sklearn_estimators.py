"""The estimators within scikit-learn: its checks, grids, pipelines, ensembles, calibration, pickles."""

from __future__ import annotations

import io
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import epochal as ep
from epochal.adapters.sklearn import EpochalClassifier, EpochalRegressor

WEIGHTS = "mini-batches see weights, not repeated samples; on a full batch they agree but for rounding"


def exempt(estimator):
    return {f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS for kind in ("dense", "sparse")}


@parametrize_with_checks(
    [EpochalClassifier(epochs=30), EpochalRegressor(epochs=30)], expected_failed_checks=exempt
)
def test_the_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize("kind", [EpochalClassifier, EpochalRegressor])
def test_a_weight_is_a_number_of_copies_in_a_full_batch(kind):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(30, 3)), random.integers(0, 2, 30)
    weights = random.integers(0, 4, 30)
    options = {"batch_size": "full", "optimizer": "sgd", "learning_rate": 0.1, "epochs": 50}
    weighed = kind(standardize=False, **options).fit(X, y, sample_weight=weights)
    copied = kind(standardize=False, **options).fit(np.repeat(X, weights, 0), np.repeat(y, weights))
    outputs = [getattr(one, "predict_proba", one.predict)(X) for one in (weighed, copied)]
    np.testing.assert_allclose(*outputs, rtol=2e-5)


def test_the_options_are_those_of_a_training():
    names = set(EpochalClassifier().get_params())
    assert {"model", "batch_size", "epochs", "repeats", "validation", "patience", "random_state"} <= names
    assert not {"seed", "task", "stream"} & names
    with pytest.raises(TypeError, match="batchsize"):
        EpochalClassifier(batchsize=8)
    with pytest.raises(ep.Refusal, match="batch_size"):
        EpochalClassifier(batch_size=0).fit(*load_iris(return_X_y=True))


def test_classes_keep_their_type_and_the_run_is_at_hand():
    X, y = load_iris(return_X_y=True)
    names = load_iris().target_names[y]
    found = EpochalClassifier(epochs=60, learning_rate=0.02, validation=0.2, patience=20, repeats=2).fit(
        X, names
    )
    assert set(found.predict(X)) <= set(names) and (found.predict(X) == names).mean() > 0.9
    assert found.run_.repeats == 2 and "validation" in found.run_.metrics
    assert found.n_iter_ <= 60 and found.classes_.tolist() == sorted(set(names))
    with pytest.raises(NotFittedError):
        EpochalClassifier().predict(X)


def test_a_frame_with_categories_and_gaps_goes_through_a_pipeline():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"size": random.normal(size=200), "color": random.choice(["red", "blue", "green"], 200)}
    )
    frame.loc[::17, "color"] = None
    y = np.where((frame["color"] == "red") | (frame["size"] > 1), "yes", "no")
    pipeline = make_pipeline(EpochalClassifier(ep.MLP(16), epochs=60, learning_rate=0.02))
    scores = cross_val_score(pipeline, frame, y, cv=3)
    assert scores.mean() > 0.9
    fitted = pipeline.fit(frame, y)
    assert list(fitted[-1].feature_names_in_) == ["size", "color"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["color", "size"]])


def test_a_grid_search_a_stack_and_a_calibration():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:200], y[:200]
    grid = {"batch_size": [8, 32], "model": [ep.MLP(4), ep.MLP(8)]}
    search = GridSearchCV(EpochalClassifier(epochs=10, learning_rate=0.01), grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.9 and set(search.best_params_) == set(grid)
    network = EpochalClassifier(ep.MLP(8), epochs=20, learning_rate=0.01)
    stack = StackingClassifier([("net", network), ("linear", LogisticRegression(max_iter=5000))], cv=3)
    assert make_pipeline(StandardScaler(), stack).fit(X, y).score(X, y) > 0.95
    calibrated = CalibratedClassifierCV(network, cv=3).fit(X, y)
    assert calibrated.predict_proba(X).shape == (200, 2)


def test_copies_and_pickles_predict_the_same():
    X, y = load_diabetes(return_X_y=True)
    found = EpochalRegressor(ep.MLP(8), epochs=5, random_state=3).fit(X, y)
    again = clone(found).fit(X, y)
    np.testing.assert_array_equal(found.predict(X), again.predict(X))
    file = io.BytesIO()
    joblib.dump(found, file)
    np.testing.assert_array_equal(joblib.load(io.BytesIO(file.getvalue())).predict(X), found.predict(X))
    other = clone(found).set_params(random_state=np.random.RandomState(1)).fit(X, y)
    assert not np.array_equal(other.predict(X), found.predict(X))


def test_several_targets_labels_and_a_scaled_target():
    X, y = load_diabetes(return_X_y=True)
    both = EpochalRegressor(ep.MLP(8), epochs=5).fit(X, np.stack([y, -y], axis=1))
    assert both.predict(X).shape == (442, 2)
    scaled = TransformedTargetRegressor(
        EpochalRegressor(ep.MLP(8), epochs=40, learning_rate=0.01), func=np.log, inverse_func=np.exp
    )
    assert scaled.fit(X, y).score(X, y) > 0.3
    X, labels = make_multilabel_classification(200, random_state=0)
    found = EpochalClassifier(ep.MLP(16), epochs=40, learning_rate=0.01).fit(X, labels)
    assert found.predict(X).shape == labels.shape and (found.predict(X) == labels).mean() > 0.85


def test_predictions_out_of_fold_are_of_each_sample():
    X, y = load_iris(return_X_y=True)
    found = cross_val_predict(
        EpochalClassifier(epochs=40, learning_rate=0.02), X, y, cv=3, method="predict_proba"
    )
    assert found.shape == (150, 3) and (found.argmax(1) == y).mean() > 0.9
