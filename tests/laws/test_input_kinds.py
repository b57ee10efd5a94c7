"""Law: what samples are kept as does not change what is learned: bytes are what the same floats are."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import epochal as ep
from helpers import assert_close


def images(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Small random images whose class is whether the left half is the brighter one."""
    pixels = np.random.default_rng(5).integers(0, 256, (count, 4, 4), dtype=np.uint8)
    return pixels, (pixels[:, :, :2].mean(axis=(1, 2)) > pixels[:, :, 2:].mean(axis=(1, 2))).astype(np.int32)


def test_bytes_train_as_their_floats_from_0_to_1_and_are_kept_as_bytes(tmp_path):
    pixels, labels = images()
    options = {"epochs": 3, "batch_size": 8, "validation": 0.25, "metrics": (), "standardize": False}
    ours = ep.fit(ep.MLP(5), (pixels, labels), **options)
    floats = ep.fit(ep.MLP(5), (pixels.astype(np.float32) / 255, labels), **options)
    assert ours.data["dtype"] == "uint8" and floats.data["dtype"] == "float32"
    assert_close(ours.fitted[0].last, floats.fitted[0].last)
    again = ep.load(ours.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.predict(pixels).values, ours.predict(pixels).values)


def test_tokens_reach_the_model_as_whole_numbers():
    tokens = np.random.default_rng(6).integers(0, 7, (30, 3)).astype(np.int32)
    labels = (tokens[:, 0] > 3).astype(np.int32)
    data = ep.load_data((tokens.astype(np.float32), labels))
    object.__setattr__(data, "inputs", tokens)

    def init(key, sample):
        assert sample.dtype == np.int32
        return jax.random.normal(key, (7, 1))

    model = ep.model_from_functions(init, lambda table, ids: table[ids].sum(axis=1))
    run = ep.fit(model, data, epochs=2, batch_size=10)
    assert run.data["dtype"] == "int32"
    with pytest.raises(ep.Refusal, match="standardize must be False for tokens"):
        ep.fit(model, data, standardize=True)


def test_half_floats_are_numbers_like_others():
    values = np.linspace(0, 4, 60).astype(np.float16).reshape(-1, 2)
    assert ep.load_data((values, values[:, 0])).task.kind == "regression"
    assert ep.load_windows(values, window=3).shape[0] == 3
    run = ep.fit(ep.MLP(2), "example:iris", epochs=1)
    rows = np.full((2, 4), 1.5, np.float16)
    np.testing.assert_array_equal(run.predict(rows).values, run.predict(rows.astype(np.float32)).values)
