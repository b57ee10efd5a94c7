"""Standardization, fitted to the training samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from epochal.data.lazy import Inputs, LazyArray
from epochal.errors import Refusal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class Scaling:
    """The scaling of inputs: missing values filled, then `(x - center) * inverse_scale`.

    Each array is `(d,)` along the last axis of the inputs, or `(1,)` for all values of inputs of more
    than two dimensions: float32, or float64 for inputs that need it. A column that is
    constant in the training samples has `inverse_scale` 0.

    >>> Scaling(*(np.float32([value]) for value in (5, 3, 2))).apply(np.float32([[4], [np.nan]])).tolist()
    [[2.0], [4.0]]
    """

    impute: NDArray[Any]
    center: NDArray[Any]
    inverse_scale: NDArray[Any]

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)
    """The dtype after scaling."""

    @property
    def standardizes(self) -> bool:
        """Whether numbers are centered and scaled."""
        return True

    def apply(self, inputs: Inputs, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The scaled inputs; written to `out` (which may be `inputs`) if given.

        Three operations per value, in this order and in the precision of the arrays; extra memory
        is one block.
        """
        if out is None:
            out = np.empty(inputs.shape, np.float32)
        for rows in _blocks(inputs):
            block = inputs[rows]
            filled = np.where(np.isnan(block), self.impute, block)
            np.subtract(filled, self.center, out=filled)
            np.multiply(filled, self.inverse_scale, out=out[rows])
        return out


@dataclass(frozen=True)
class TargetScaling:
    """The scaling of regression targets: `(y - center) * inverse_scale`, and its inverse.

    `center` and `inverse_scale` are float64 `(m,)`, or `()` for a single target: targets far from zero that
    differ by little, such as time stamps, are centered before they are rounded to float32.

    >>> scaling = TargetScaling(np.float64(1.7e9), np.float64(0.01))
    >>> scaling.apply(np.float64([1.7e9 + 25])).item(), scaling.inverse_transform(np.float64([0.25])).item()
    (0.25, 1700000025.0)
    """

    center: Floats
    inverse_scale: Floats

    def apply(self, targets: NDArray[Any]) -> NDArray[np.float32]:
        """The scaled targets, float32."""
        return ((targets - self.center) * self.inverse_scale).astype(np.float32)

    def inverse_transform(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Predictions in the units of the targets: the inverse of `apply`."""
        return outputs / self.inverse_scale + self.center


def fit_scaling(inputs: Inputs, continuous: Bools, train: Ints) -> Scaling:
    """Fit median imputation and standardization to the training samples.

    As scikit-learn's SimpleImputer(strategy="median") and StandardScaler, in blocks of rows and
    float64, so that memory does not grow with the data. Columns that are not `continuous` (one-hot levels,
    indicators, booleans) keep center 0 and scale 1. Inputs of more than two dimensions get one center and
    one scale for each entry of the last axis if `continuous` has a flag for each, such as the columns of
    windows; else one for all their values. A `LazyArray` is read once and imputed by the mean: the median
    of a column would need all of it in memory.

    Args:
        inputs: float32 or float64 `(n, *shape)`, NaN where missing; or uint8; or a `LazyArray` of them.
        continuous: bool `(d,)`, the columns to be standardized; or `(1,)`.
        train: the training samples.
    """
    if not len(train):
        raise Refusal("training must have at least 1 sample; got 0. Use smaller fractions to hold out.")
    width = inputs.shape[1] if inputs.ndim == 2 else len(continuous)
    flat = width == 1 and inputs.ndim > 2
    flags = np.ones(1, bool) if flat else continuous
    stored = np.float64 if inputs.dtype == np.float64 else np.float32
    if isinstance(inputs, LazyArray):
        mean, variance, varies = _moments(inputs, train, width)
        return _scaling(stored, mean, mean, variance, flags, varies)
    total, count = np.zeros(width), np.zeros(width, np.int64)
    lowest, highest = np.full(width, np.inf), np.full(width, -np.inf)
    for block in _train_blocks(inputs, train, width):
        seen = ~np.isnan(block)
        count += seen.sum(axis=0)
        total += (block if seen.all() else np.where(seen, block, 0)).sum(axis=0)
        lowest, highest = np.fmin(lowest, np.fmin.reduce(block)), np.fmax(highest, np.fmax.reduce(block))
    rows = len(train) * (int(np.prod(inputs.shape[1:])) // width)
    holes = rows - count
    mean = np.divide(total, count, out=np.zeros(width), where=count > 0)
    impute = mean.copy()
    for column in np.flatnonzero((holes > 0) & (count > 0)):
        impute[column] = np.nanmedian(inputs[train] if flat else inputs[train, ..., column])
    impute = impute.astype(stored).astype(np.float64)
    center = (total + holes * impute) / rows
    squares = np.zeros(width)
    for block in _train_blocks(inputs, train, width):
        filled = np.where(np.isnan(block), impute, block) if holes.any() else block
        squares += np.square(filled - center).sum(axis=0)
    if flat or inputs.dtype.kind != "f":
        medians = np.where(flags, center, mean)
    else:
        some = train[:: -(-len(train) // _MEDIAN_ROWS)]
        medians = np.array([np.median(inputs[some, ..., column]) for column in range(inputs.shape[-1])])
    fill = np.where(holes > 0, impute, medians)
    return _scaling(stored, fill, center, squares / rows, flags, highest > lowest)


_MEDIAN_ROWS = 10_000
"""Evenly spaced training samples for the median of columns with missing values only later."""


def _scaling(
    stored: Any, fill: Floats, center: Floats, variance: Floats, continuous: Bools, varies: Bools
) -> Scaling:
    deviation = np.sqrt(variance)
    inverse = np.divide(1.0, deviation, out=np.zeros(len(deviation)), where=varies & (deviation > 1e-38))
    columns = fill, np.where(continuous, center, 0.0), np.where(continuous, inverse, varies.astype(float))
    return Scaling(*(column.astype(stored) for column in columns))


def _moments(inputs: LazyArray, train: Ints, width: int) -> tuple[Floats, Floats, Bools]:
    """Mean, variance, and whether values vary, from one pass that combines the moments of blocks.

    Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance", equation 2.1.
    """
    count, mean, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    holes = np.zeros(width)
    lowest, highest = np.full(width, np.inf), np.full(width, -np.inf)
    for block in _train_blocks(inputs, train, width):
        seen = ~np.isnan(block)
        here = seen.sum(axis=0).astype(np.float64)
        holes += len(block) - here
        values = np.where(seen, block, 0.0)
        own = np.divide(values.sum(axis=0), here, out=np.zeros(width), where=here > 0)
        both = np.maximum(count + here, 1)
        apart = own - mean
        squares += np.where(seen, np.square(block - own), 0.0).sum(axis=0) + apart**2 * count * here / both
        mean += apart * here / both
        count += here
        lowest, highest = np.fmin(lowest, np.fmin.reduce(block)), np.fmax(highest, np.fmax.reduce(block))
    return mean, squares / (count + holes), highest > lowest


def fit_target_scaling(targets: NDArray[Any], train: Ints) -> TargetScaling:
    """Mean and standard deviation of the training targets, per target; scale 1 where they are constant."""
    chosen = targets[train].astype(np.float64)
    deviation = chosen.std(axis=0)
    varies = (np.ptp(chosen, axis=0) > 0) & (deviation > 1e-38)
    inverse = np.divide(1.0, deviation, out=np.ones_like(deviation), where=varies)
    return TargetScaling(np.asarray(chosen.mean(axis=0)), np.asarray(inverse))


def first_missing(inputs: Inputs) -> int | None:
    """The first sample with a missing value, from 0, or None.

    >>> first_missing(np.float32([[1, 2], [3, np.nan]])), first_missing(np.float32([[1, 2]]))
    (1, None)
    """
    if inputs.dtype.kind != "f":
        return None
    for rows in _blocks(inputs):
        missing = np.isnan(inputs[rows]).reshape(len(inputs[rows]), -1).any(axis=1)
        if missing.any():
            return int(rows.start) + int(np.argmax(missing))
    return None


def refuse_missing_values(inputs: Inputs, first: int = 0) -> None:
    """Refuse missing values without a scaling that fills them; `first` samples came before."""
    if (row := first_missing(inputs)) is not None:
        raise Refusal(
            "the inputs must have no missing values (NaN), which only a training that standardizes them can "
            f"fill; got one in row {first + row + 1:,}."
        )


def _blocks(inputs: Inputs) -> Iterator[slice]:
    rows = max(1, _BLOCK_VALUES // max(1, int(np.prod(inputs.shape[1:]))))
    return (slice(start, start + rows) for start in range(0, len(inputs), rows))


def _train_blocks(inputs: Inputs, train: Ints, width: int) -> Iterator[Floats]:
    """Blocks of training samples as float64 `(rows, width)`, by the last axis if it has that width."""
    for rows in _blocks(inputs):
        chosen = train[rows]
        if len(chosen):
            yield inputs[chosen].astype(np.float64).reshape(-1, width)


FEWEST = 2
"""Fewest training samples of a level with its own embedding; arbitrary."""
_BLOCK = 1 << 14


@dataclass(frozen=True)
class LevelScaling(Scaling):
    """A scaling whose last columns are codes of levels: unknown ones become 0.

    `sizes` is int64 `(k,)`, the number of codes of each of the last k columns, and `known` bool
    `(sum(sizes),)`.

    >>> plain = [np.float32([0, 0]), np.float32([0, 0]), np.float32([1, 1])]
    >>> levels = LevelScaling(*plain, sizes=np.array([4]), known=np.array([True, True, False, True]))
    >>> levels.apply(np.float32([[0.5, 1], [0.5, 2], [0.5, 3]])).tolist()
    [[0.5, 1.0], [0.5, 0.0], [0.5, 3.0]]
    """

    sizes: Ints
    known: Bools

    def __post_init__(self) -> None:
        if self.known.dtype != np.bool_ or self.known.shape != (int(self.sizes.sum()),):
            raise ValueError(f"known levels must be booleans, one for each code; got {self.known.shape}")

    @property
    def standardizes(self) -> bool:
        """Whether any number is centered or scaled."""
        return bool(self.center.any() or (self.inverse_scale != 1).any())

    def apply(self, inputs: Inputs, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The scaled inputs, with 0 for unknown levels; see `Scaling.apply`."""
        scaled = super().apply(inputs, out)
        first = scaled.shape[-1] - len(self.sizes)
        for place, known in enumerate(np.split(self.known, np.cumsum(self.sizes)[:-1])):
            for start in range(0, len(scaled), _BLOCK):
                codes = scaled[start : start + _BLOCK, ..., first + place]
                codes[~known[codes.astype(np.int64)]] = 0
        return scaled


def fit_levels(
    inputs: Inputs, continuous: Bools, sizes: Sequence[int], train: Ints, standardize: bool
) -> LevelScaling:
    """Fit a scaling, and find the levels that are frequent enough in the training samples.

    Args:
        inputs: `(n, ..., d)`, the last columns being codes.
        continuous: bool `(d,)`, the columns to be standardized.
        sizes: number of codes of each of the last columns.
        standardize: whether to center and scale numbers; missing ones are filled in any case.
    """
    base, k = fit_scaling(inputs, continuous, train), len(sizes)
    impute, center, inverse = base.impute.copy(), base.center.copy(), base.inverse_scale.copy()
    if not standardize:
        center[:], inverse[:] = 0, 1
    impute[-k:], center[-k:], inverse[-k:] = 0, 0, 1
    counts = [np.zeros(size, np.int64) for size in sizes]
    for start in range(0, len(train), _BLOCK):
        block = inputs[train[start : start + _BLOCK]]
        for place, count in enumerate(counts):
            codes = block[..., block.shape[-1] - k + place].astype(np.int64).ravel()
            count += np.bincount(codes, minlength=len(count))
    known = np.concatenate(counts) >= FEWEST
    return LevelScaling(impute, center, inverse, np.array(sizes, np.int64), known)
