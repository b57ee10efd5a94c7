"""Law: nothing is learned from held-out rows; no digit that carries signal is lost."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import epochal as ep
from epochal.data.standardize import fit_scaling, fit_target_scaling
from epochal.data.tables.target import spellings
from epochal.data.values.rounding import loses_differences

ROWS, HELD = 60, 12
OPTIONS = {"split": "chronological", "validation": 6, "test": 6, "epochs": 2, "batch_size": 8, "metrics": ()}


def table(kind: str, seed: int) -> pd.DataFrame:
    """Numbers with holes, far from zero and skewed, a category, sample weights, and a target of that kind."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=ROWS)
    numbers[::7] = np.nan
    targets = {
        "regression": 1.7e9 + 10 * random.normal(size=ROWS),
        "binary": np.array(["no", "yes"])[(random.uniform(size=ROWS) < 0.3).astype(int)],
        "multiclass": np.array(["a", "b", "c"])[np.arange(ROWS) % 3],
    }
    return pd.DataFrame(
        {
            "some": numbers,
            "far": 1e9 + random.normal(size=ROWS),
            "skewed": np.exp(3 * random.normal(size=ROWS)),
            "color": np.array(["red", "green", "blue"])[random.integers(0, 3, ROWS)],
            "weighs": random.uniform(0.5, 2, ROWS),
            "y": targets[kind],
        }
    )


def leaves(run: ep.Run) -> list[np.ndarray]:
    """All that was learned: parameters, scalings of inputs and of targets."""
    kept = run.fitted[0]
    scalings = [vars(one) for one in (kept.scaling, kept.target_scaling) if one is not None]
    return [np.asarray(leaf) for leaf in jax.tree.leaves((kept.last, scalings))]


@pytest.mark.parametrize("form", ["frame", "arrays"])
@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_other_values_in_held_out_rows_change_nothing_that_is_learned(kind, form):
    """Not what fills holes, nor scales, class weights, weights' mean, nor the parameters."""
    first, other = table(kind, 0), table(kind, 0)
    changed = table(kind, 1).iloc[-HELD:]
    numbers = ["far", "skewed", "weighs"]
    other.iloc[-HELD:] = changed
    other.loc[other.index[-HELD:], numbers] = changed[numbers] * 3
    other.loc[other.index[-1], "some"] = 1e6
    weight = None if kind == "regression" else "balanced"
    found = []
    for frame in (first, other):
        if form == "frame":
            data = ep.load_data((frame, "y"), sample_weight="weighs")
        else:
            data = (frame[["some", "far", "skewed"]].to_numpy(), frame["y"].to_numpy(), frame["weighs"])
        found.append(ep.fit(ep.MLP(3), data, class_weight=weight, **OPTIONS))
    for one, two in zip(*map(leaves, found), strict=True):
        np.testing.assert_array_equal(one, two)
    one, two = (run.curves.columns for run in found)
    assert one["train.loss"].tolist() == two["train.loss"].tolist()
    assert one["validation.loss"][0] != two["validation.loss"][0]


@given(st.floats(1e6, 1e13), st.floats(1e-3, 1e3), st.sampled_from([-1, 1]), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_scaling_keeps_differences_whatever_the_offset(offset, size, sign, seed):
    """Scaled numbers are those of the numbers without their offset, to what float64 holds of them."""
    plain = size * np.random.default_rng(seed).normal(size=(50, 2))
    moved = sign * offset + plain
    exact = moved - sign * offset
    train = np.arange(40)
    kept = moved if loses_differences(moved).any() else moved.astype(np.float32)
    wanted = (exact - exact[train].mean(axis=0)) / exact[train].std(axis=0)
    lost = 1e-15 * offset / size
    scaled = fit_scaling(kept, np.ones(2, bool), train).apply(kept)
    np.testing.assert_allclose(scaled, wanted, atol=3e-4 + 300 * lost)
    scaling = fit_target_scaling(moved, train)
    np.testing.assert_allclose(scaling.apply(moved), wanted, atol=1e-5 + 300 * lost)
    np.testing.assert_allclose(
        scaling.inverse_transform(scaling.apply(moved).astype(float)),
        moved,
        atol=1e-5 * size + 8 * lost * size,
    )


def test_a_word_that_could_mean_two_classes_means_none():
    assert spellings(("yes",), ("Yes", "YES")) == {}
    assert spellings(("1", "0"), ("yes", "true")) == {}
    assert spellings(("true",), ("0", "1", "2")) == {}
    assert spellings(("1.50",), ("1.5", "2")) == {"1.50": "1.5"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["f8", "f4", "i4"])
def test_a_file_in_the_byte_order_of_another_machine_is_the_same_data(kind, stream, tmp_path):
    numbers = np.random.default_rng(0).normal(size=(60, 4)) * 100
    found = []
    for name, order in (("little.npy", "<"), ("big.npy", ">")):
        np.save(tmp_path / name, numbers.astype(order + kind))
        found.append(ep.load_data(tmp_path / name, stream=stream))
    little, big = found
    assert little.fingerprint == big.fingerprint and little.task == big.task
    np.testing.assert_array_equal(little.targets, big.targets)
    np.testing.assert_array_equal(little.inputs[:], big.inputs[:])
