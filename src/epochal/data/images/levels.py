"""The range from black to white of images with more than 8 bits, which maps them to bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

DEEPEST = 65_535
"""The largest value of 16 bits."""
_RARE = 0.001
"""The share of outlier pixels that may be clipped if the others need a far smaller range."""
_FAR = 8
"""How many times the range must shrink to clip outliers."""


@dataclass(frozen=True)
class Levels:
    """The values of black and white in deep images; values outside are clipped.

    >>> Levels(0.0, 4095.0).bytes_of(np.array([0, 2048, 4095, 5000], np.uint16)).tolist()
    [0, 128, 255, 255]
    """

    black: float = 0.0
    white: float = float(DEEPEST)

    def bytes_of(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The values as bytes; NaN is black."""
        share = (values.astype(np.float64) - self.black) / (self.white - self.black)
        found: NDArray[np.uint8] = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)
        return found


@dataclass
class Counts:
    """A histogram of deep images with 16-bit integers, and their range."""

    of_value: NDArray[np.int64] = field(default_factory=lambda: np.zeros(DEEPEST + 1, np.int64))
    least: float = np.inf
    most: float = -np.inf
    whole: bool = True
    images: int = 0

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> Counts:
        """Counts of one image."""
        finite = values if values.dtype.kind in "ui" else values[np.isfinite(values.astype(np.float64))]
        if not finite.size:
            return cls(images=1)
        low, high = float(finite.min()), float(finite.max())
        if values.dtype.kind not in "ui" or low < 0 or high > DEEPEST:
            return cls(least=low, most=high, whole=False, images=1)
        counted = np.bincount(finite.ravel().astype(np.int64), minlength=DEEPEST + 1)
        return cls(counted, low, high, images=1)

    @classmethod
    def sum(cls, parts: Iterable[Counts]) -> Counts:
        """Counts of many images."""
        total = cls()
        for one in parts:
            total.of_value += one.of_value
            total.least, total.most = min(total.least, one.least), max(total.most, one.most)
            total.whole &= one.whole
            total.images += one.images
        return total

    def levels(self) -> Levels:
        """A common range for these images and similar new ones.

        From 0 to the largest value of the bits that are used, 8 at least. Values that use less than half of
        that range from the least to the largest; a few outliers, such as broken pixels, do
        not count. Other numbers range from the least to the largest, or from 0
        to 1.

        >>> Counts.of(np.array([[3, 4000]], np.uint16)).levels()
        Levels(black=0.0, white=4095.0)
        >>> Counts.of(np.array([[-1.5, 2.5]], np.float32)).levels()
        Levels(black=-1.5, white=2.5)
        """
        if self.least >= self.most:
            black = min(0.0, self.least) if np.isfinite(self.least) else 0.0
            return Levels(black, max(255.0, self.most)) if self.whole else Levels(black, max(1.0, self.most))
        if not self.whole:
            unit = self.least >= 0 and 1 / _FAR < self.most <= 1
            return Levels(0.0, 1.0) if unit else Levels(self.least, self.most)
        share = np.cumsum(self.of_value) / self.of_value.sum()
        low, high = int(np.searchsorted(share, _RARE)), int(np.searchsorted(share, 1 - _RARE))
        top = self.most if self.most - self.least < _FAR * max(1, high - low) else float(high)
        bottom = self.least if top - self.least < _FAR * max(1, top - low) else float(low)
        white = float(2 ** max(8, int(top).bit_length()) - 1)
        return Levels(bottom, top) if (top - bottom) * 2 < white else Levels(0.0, white)

    def note(self, levels: Levels) -> str:
        """A note on the levels."""
        what = "1 image has" if self.images == 1 else f"{self.images:,} images have"
        kind = "values of more than 8 bits" if self.whole else "numbers without a fixed range"
        levels_text = (
            f"{what} {kind}, from {self.least:g} to {self.most:g}: {levels.black:g} is seen as black and "
            f"{levels.white:g} as white"
        )
        outside = self.least < levels.black or self.most > levels.white
        return f"{levels_text}{', values outside as these' if outside else ''}; new images likewise."
