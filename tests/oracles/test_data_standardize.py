"""Oracle: scikit-learn's SimpleImputer and StandardScaler, fitted on the training rows only."""

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from epochal.data import fit_scaling, fit_target_scaling


def table(seed=0, rows=5000, columns=7, holes=0.1):
    random = np.random.RandomState(seed)
    inputs = (random.normal(size=(rows, columns)) * 10.0 ** np.arange(-3, columns - 3) + 40).astype(
        np.float32
    )
    inputs[random.uniform(size=inputs.shape) < holes] = np.nan
    train = np.sort(random.permutation(rows)[: rows // 2])
    return inputs, train


@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_it_equals_scikit_learn(holes):
    inputs, train = table(holes=holes)
    scaling = fit_scaling(inputs, np.ones(7, bool), train)
    oracle = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(
        inputs[train].astype(float)
    )
    np.testing.assert_allclose(scaling.center, oracle[-1].mean_, rtol=1e-6)
    np.testing.assert_allclose(
        scaling.inverse_scale, 1 / oracle[-1].scale_, rtol=1e-5 if holes else 1e-6
    )  # medians are float32
    if holes:
        np.testing.assert_array_equal(scaling.impute, oracle[0].statistics_.astype(np.float32))
    # float32 at 40 has a resolution of 4e-6, and the first column a deviation of 1e-3
    np.testing.assert_allclose(
        scaling.apply(inputs)[:, 1:], oracle.transform(inputs)[:, 1:], atol=2e-3, rtol=1e-5
    )


def test_blocks_change_nothing(monkeypatch):
    inputs, train = table()
    whole = fit_scaling(inputs, np.ones(7, bool), train)
    applied = whole.apply(inputs)
    monkeypatch.setattr("epochal.data.standardize._BLOCK_VALUES", 700)
    blocks = fit_scaling(inputs, np.ones(7, bool), train)
    np.testing.assert_allclose(whole.center, blocks.center, rtol=1e-7)
    np.testing.assert_array_equal(whole.apply(inputs), applied)


def test_other_rows_do_not_leak():
    inputs, train = table()
    before = fit_scaling(inputs, np.ones(7, bool), train)
    rest = np.setdiff1d(np.arange(len(inputs)), train)
    inputs[rest] = np.random.RandomState(1).normal(1e6, 1e6, (len(rest), 7))
    after = fit_scaling(inputs, np.ones(7, bool), train)
    for name in ("impute", "center", "inverse_scale"):
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes()


def test_columns_that_are_not_continuous_stay_and_constant_ones_say_nothing():
    inputs = np.float32([[1, 0, 5, 0], [2, 1, 5, 0], [3, 0, 5, 0], [9, 1, 7, 1]])
    scaling = fit_scaling(inputs, np.array([True, False, True, False]), np.arange(3))
    assert scaling.center.tolist() == [2, 0, 5, 0]
    np.testing.assert_allclose(scaling.inverse_scale, [1.2247449, 1, 0, 0], rtol=1e-6)
    assert scaling.apply(inputs)[3].tolist()[1:] == [1, 0, 0]


def test_a_value_missing_only_in_new_rows_becomes_the_mean():
    inputs = np.float32([[1], [3], [np.nan]])
    scaling = fit_scaling(inputs, np.ones(1, bool), np.arange(2))
    assert scaling.apply(inputs).tolist() == [[-1], [1], [0]]


def test_a_column_without_any_training_value_says_nothing():
    inputs = np.float32([[np.nan, 1], [np.nan, 2], [5, 3]])
    scaling = fit_scaling(inputs, np.ones(2, bool), np.arange(2))
    assert np.isfinite(scaling.apply(inputs)).all()
    assert scaling.inverse_scale[0] == 0


def test_in_place_is_the_same_and_uses_no_second_array():
    inputs, train = table()
    scaling = fit_scaling(inputs, np.ones(7, bool), train)
    expected = scaling.apply(inputs)
    given = inputs.copy()
    assert scaling.apply(given, out=given) is given
    np.testing.assert_array_equal(given, expected)


def test_more_dimensions_have_one_center_and_scale():
    images = np.random.RandomState(0).uniform(0, 255, (50, 4, 4, 3)).astype(np.float32)
    scaling = fit_scaling(images, np.ones(1, bool), np.arange(40))
    np.testing.assert_allclose(scaling.center, [images[:40].mean(dtype=float)], rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse_scale, [1 / images[:40].std(dtype=float)], rtol=1e-6)
    assert scaling.apply(images).shape == images.shape


@pytest.mark.parametrize("shape", [(100,), (100, 3)])
def test_targets_are_scaled_by_their_training_rows_and_restored(shape):
    targets = np.random.RandomState(0).normal(50, 9, shape).astype(np.float32)
    scaling = fit_target_scaling(targets, np.arange(60))
    scaled = scaling.apply(targets)
    np.testing.assert_allclose(scaled[:60].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:60].std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(scaling.inverse_transform(scaled), targets, rtol=1e-5)
