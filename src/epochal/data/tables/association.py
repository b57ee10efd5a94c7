"""Association of a column with the target, and columns that alone determine it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.tables.encode import as_text

LEAK_NOTE_MARKER = " determines the target: "
"""Marks the note on a column that leaks the target, by which `runs.run_warnings` finds it."""

_ROWS, _FEWEST, _CELLS = 20_000, 500, 2_000_000
"""Evenly spaced rows on which columns are compared with the target, fewer for many columns."""
_SURE = 3.3
"""Standard deviations from chance at which a column is associated with the target."""
_ROWS_PER_LEVEL = 5
_ALIKE, _MIN_OTHERS = 0.1, 30
_NEARLY = 0.98
_CHANCE = 1e-6
"""The probability below which it is no chance that the rows with, or without, a value are of one class."""


@dataclass(frozen=True)
class TargetValues:
    """The target of some rows of a table: class ids int64 `(n,)`, or numbers float64 `(n,)`.

    `rows` are those of the table, from 0; `classes` is 0 for numbers.
    """

    rows: NDArray[np.int64]
    values: NDArray[Any]
    classes: int

    def associated_with(self, column: pa.ChunkedArray) -> bool:
        """Whether numbers are associated with the target more than by chance.

        Pearson's chi-squared on ranges of the column against classes, or the Kruskal-Wallis statistic for
        numbers; and the rank correlation, which detects a trend in fewer rows.

        >>> targets = target_values(np.array([0, 1] * 50), classes=2)
        >>> rising, turning = pa.chunked_array([list(range(100))]), pa.chunked_array([[5, 7] * 50])
        >>> targets.associated_with(rising), targets.associated_with(turning)
        (False, True)
        """
        values = _numbers(self.rows_of(column))
        there = np.isfinite(values)
        n = int(there.sum())
        if n < 8:
            return False
        ranks, targets = _ranks(values[there]), self.values[there]
        bins = max(2, min(16, n // 10))
        ranges = np.minimum((ranks * bins).astype(np.int64), bins - 1)
        if not self.classes:
            target_ranks = _ranks(targets)
            scores = target_ranks - target_ranks.mean()
            if not scores.any():
                return False
            sums = np.bincount(ranges, scores, bins)
            counts = np.maximum(np.bincount(ranges, minlength=bins), 1)
            between = float((sums**2 / counts).sum() / (scores @ scores)) * (n - 1)
            trend = _correlation(ranks, target_ranks) * np.sqrt(n)
            return bool(_deviations(between, bins - 1) > _SURE or trend > _SURE)
        table = np.zeros((bins, self.classes))
        np.add.at(table, (ranges, targets), 1)
        table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
        if min(table.shape) < 2:
            return False
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
        found = float(((table - expected) ** 2 / expected).sum())
        if _deviations(found, (table.shape[0] - 1) * (table.shape[1] - 1)) > _SURE:
            return True
        trends = (_correlation(ranks, targets == label) for label in range(min(self.classes, 20)))
        return any(trend * np.sqrt(n) > _SURE + 1 for trend in trends)

    def determined_by(self, column: pa.ChunkedArray) -> str:
        """How the column alone determines the target, in words; empty if it does not.

        >>> targets = target_values(np.array([0, 1, 0] * 10), classes=2)
        >>> targets.determined_by(pa.chunked_array([["n", "y", "n"] * 10]))
        'each of its 2 values goes with one class'
        >>> targets.determined_by(pa.chunked_array([["n", "y"] * 15]))
        ''
        """
        if len(self.values) < 20:
            return ""
        chosen = self.rows_of(column)
        if pa.types.is_integer(chosen.type) or pa.types.is_floating(chosen.type):
            values = _numbers(chosen)
            found, codes = np.unique(values, return_inverse=True)
            how = self._by_level(codes.ravel(), len(found)) or self._by_size(values)
        else:
            # A missing value is a level of its own.
            words = pc.fill_null(as_text(chosen).cast(pa.string()), "\x00").combine_chunks()
            encoded = words.dictionary_encode()
            codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            how = self._by_level(codes, len(encoded.dictionary))
        if how or not self.classes or not chosen.null_count:
            return how
        # The presence of a value, as a closing date is present for closed cases.
        present = np.asarray(chosen.is_valid().to_numpy())
        how = self._by_level(present.astype(np.int64), 2)
        if how:
            return how.replace("each of its 2 values goes with one", "whether it has a value tells the")
        return self._by_presence(present, "with") or self._by_presence(~present, "without")

    def rows_of(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The cells of a column in the rows that are compared."""
        return column.take(pa.array(self.rows)) if len(self.rows) < len(column) else column

    def _by_level(self, codes: NDArray[np.int64], levels: int) -> str:
        if levels < 2 or (levels - 1) * _ROWS_PER_LEVEL > len(codes) - np.bincount(codes).max():
            return ""  # the most frequent one, such as a missing value, aside
        if not self.classes:
            distinct = len(np.unique(self.values))
            pairs = len(np.unique(np.column_stack([codes, self.values]), axis=0))
            exact = distinct > 1 and pairs == levels
            return f"each of its {levels:,} values goes with one value of the target" if exact else ""
        table = np.zeros((levels, self.classes), np.int64)
        np.add.at(table, (codes, self.values), 1)
        wrong, usual = len(codes) - table.max(axis=1).sum(), len(codes) - table.sum(axis=0).max()
        if usual == 0 or wrong > (1 - _NEARLY) * usual:
            return ""
        nearly = "" if wrong == 0 else f" in all but {wrong:,} of {len(codes):,} rows"
        return f"each of its {levels:,} values goes with one class{nearly}"

    def _by_presence(self, chosen: NDArray[np.bool_], how: str) -> str:
        """Whether the chosen rows are of one class, but for 2 % of those that chance would have of others.

        It is no chance if a hypergeometric draw of so many rows has as many of that class with a probability
        below `_CHANCE` (Fisher's exact test, one-sided): of columns whose gaps are random, at most 2 in a
        million for each class are named. With 15 % of the rows in the class that takes 8 cells, with half of
        them 20, and with 95 % about 270.

        >>> targets = target_values(np.arange(200) % 2, classes=2)
        >>> targets._by_presence(np.arange(200) % 8 == 1, "with")
        'all 25 rows with a value are of one class'
        >>> targets._by_presence(np.arange(200) % 20 == 1, "with")
        ''
        """
        counts, totals = (
            np.bincount(rows, minlength=self.classes) for rows in (self.values[chosen], self.values)
        )
        best, rows, samples = int(counts.argmax()), int(counts.sum()), len(self.values)
        wrong, usual = rows - int(counts[best]), rows * (1 - totals[best] / samples)
        if usual == 0 or wrong > (1 - _NEARLY) * usual:
            return ""
        most, others = int(totals[best]), samples - int(totals[best])
        ways = [
            _log_ways(most, rows - few) + _log_ways(others, few)
            for few in range(max(0, rows - most), min(wrong, others) + 1)
        ]
        if sum(exp(one - _log_ways(samples, rows)) for one in ways) > _CHANCE:
            return ""
        which = f"all {rows:,}" if not wrong else f"all but {wrong:,} of {rows:,}"
        return f"{which} rows {how} a value are of one class"

    def _by_size(self, values: NDArray[np.float64]) -> str:
        there = np.isfinite(values)
        if there.mean() < 0.95:
            return ""
        values, targets = values[there], self.values[there]
        order = np.lexsort((targets, values))
        steps = np.diff(targets[order])
        distinct = len(np.unique(targets))
        if ((np.diff(values[order]) == 0) & (steps != 0)).any():
            return ""  # equal values have different targets
        if self.classes:
            ranges = distinct > 1 and np.count_nonzero(steps) == distinct - 1
            apart = ranges and np.bincount(targets).max() < 0.95 * len(targets)
            return "each class is one range of its values" if apart else ""
        if distinct < 10:
            return ""
        if _correlation(values, targets) > 1 - 1e-9:
            return "the target is its multiple, plus a constant"
        if len(np.unique(values)) > len(values) / 2 and ((steps >= 0).all() or (steps <= 0).all()):
            return f"the target {'rises' if (steps >= 0).all() else 'falls'} with it in every row"
        return ""


def alike_within(codes: NDArray[np.int64], targets: NDArray[Any], classes: int) -> bool:
    """Whether the target is much more alike within the levels of a column, numbered from 0, than by chance.

    So it is if the levels explain more of its variance (of ranks, or of the indicators of the classes) than
    chance does by 3.3 standard deviations, and at least a tenth of it beyond what as many levels explain by
    chance (the adjusted R²; an arbitrary share). Of the classes but the most frequent one there must be 30
    rows: of fewer the deviations are not normal.

    >>> levels, random = np.arange(400) % 100, np.random.default_rng(0)
    >>> alike_within(levels, levels % 2, 2), alike_within(levels, random.integers(0, 2, 400), 2)
    (True, False)
    """
    n, sizes = len(codes), np.bincount(codes)
    if classes:
        counts = np.unique(codes * classes + targets, return_counts=True)
        within = float((counts[1] ** 2 / sizes[counts[0] // classes]).sum())
        overall, total = float((np.bincount(targets) ** 2).sum()) / n, float(n)
    else:
        ranks = _ranks(targets)
        within = float((np.bincount(codes, ranks) ** 2 / np.maximum(sizes, 1)).sum())
        overall, total = float(ranks.sum()) ** 2 / n, float(ranks @ ranks)
    rare = classes and n - np.bincount(targets).max() < _MIN_OTHERS
    if rare or not 2 <= len(sizes) < n or total - overall <= 1e-9 * total:
        return False
    share = (within - overall) / (total - overall)
    adjusted = 1 - (1 - share) * (n - 1) / (n - len(sizes))
    return adjusted > _ALIKE and _deviations(share * (n - 1), len(sizes) - 1) > _SURE


def target_values(targets: NDArray[Any], classes: int, columns: int = 1) -> TargetValues:
    """The targets of rows to compare with columns: ids of `classes`, or numbers if 0."""
    n, most = len(targets), max(_FEWEST, min(_ROWS, _CELLS // columns))
    rows = np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(np.int64))
    return TargetValues(rows, targets[rows].astype(np.int64 if classes else np.float64), classes)


def _log_ways(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
    return np.asarray(numbers.to_numpy(), np.float64)


def _correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    """The size of Pearson's correlation, 0 for constants."""
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(abs(x @ y)) / spread if spread > 0 else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Mean ranks from 0 to 1."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(((ends - counts / 2) / len(values))[inverse.ravel()])


def _deviations(statistic: float, df: int) -> float:
    """A chi-squared statistic as standard normal deviations (Wilson and Hilferty, 1931)."""
    middle = 2 / (9 * df)
    return float(((statistic / df) ** (1 / 3) - (1 - middle)) / np.sqrt(middle))
