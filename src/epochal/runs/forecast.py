"""Forecast scores, compared with naive forecasts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary
from epochal.curves.intervals import influences, new_samples
from epochal.curves.statistics import Floats, Ints
from epochal.data import TimeColumn, Timeline
from epochal.data.records import Record, built, plain
from epochal.runs.metrics import blocks_of


@dataclass(frozen=True)
class NaiveForecast(Record):
    """A naive forecast, scored on the same windows.

    `rmse` is in the target's units. `skill` is the relative reduction of the RMSE of each repeat, in the same
    repeat: 0.38 says that the network's errors are 38 % smaller; negative, that they are larger. Those
    `by_step` are for each step ahead.
    """

    name: str
    rmse: Summary
    rmse_by_step: tuple[Summary, ...]
    skill: Summary
    skill_by_step: tuple[Summary, ...]
    ensemble: EnsembleScores | None = None

    def sentence(self, rmse: Summary) -> str:
        """Whether the network with this RMSE beats it; undecided if not significant.

        For the ensemble if it is scored, as given by `predict`.
        """
        if self.ensemble is not None and math.isfinite(self.ensemble.skill):
            return self.ensemble.sentence(self, rmse)
        against = f"RMSE {rmse.format_value(rmse.mean)} against {rmse.format_value(self.rmse.mean)}"
        skill = self.skill
        if rmse.repeats == 0:
            return f"no comparison with {self.name}: no repeat has finite forecasts"
        if skill.repeats == 0:
            return f"is worse than {self.name}, whose forecasts are without error"
        if skill.ci95 is None:
            word = "lower" if skill.mean >= 0 else "higher"
            return f"{against} of {self.name}, {100 * abs(skill.mean):.0f} % {word} (1 repeat: no interval)"
        verdict, share = _judged(skill.mean, skill.ci95)
        if verdict in ("lower", "higher"):
            return (
                f"no significant difference from {self.name}: {against} ({verdict} by "
                f"{share.replace(' (', ', ', 1)}, {skill.repeats} repeats)"
            )
        return f"{verdict} {self.name} by {share}, {skill.repeats} repeats; {against})"


@dataclass(frozen=True)
class EnsembleScores:
    """The ensemble forecast, compared with a naive forecast on the same windows.

    `skill` is the relative reduction of the RMSE. The interval is for new windows: by
    the jackknife over stretches of them (Künsch 1989), since neighboring windows are dependent; None for
    fewer than 3 stretches.
    """

    rmse: float
    skill: float
    ci95: tuple[float, float] | None

    @staticmethod
    def of(true: Floats, predicted: Floats, guesses: Floats) -> EnsembleScores:
        """From targets, ensemble forecasts and naive ones, each `(windows, steps)`.

        >>> rng = np.random.default_rng(0)
        >>> true = rng.normal(size=(200, 1))
        >>> mine, naive = (true + error * rng.normal(size=(200, 1)) for error in (0.5, 1.0))
        >>> found = EnsembleScores.of(true, mine, naive)
        >>> round(found.skill, 1), found.ci95[0] > 0.3
        (0.5, True)
        """
        from scipy.special import stdtrit  # late: importing SciPy is slower than most calls

        squares = np.stack([np.square(one - true).mean(axis=1) for one in (predicted, guesses)])
        block = blocks_of(np.arange(len(true)), ordered=True)

        def skill(mine: Floats, theirs: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                return 1 - np.sqrt(mine / theirs)

        sums = np.stack([np.bincount(block, one) for one in squares])
        sizes = np.bincount(block)
        left = (sums.sum(axis=1, keepdims=True) - sums) / (sizes.sum() - sizes)
        whole = squares.mean(axis=1)
        found, without = float(skill(whole[0], whole[1])), skill(left[0], left[1])
        blocks = len(sizes)
        ends = None
        if blocks > 2 and np.isfinite(without).all():
            error = math.sqrt((blocks - 1) / blocks * float(np.square(without - without.mean()).sum()))
            reach = float(stdtrit(blocks - 1, 0.975)) * error
            ends = (found - reach, min(1.0, found + reach))
        return EnsembleScores(math.sqrt(whole[0]), found if math.isfinite(found) else math.nan, ends)

    def sentence(self, naive: NaiveForecast, rmse: Summary) -> str:
        """Whether the ensemble beats a naive forecast, with the mean of its members."""
        several = rmse.repeats > 1
        mean = rmse.format_value(rmse.mean)
        members = f"; {mean} is the mean of its {rmse.repeats} members" if several else ""
        who = "the ensemble" if several else "it"
        against = f"RMSE {rmse.format_value(self.rmse)} against {rmse.format_value(naive.rmse.mean)}{members}"
        if self.ci95 is None:
            word = "lower" if self.skill >= 0 else "higher"
            return (
                f"{who} has an RMSE {100 * abs(self.skill):.0f} % {word} than {naive.name} (too few windows "
                f"for an interval; {against})"
            )
        verdict, share = _judged(self.skill, self.ci95)
        if verdict in ("lower", "higher"):
            return f"no significant difference from {naive.name}: {who} is {verdict} by {share}, {against})"
        return f"{who} {verdict} {naive.name} by {share}, {against})"


def _judged(skill: float, ci95: tuple[float, float]) -> tuple[str, str]:
    """What a skill score shows, and its size in percent with the interval, whose parenthesis is left open."""
    low, high = ci95
    if low > 0 or high < 0:
        verdict = "beats" if low > 0 else "is worse than"
    else:
        verdict = "lower" if skill >= 0 else "higher"
    if verdict in ("is worse than", "higher"):
        skill, low, high = -skill, -high, -low
    digits = 1 if 100 * (high - low) < 2 else 0
    by, *ends = (f"{100 * value:.{digits}f}".replace("-", "−") for value in (skill, low, high))
    return verdict, f"{by} % (95 % interval {' to '.join(ends)}"


@dataclass(frozen=True)
class ForecastScores(Record):
    """Forecast scores of one part at the best parameters, in the target's units."""

    windows: int
    rmse: Summary
    rmse_by_step: tuple[Summary, ...]
    naive: tuple[NaiveForecast, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each naive forecast."""
        return tuple(naive.sentence(self.rmse) for naive in self.naive)

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """The naive forecasts that it does not surely beat; one repeat, without interval, shows nothing."""
        return tuple(
            one.name
            for one in self.naive
            if (one.skill.repeats or one.rmse.mean == 0)
            and (one.skill.ci95 is None or one.skill.ci95[0] <= 0)
        )

    def warning(self, part: str) -> str:
        """The naive forecasts that it does not surely beat, in sentences; empty where it beats all."""
        doubts: dict[str, list[str]] = {}
        for one in self.naive:
            doubt = "The forecast does not surely beat"
            if one.rmse.mean == 0 or one.skill.mean <= 0:
                doubt = "The forecast does not beat"
            elif one.skill.ci95 is None:
                doubt = "One repeat cannot tell whether the forecast beats"
            if one.name in self.unbeaten:
                doubts.setdefault(doubt, []).append(one.name)
        return " ".join(
            f"{doubt} {' or '.join(names)} on the {part} windows." for doubt, names in doubts.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**super().to_dict(), "sentences": list(self.sentences)}

    @staticmethod
    def from_dict(value: Any) -> ForecastScores:
        """The inverse of `to_dict`."""
        if isinstance(value, dict):
            value = {name: one for name, one in value.items() if name != "sentences"}
        return built(ForecastScores, value)


def score_forecasts(
    true: Floats,
    predicted: Floats,
    line: Timeline,
    samples: Sequence[Ints],
    optimism: Floats | float = 0.0,
    ensemble: bool = False,
) -> ForecastScores:
    """Score the forecasts of a part, and the naive ones on the same windows.

    Intervals are for new windows (`curves.intervals`), with stretches of time as blocks.

    Args:
        true, predicted: `(repeats, windows, steps)`, in the target's units.
        line: positions of the windows.
        samples: the windows of each repeat.
        optimism: the relative optimism of each repeat's RMSE: the epoch was chosen on the same windows.
        ensemble: whether to score the ensemble, if all have the same windows.
    """
    windows = np.unique(np.concatenate(list(samples)))
    block = blocks_of(windows, ordered=True)
    sizes = {"samples": len(windows), "blocks": len(np.unique(block))}
    places = [block[np.searchsorted(windows, index)] for index in samples]
    errors = _squares(true, predicted)

    def summed(
        metric: Callable[..., Floats], *squares: Floats, bounds: tuple[float, float], optimism: Any = 0.0
    ) -> tuple[Summary, tuple[Summary, ...]]:
        """The metric of all steps, and of each, from squared errors (repeats, windows, 1 + steps)."""

        def of_windows(own: list[Floats], chosen: NDArray[np.bool_]) -> Floats:
            return metric(*(np.sqrt(chosen @ one / chosen.sum(axis=1, keepdims=True)) for one in own))

        metrics = [functools.partial(of_windows, [one[k] for one in squares]) for k in range(len(places))]
        whole = [one(np.ones((1, len(place)), bool))[0] for one, place in zip(metrics, places, strict=True)]
        added = [influences(one, place) for one, place in zip(metrics, places, strict=True)]
        columns = [*map(np.asarray, (whole, added)), np.broadcast_to(optimism, np.shape(whole))]
        first, *steps = (
            new_samples(column, blocks.T, optimism=gained, bounds=bounds, **sizes)
            for column, blocks, gained in zip(*map(np.transpose, columns), strict=True)
        )
        return first, tuple(steps)

    share = np.broadcast_to(np.asarray(optimism, np.float64), len(places))[:, None]
    ours = np.sqrt(errors.mean(axis=1))
    naive = []
    seasonal = {f"the value {line.period} rows before": line.period} if line.period else {}
    for name, period in {"the last value": 0, **seasonal}.items():
        values = np.stack([line.naive(index, period) for index in samples])
        guesses = _squares(true, values)
        theirs = np.sqrt(guesses.mean(axis=1))
        with np.errstate(all="ignore"):
            gained = np.where(theirs > 0, share * ours / theirs, 0.0)
        scores = summed(lambda one: one, guesses, bounds=(0.0, math.inf))
        skills = summed(_skill, errors, guesses, bounds=(-math.inf, 1.0), optimism=gained)
        together = EnsembleScores.of(true[0], predicted.mean(axis=0), values[0]) if ensemble else None
        naive.append(NaiveForecast(name, *scores, *skills, together))
    found = summed(lambda one: one, errors, bounds=(0.0, math.inf), optimism=-share * ours)
    return ForecastScores(true.shape[1], *found, tuple(naive))


def _skill(ours: Floats, theirs: Floats) -> Floats:
    """The relative reduction of errors; NaN if the others are zero."""
    return np.where(theirs > 0, 1 - ours / np.where(theirs > 0, theirs, 1.0), np.nan)


def _squares(true: Floats, predicted: Floats) -> Floats:
    """Squared errors (repeats, windows, 1 + steps): the mean over the steps, then each step."""
    squares = np.square(predicted - true)
    return np.concatenate([squares.mean(axis=2, keepdims=True), squares], axis=2)


@dataclass(frozen=True, eq=False)
class Observed:
    """The forecast column by row and series, for plots of forecasts.

    Args:
        names: names of the series; one empty name for a single one.
        series_column: the column of names.
        time_column: the kind of time.
        series: `(m,)`, the series of each row.
        row: `(m,)`, its row in the source, from 1.
        time: `(m,)`, its time: seconds since 1970, a number, or a count.
        value: `(m,)`, in the column's own units.
    """

    names: tuple[str, ...]
    series_column: str
    time_column: TimeColumn
    series: Ints
    row: Ints
    time: NDArray[Any]
    value: Floats

    @staticmethod
    def of(line: Timeline) -> Observed:
        """From windows in memory."""
        series = np.repeat(np.arange(len(line.times)), list(map(len, line.times)))
        columns = map(np.concatenate, (line.rows, line.times, line.values))
        return Observed(line.names, line.series_column, line.time_column, series, *columns)

    def places(self, rows: Ints) -> Ints:
        """Indices of source rows here."""
        order = np.argsort(self.row)
        found: Ints = order[np.searchsorted(self.row, rows, sorter=order)]
        return found

    def to_dict(self) -> dict[str, Any]:
        """What is no column, as JSON."""
        return {name: plain(getattr(self, name)) for name in ("names", "series_column", "time_column")}

    def to_arrow(self) -> Any:
        """The columns as a table."""
        import pyarrow as pa

        return pa.table({name: pa.array(getattr(self, name)) for name in _COLUMNS})

    @staticmethod
    def from_arrow(value: Mapping[str, Any], table: Any) -> Observed:
        """The inverse of `to_dict` and `to_arrow`."""
        return built(Observed, value, **{name: table.column(name).to_numpy() for name in _COLUMNS})


_COLUMNS = ("series", "row", "time", "value")
