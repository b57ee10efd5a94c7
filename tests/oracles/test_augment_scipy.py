"""Oracle: each transform is what scipy.ndimage and NumPy make of an image with the same parameters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from epochal.models.augment import Brightness, Contrast, Crop, Flip, Rotate, Shift

FILL = 0.25
IMAGES = [np.random.default_rng(5).random(shape).astype(np.float32) for shape in ((9, 12, 3), (8, 8, 1))]


def moved(transform: Any, image: NDArray[np.float32], drawn: Any) -> NDArray[np.float32]:
    return np.asarray(transform.move(jnp.asarray(image), jnp.asarray(drawn)))


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.shape))
@pytest.mark.parametrize("angle", [0.0, 7.5, -31.0, 90.0, 180.0])
def test_rotation(image: NDArray[np.float32], angle: float):
    """SciPy turns the first axis towards the second: against the clock, rows counting downwards."""
    wanted = ndimage.rotate(
        image, angle, axes=(1, 0), reshape=False, order=1, mode="grid-constant", cval=FILL, prefilter=False
    )
    found = moved(Rotate(180, FILL), image, np.float32(angle))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


def test_the_direction_of_rotation():
    image = np.zeros((5, 5, 1), np.float32)
    image[2, 4] = 1  # to the right of the center
    assert moved(Rotate(90), image, np.float32(90))[0, 2, 0] == pytest.approx(1)  # now above it


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.shape))
@pytest.mark.parametrize("distance", [(1.3, -2.7), (-4.0, 3.0), (0.0, 0.5), (4.5, 4.5)])
def test_shift(image: NDArray[np.float32], distance: tuple[float, float]):
    wanted = ndimage.shift(image, (*distance, 0), order=1, mode="grid-constant", cval=FILL, prefilter=False)
    found = moved(Shift(4.5, FILL), image, np.float32(distance))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.shape))
def test_crop(image: NDArray[np.float32]):
    height, width, _ = image.shape
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), constant_values=FILL)
    for row in range(5):
        for column in range(5):
            wanted = padded[row : row + height, column : column + width]
            found = moved(Crop(2, FILL), image, np.int32([row, column]))
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.shape))
def test_flips_brightness_and_contrast(image: NDArray[np.float32]):
    np.testing.assert_array_equal(moved(Flip(), image, [True, False]), np.flipud(image))
    np.testing.assert_array_equal(moved(Flip(), image, [False, True]), np.fliplr(image))
    np.testing.assert_array_equal(moved(Flip(), image, [True, True]), np.rot90(image, 2))
    np.testing.assert_allclose(moved(Brightness(1), image, np.float32(0.3)), image + 0.3, atol=1e-6)
    mean = image.mean(dtype=np.float64)
    found = moved(Contrast(0.5), image, np.float32(-0.4))
    np.testing.assert_allclose(found, (image - mean) * 0.6 + mean, atol=1e-6)
