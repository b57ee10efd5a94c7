"""`Curves`: the evaluations of a run, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.common.late_bound import late_bound
from epochal.common.metric_names import higher_is_better
from epochal.curves.statistics import Floats, Ints, forward_filled, t_factor
from epochal.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from epochal.curves.judgment import Verdict


X_AXES: dict[str, str] = {"epochs": "epoch", "updates": "update", "samples": "samples", "seconds": "seconds"}
"""The x-axes, with their fields in `Curves`."""

_COORDINATES = {
    "repeat": np.int32,
    "epoch": np.float64,
    "update": np.int64,
    "samples": np.int64,
    "seconds": np.float64,
}
"""The coordinates of a row, with their types."""


@dataclass(frozen=True)
class Band:
    """A curve over repeats: at each x the mean, the spread and how many repeats still run.

    A stopped repeat counts with its last finite value, so that the mean does not jump when one leaves, and
    all is NaN once no more than half of the repeats run. `count` is the number of running ones. `sd`, `low`
    and `high` (the 95 % Student t interval of the mean) are NaN where fewer than two values are known.
    """

    x: Floats
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    count: Ints


@dataclass(frozen=True)
class Best:
    """The best evaluation of each repeat (NaN and -1 without a finite value)."""

    name: str
    epoch: Floats
    update: Ints
    value: Floats

    @property
    def median_epoch(self) -> float:
        """The median of the best epochs over the repeats."""
        known = self.epoch[np.isfinite(self.epoch)]
        return float(np.median(known)) if known.size else float("nan")


@dataclass(frozen=True, eq=False)
class Curves:
    """The learning curves of a run: one row per (repeat, evaluation), in columns.

    repeat   0-based number of the repeat.
    epoch    updates / batches per epoch; 0.0 is the evaluation before the first update.
    update   updates made so far; samples: samples seen so far.
    seconds  since the start of training, compile time excluded.
    columns  the measured quantities by name: `train.running_loss` (mean loss of the updates since the last
             evaluation, while the parameters move; NaN at epoch 0), `train.loss` (at fixed parameters),
             `validation.loss`, `validation.accuracy`, ...

    Rows of one repeat are in the order of time. Repeats may stop at different epochs: their rows end there.

    >>> rows = [dict(repeat=r, epoch=e, update=e * 4, samples=e * 20, seconds=e * 0.1,
    ...              **{"train.loss": 1.0 / (1 + e)}) for r in range(2) for e in range(3)]
    >>> curves = Curves.from_rows(rows)
    >>> curves
    Curves(2 repeats, 3 evaluations, 2 epochs: train.loss)
    >>> x, loss = curves.values("train.loss", x="updates")
    >>> x
    array([0., 4., 8.])
    >>> loss.shape
    (2, 3)
    """

    repeat: NDArray[np.int32]
    epoch: Floats
    update: Ints
    samples: Ints
    seconds: Floats
    columns: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in _COORDINATES.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        columns = {name: np.asarray(column, dtype=np.float64) for name, column in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        rows = self.repeat.shape
        if len(rows) != 1:
            raise Refusal(f"the columns of Curves must have 1 axis; repeat has {len(rows)}.")
        for name, column in self._everything().items():
            if column.shape != rows:
                raise Refusal(
                    f'the columns of Curves must be equally long; "{name}" has shape {column.shape} '
                    f"and repeat has {rows}."
                )

    # --- making -----------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, names: Iterable[str] = ()) -> Curves:
        """Curves without rows."""
        none: Any = np.empty(0)
        return cls(none, none, none, none, none, dict.fromkeys(names, none))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Curves:
        """From one mapping per row: the five coordinates, and the measured values (NaN if absent)."""
        rows = list(rows)
        names = list(dict.fromkeys(name for row in rows for name in row if name not in _COORDINATES))
        coordinates = {name: np.array([row[name] for row in rows]) for name in _COORDINATES}
        columns = {
            name: np.array([np.nan if row.get(name) is None else row[name] for row in rows], np.float64)
            for name in names
        }
        return cls(**coordinates, columns=columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Curves]) -> Curves:
        """The rows of all parts in sequence; missing columns are NaN."""
        if not parts:
            return cls.empty()
        names = dict.fromkeys(name for part in parts for name in part.columns)
        every = [dict.fromkeys(names, np.full(len(part), np.nan)) | part._everything() for part in parts]
        return cls._of({name: np.concatenate([one[name] for one in every]) for name in every[0]})

    def append(self, other: Curves) -> Curves:
        """These rows, then those of `other`; neither is modified."""
        return Curves.concatenate([self, other])

    @classmethod
    def from_arrow(cls, table: Any) -> Curves:
        """The inverse of `to_arrow`."""
        named = {name: table.column(name).to_numpy() for name in table.column_names}
        missing = [name for name in _COORDINATES if name not in named]
        if missing:
            raise Refusal(
                f"a table of curves needs the columns {', '.join(_COORDINATES)}; {missing[0]} is missing."
            )
        return cls._of(named)

    @classmethod
    def _of(cls, named: Mapping[str, Any]) -> Curves:
        """Coordinates and measured columns, by name."""
        columns = {name: column for name, column in named.items() if name not in _COORDINATES}
        return cls(**{name: named[name] for name in _COORDINATES}, columns=columns)

    def to_arrow(self) -> Any:
        """An Arrow table: the five coordinates first, then the measured columns."""
        import pyarrow as pa

        return pa.table({name: pa.array(column) for name, column in self._everything().items()})

    def to_frame(self) -> Any:
        """A pandas data frame, or an Arrow table where pandas is not installed; repeats are counted from 1.

        >>> Curves.from_rows([dict(repeat=0, epoch=0, update=0, samples=0, seconds=0)]).to_frame().repeat[0]
        np.int32(1)
        """
        table = replace(self, repeat=self.repeat + 1).to_arrow()
        try:
            return table.to_pandas()
        except ModuleNotFoundError:  # Arrow imports pandas on demand
            return table

    # --- reading ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self.repeat.size)

    def __repr__(self) -> str:
        points, last = np.unique(self.update).size, self.epoch.max(initial=0.0)
        return (
            f"Curves({len(self.repeats)} repeats, {points:,} evaluations, {last:,.6g} epochs: "
            f"{', '.join(self.names) or 'nothing measured'})"
        )

    def equals(self, other: Curves) -> bool:
        """Whether both hold the same rows and columns, bit for bit (NaN equals NaN)."""
        return list(self.columns) == list(other.columns) and all(
            np.array_equal(mine, its, equal_nan=True)
            for mine, its in zip(self._everything().values(), other._everything().values(), strict=True)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The measured columns."""
        return tuple(self.columns)

    @property
    def repeats(self) -> tuple[int, ...]:
        """The numbers of the repeats that have rows."""
        return tuple(int(number) for number in np.unique(self.repeat))

    def of(self, repeat: int) -> Curves:
        """The rows of one repeat."""
        if repeat not in self.repeats:
            raise Refusal(f"`repeat` must be one of {self.repeats}; got {repeat}.")
        here = self.repeat == repeat
        return Curves._of({name: column[here] for name, column in self._everything().items()})

    def values(self, name: str, x: str = "epochs") -> tuple[Floats, Floats]:
        """One quantity as (x, array of shape (repeats, points)), NaN where a repeat has no row.

        Evaluations are aligned by update. `x` is one of "epochs", "updates", "samples", "seconds"; where
        repeats differ in it (seconds may), it is the mean over those present.
        """
        if name not in self.columns:
            raise Refusal(did_you_mean("curve", name, self.columns))
        if x not in X_AXES:
            raise Refusal(did_you_mean("x-axis", x, X_AXES))
        updates, point = np.unique(self.update, return_inverse=True)
        numbers, row = np.unique(self.repeat, return_inverse=True)
        array = np.full((numbers.size, updates.size), np.nan)
        array[row, point] = self.columns[name]
        if x == "updates":
            return updates.astype(np.float64), array
        coordinate = np.asarray(getattr(self, X_AXES[x]), dtype=np.float64)
        total = np.bincount(point, weights=coordinate, minlength=updates.size)
        along = total / np.bincount(point, minlength=updates.size)
        return np.maximum.accumulate(along) if along.size else along, array

    def summary(self, name: str, x: str = "epochs") -> Band:
        """Mean, sd and 95 % interval over the repeats at each x, as `Band` says.

        >>> rows = [dict(repeat=r, epoch=e, update=e, samples=e, seconds=e, loss=1.0 + r)
        ...         for r, end in enumerate([3, 3, 1]) for e in range(end)]
        >>> band = Curves.from_rows(rows).summary("loss")
        >>> band.mean.tolist(), band.count.tolist()
        ([2.0, 2.0, 2.0], [3, 2, 2])
        """
        along, array = self.values(name, x)
        continued, running = forward_filled(array)
        known = np.isfinite(continued)
        count = np.where(running * 2 > np.isfinite(array).any(axis=1).sum(), known.sum(axis=0), 0)
        continued = np.where(known, continued, 0.0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mean = np.where(count > 0, continued.sum(axis=0) / count, np.nan)
            squares = (np.where(known, continued - mean, 0.0) ** 2).sum(axis=0)
            sd = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
        factors = np.array([np.nan, np.nan] + [t_factor(n) for n in range(2, int(count.max(initial=0)) + 1)])
        half = factors[count] * sd
        return Band(along, mean, sd, mean - half, mean + half, running)

    def best(self, name: str = "validation.loss") -> Best:
        """The evaluation with the best finite value of `name` (the first of ties) of each repeat."""
        updates, array = self.values(name, "updates")
        epochs, _ = self.values(name, "epochs")
        known = np.isfinite(array)
        sign = -1.0 if higher_is_better(name) else 1.0
        if not array.size:
            return Best(name, np.empty(0), np.empty(0, np.int64), np.empty(0))
        place = np.argmin(np.where(known, sign * array, np.inf), axis=1)
        any_known = known.any(axis=1)
        value = np.where(any_known, array[np.arange(len(array)), place], np.nan)
        return Best(
            name,
            np.where(any_known, epochs[place], np.nan),
            np.where(any_known, updates[place], -1).astype(np.int64),
            value,
        )

    # --- showing ----------------------------------------------------------------------------------------

    def plot(
        self,
        names: Sequence[str] | None = None,
        x: str = "epochs",
        ax: Axes | Sequence[Axes] | None = None,
        path: str | Path | None = None,
        *,
        style: str = "auto",
        verdict: Verdict | None = None,
        baseline: Mapping[str, ArrayLike] | None = None,
        log: bool | None = None,
        monitor: str = "validation.loss",
    ) -> Figure:
        """Draw the curves with Matplotlib: losses, and the main metric below; see `epochal.report.plots`."""
        return late_bound("plot_curves")(
            self,
            names,
            x,
            ax,
            path,
            style=style,
            verdict=verdict,
            baseline=baseline,
            log=log,
            monitor=monitor,
        )

    def _everything(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in _COORDINATES} | self.columns
