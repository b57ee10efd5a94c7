"""Oracle: each transform is what scipy.ndimage and NumPy make of an image with the same parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from epochal.models.augment import Brightness, Contrast, Crop, Flip, Rotate, Shift

FILL = 0.25
IMAGE = np.random.default_rng(5).random((9, 12, 3)).astype(np.float32)
HEIGHT, WIDTH = IMAGE.shape[:2]
ANGLES = np.float32([0, 7.5, -31, 90, 180])
DISTANCES = np.float32([[1.3, -2.7], [-4, 3], [0, 0.5], [4.5, 4.5]])
PLACES = np.indices((5, 5)).reshape(2, -1).T


def moved(transform: Any, drawn: Any, image: NDArray[np.float32] = IMAGE) -> NDArray[np.float32]:
    """The image after each of several draws."""
    call = jax.jit(jax.vmap(transform.apply, in_axes=(None, 0)))
    return np.asarray(call(jnp.asarray(image), jnp.asarray(drawn)))


def test_rotation():
    """SciPy turns the first axis towards the second: against the clock, rows counting downwards."""
    for found, angle in zip(moved(Rotate(180, FILL), ANGLES), ANGLES, strict=True):
        wanted = ndimage.rotate(
            IMAGE,
            angle,
            axes=(1, 0),
            reshape=False,
            order=1,
            mode="grid-constant",
            cval=FILL,
            prefilter=False,
        )
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


def test_the_direction_of_rotation():
    image = np.zeros((5, 5, 1), np.float32)
    image[2, 4] = 1  # to the right of the center
    assert moved(Rotate(90), np.float32([90]), image)[0, 0, 2, 0] == pytest.approx(1)  # now above it


def test_shift():
    for found, distance in zip(moved(Shift(4.5, FILL), DISTANCES), DISTANCES, strict=True):
        wanted = ndimage.shift(
            IMAGE, (*distance, 0), order=1, mode="grid-constant", cval=FILL, prefilter=False
        )
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


def test_crop():
    padded = np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)), constant_values=FILL)
    for found, (row, column) in zip(moved(Crop(2, FILL), PLACES), PLACES, strict=True):
        np.testing.assert_array_equal(found, padded[row : row + HEIGHT, column : column + WIDTH])


def test_flips_brightness_and_contrast():
    flips = moved(Flip(), np.array([[True, False], [False, True], [True, True]]))
    for found, wanted in zip(flips, (np.flipud(IMAGE), np.fliplr(IMAGE), np.rot90(IMAGE, 2)), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(moved(Brightness(1), np.float32([0.3]))[0], IMAGE + 0.3, atol=1e-6)
    mean = IMAGE.mean(dtype=np.float64)
    found = moved(Contrast(0.5), np.float32([-0.4]))[0]
    np.testing.assert_allclose(found, (IMAGE - mean) * 0.6 + mean, atol=1e-6)
