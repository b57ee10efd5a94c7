"""Recognition of arrays as pixels: units and channel axis.

A network trained on bytes sees 0 to 255 as 0 to 1, one trained on floats sees them unchanged. A mix-up would
be off by a factor of 255 and raise no error. So units are reported, converted where that is exact, and
refused where it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal

_CHANNELS = (1, 3, 4)
_NEAR = 1e-4
"""Tolerance for a byte divided by 255 in 32-bit floats, in units of a byte."""


def channels_last(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Images (n, height, width, channels); channels-first bytes are transposed, with a note.

    >>> channels_last(np.zeros((2, 3, 8, 9), np.uint8))[0].shape
    (2, 8, 9, 3)
    """
    if array.dtype != np.uint8 or not _channels_first(array.shape):
        return array, ()
    shape = array.shape[1:]
    note = f"the images {shape} have their channels first: moved last, as {(*shape[1:], shape[0])}."
    return np.moveaxis(array, 1, -1), (note,)


def _channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] in _CHANNELS and shape[3] not in (*_CHANNELS, 2)


def described(values: NDArray[Any]) -> tuple[str, ...]:
    """Notes on inputs that are, or look like, images."""
    if values.dtype == np.uint8:
        return ("the inputs are bytes: the model sees 0 to 255 as 0 to 1.",)
    if values.dtype.kind != "f" or not _channels_first(values.shape):
        return ()
    return (f"the inputs {values.shape[1:]} look like images with channels first; layers expect them last.",)


def channels_of(values: NDArray[Any]) -> int:
    """The number of scales of inputs `(n, ..., d)`: one per channel of series, one for an image.

    >>> [channels_of(np.ones(shape)) for shape in [(5, 30, 3), (5, 28, 28), (5, 8, 8, 3)]]
    [3, 1, 1]
    """
    return int(values.shape[-1]) if values.ndim == 3 and not _image_like(values) else 1


def in_fractions(inputs: Any) -> bool:
    """Whether samples look like images with pixels from 0 to 1.

    >>> in_fractions(np.full((3, 8, 8), 0.5)), in_fractions(np.full((3, 8, 8), 7.0))
    (True, False)
    """
    if inputs.ndim < 3:
        return False
    values = inputs if isinstance(inputs, np.ndarray) else inputs[:64]
    lowest, highest = _bounds(values)
    return _image_like(values) and lowest >= 0 and highest <= 1


_MIN_SIDE = 8
"""Fewest pixels per side of an image without channels; series with so many channels are rarer."""


def _image_like(values: NDArray[Any]) -> bool:
    if values.ndim != 3:
        return values.ndim > 3
    if min(values.shape[1:]) < _MIN_SIDE:
        return False
    lowest, highest = _bounds(values)
    return lowest >= 0 and (highest <= 1 or (highest <= 255 and bool((values[:64] % 1 == 0).all())))


def _bounds(values: NDArray[Any]) -> tuple[float, float]:
    """The lowest and the highest value; NaN where all are missing."""
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))


def as_kept(
    array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """New samples in the units of the training samples, of this shape and dtype; other units are refused.

    Integers from 0 to 255, and numbers from 0 to 1 that are bytes divided by 255,
    become bytes if `dtype` is. What is no image is unchanged.

    >>> as_kept(np.array([[[0.0, 0.2, 1.0]]]), (1, 3), np.dtype(np.uint8))[0].tolist()
    [[[0, 51, 255]]]
    """
    if dtype.kind == "f" and array.dtype == np.uint8 and len(shape) > 1:
        raise Refusal(
            "new samples must be numbers in the units of the training samples, which were no bytes; got "
            "uint8. Give X / 255 or X.astype(float), whichever the network was trained on."
        )
    if dtype != np.uint8 or array.dtype.kind not in "buif":
        return array, ()
    notes: tuple[str, ...] = ()
    if array.dtype != np.uint8:
        array, notes = _bytes(array)
    array, moved = channels_last(array) if array.shape[1:] != shape else (array, ())
    if array.shape[1:] == shape[:-1] and shape[-1] == 1:
        array = array[..., None]
    return array, (*notes, *moved)


def _bytes(array: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    if array.size == 0:
        return array.astype(np.uint8), ()
    lowest, highest, kind = array.min(), array.max(), array.dtype.kind
    if kind != "b" and lowest >= 0 and highest <= 255 and (kind in "ui" or highest > 1):
        whole = np.rint(array)
        if (whole == array).all():
            return whole.astype(np.uint8), ()
    elif kind == "f" and lowest >= 0 and highest <= 1:
        scaled = array.astype(np.float64) * 255
        whole = np.rint(scaled)
        if np.abs(whole - scaled).max() <= _NEAR:
            return whole.astype(np.uint8), (
                "numbers from 0 to 1 are taken as bytes divided by 255, as the network was trained on bytes.",
            )
    raise Refusal(
        "new samples must be bytes (uint8, 0 to 255) as the training samples were, or numbers that are bytes "
        f"or bytes divided by 255; got {array.dtype} from {lowest:g} to {highest:g}. Convert them to uint8."
    )
