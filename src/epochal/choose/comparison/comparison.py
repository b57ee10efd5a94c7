"""`Comparison`: the result of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epochal.choose.comparison.grid import as_json
from epochal.choose.statistics.hyperbola import Hyperbola
from epochal.choose.statistics.paired_test import PairedDifference
from epochal.choose.statistics.race import Dropped
from epochal.choose.statistics.time_to_target import ExpectedRunningTime
from epochal.choose.trials.timing import TimingCurve
from epochal.common.late_bound import late_bound
from epochal.common.text import counted, duration
from epochal.curves import Curves, Summary
from epochal.data.records import plain
from epochal.errors import Refusal, did_you_mean, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Usage:
    """What a comparison or an advice took.

    trainings  how many, those found in the folder included.
    updates    made by all of them together.
    seconds    by the clock, compilation included; of this call alone.
    """

    trainings: int
    updates: int
    seconds: float

    @property
    def text(self) -> str:
        """In words: what all trainings made, and what this call took."""
        made = f"{counted(self.trainings, 'training')}, {counted(self.updates, 'update')} in all"
        return f"{made}; {duration(self.seconds)} in this call"


@dataclass(frozen=True)
class Tuned:
    """How the learning rate of a setting was found."""

    rate: float  # the one that was chosen: the lowest within one standard error of the best
    # (rate, mean of the monitored metric; NaN if a training diverged, on how many of the repeats), ascending
    tried: tuple[tuple[float, float, int], ...]
    edge: str  # "" if the best rate was bracketed; else in words at which end of those tried it lies
    repeats: int  # of the tuning: seeds that the comparison itself does not use


@dataclass(frozen=True, eq=False)
class Row:
    """A setting of a comparison, with its results.

    name            what it is called, such as "batch 32".
    axes            the values that make it differ, by option: {"batch_size": 32, "optimizer": "adam"}.
    batch_size      samples of an update; `regime` is "batch", "stochastic" or "mini-batch".
    learning_rate   None for an Optax object, which has its own.
    repeats         how many were trained.
    quality         the monitored metric over repeats, in each at the epoch that another one chooses (NaN for
                    those that diverged); its interval is one for new rows.
    metrics         the other metrics at that epoch, such as "validation.accuracy".
    best_epoch      at which each repeat is read.
    updates         of one training; `samples` seen and `epochs` made by it.
    update_seconds  the measured time of one update; `seconds` of one training without evaluations.
    updates_to_target   expected updates until the target is reached: all updates of all repeats over the
                    number that reached it; None without a target.
    noise           of the curve: sd of its evaluations around their trend, in units of the monitored metric;
                    NaN if it is too short.
    diverged        repeats whose loss was not finite.
    difference      the best one (for a dropped setting, the leader that it lost to) against this one;
                    None for the best one itself.
    dropped         why it was given up early, or None.
    tuned           how its rate was found, or None if it was given.
    model           what `fit` takes to train with it, and `options` its keyword arguments.
    """

    name: str
    axes: Mapping[str, Any]
    batch_size: int
    regime: str
    learning_rate: float | None
    repeats: int
    quality: Summary
    metrics: Mapping[str, Summary]
    best_epoch: Summary
    epochs: float
    updates: int
    samples: int
    update_seconds: float
    seconds: float
    updates_to_target: ExpectedRunningTime | None
    noise: float
    diverged: int
    difference: PairedDifference | None
    dropped: Dropped | None
    tuned: Tuned | None
    model: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Regime:
    """One of the three regimes: its best row, or None if the grid has none of it."""

    name: str  # "batch", "mini-batch" or "stochastic" gradient descent
    row: str | None  # the name of the best setting of the regime


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The answer of `compare`, and everything it rests on.

    answer      the answer in one sentence.
    monitor     the monitored metric, such as "validation.loss"; `higher_is_better` its direction.
    budget      what each setting gets, in words: "50 epochs each".
    rows        one for each setting, the recommended one first.
    recommended the name of the setting to use: the fastest of those that are about as good as the best; None
                where no loss was finite.
    same        the settings that are practically the same as the recommended one, itself included.
    best        the name of the setting with the best mean.
    tied        the settings that are not significantly worse than the best, itself included: practically the
                same, or without a significant difference. None that does worse than a baseline which the best
                one beats, or that breaks in more repeats.
    margin      the smallest difference of the monitored metric that matters.
    baseline_not_beaten   the baseline, if no setting is shown to be better than that; else None.
    target_value   of the monitored metric, which counts as reached, or None; `target_text`: how it was set.
    hyperbola   updates to the target against the batch size, fitted; None with fewer than three sizes, or
                where more than batch size and learning rate vary.
    critical_batch_size_ci95  95 % interval, (low, high); None without a fit.
    regimes     the three regimes side by side.
    curves      of each setting, by name.
    timing      update times of each model and optimizer against the batch size, by name ("" if only one).
    notes       what should be known, one sentence each: drops, edges, sizes that do not fit.
    usage       trainings, updates and seconds that it took.
    data        the data in numbers; `settings` what all settings have in common; `environment` versions,
                device, seeds, date.
    same_split  whether all repeats share one split, and differ by their other seeds.
    interrupted whether it was ended before its end.
    folder      where its trials lie, or None.
    """

    answer: str
    monitor: str
    higher_is_better: bool
    budget: str
    rows: tuple[Row, ...]
    recommended: str | None
    same: tuple[str, ...]
    best: str
    tied: tuple[str, ...]
    margin: float
    baseline_not_beaten: float | None
    target_value: float | None
    target_text: str
    hyperbola: Hyperbola | None
    critical_batch_size_ci95: tuple[float, float] | None
    regimes: tuple[Regime, ...]
    curves: Mapping[str, Curves]
    timing: Mapping[str, TimingCurve]
    notes: tuple[str, ...]
    usage: Usage
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    same_split: bool = False
    interrupted: bool = False
    folder: Path | None = field(default=None)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of `fit` that train with the recommended setting: what was asked, and its values.

        `fit(comparison.model, data, **comparison.options)` trains it once, on the first seed; add `repeats`.
        """
        return dict(self.recommended_row.options)

    @property
    def model(self) -> Any:
        """The model of the recommended setting, as `fit` takes it."""
        return self.recommended_row.model

    @property
    def recommended_row(self) -> Row:
        """The row of the recommended setting; refused where none could be trained."""
        if self.recommended is None:
            raise Refusal("nothing is recommended: the loss was not finite in any training.")
        return self.row(self.recommended)

    def row(self, name: str) -> Row:
        """The row of a setting; an unknown one is refused with the nearest name."""
        found = {row.name: row for row in self.rows}
        if name not in found:
            raise Refusal(did_you_mean("setting", name, found))
        return found[name]

    def summary(self) -> str:
        """The answer, a line for each setting, and the notes."""
        return str(late_bound("comparison_text")(self))

    __str__ = summary

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.rows)} settings at {self.budget}: {self.answer}>"

    def _repr_html_(self) -> str:
        return late_bound("comparison_html")(self)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A flat mapping for each setting, the recommended first, None for the unknown; see `Row`."""
        return [_flat(row, row.name in self.tied) for row in self.rows]

    def to_arrow(self) -> Any:
        """The table as an Arrow table."""
        import pyarrow as pa

        rows, columns = self.table, dict[str, list[Any]]()
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            mixed = len({type(value) for value in values if value is not None}) > 1
            columns[name] = [str(one) if mixed and one is not None else one for one in values]
        return pa.table(columns)

    def to_pandas(self) -> Any:
        """The table as a pandas data frame; pandas has to be installed."""
        return require("pandas", extra="pandas", purpose="a data frame").DataFrame(self.table)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the curves, as JSON holds it: what is not finite is None."""
        left = {"rows": list(map(_nested, self.rows)), "regimes": {one.name: one.row for one in self.regimes}}
        left["timing"] = {name: curve.points for name, curve in self.timing.items()}
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "curves"}
        return dict(plain(own | left))

    def plot(self, path: str | Path | None = None, *, style: str = "light") -> Figure:
        """Draw curves, quality against time, and updates to the target.

        Args:
            path: also save there, in the format of the suffix.
            style: "light", "dark", or "auto" (transparent, for either background).
        """
        return late_bound("plot_comparison")(self, path, style=style)

    def report(self, path: str | Path = "compare.html") -> Path:
        """Write one page that a colleague can open offline."""
        return Path(late_bound("write_page")(late_bound("comparison_page")(self), path))


def _flat(row: Row, tied: bool) -> dict[str, Any]:
    flat = {
        "setting": row.name,
        **row.axes,
        **{name: getattr(row, name) for name in ("batch_size", "regime", "learning_rate", "repeats")},
        "mean": row.quality.mean,
        "sd": row.quality.sd,
        **dict(zip(("low", "high"), row.quality.ci95 or (None, None), strict=True)),
        **{name: summary.mean for name, summary in row.metrics.items()},
        "best_epoch": row.best_epoch.mean,
        **{
            name: getattr(row, name) for name in ("epochs", "updates", "samples", "update_seconds", "seconds")
        },
        "updates_to_target": None if row.updates_to_target is None else row.updates_to_target.expected,
        "reached_target": None if row.updates_to_target is None else row.updates_to_target.reached,
        "noise": row.noise,
        "diverged": row.diverged,
        "difference": None if row.difference is None else row.difference.mean,
        "p_adjusted": None if row.difference is None else row.difference.p_adjusted,
        "tied": tied,
        "dropped": None if row.dropped is None else row.dropped.reason,
    }
    return dict(plain(flat))


def _nested(row: Row) -> dict[str, Any]:
    found = {one.name: getattr(row, one.name) for one in fields(row) if one.name != "model"}
    return found | {"options": {name: as_json(value) for name, value in row.options.items()}}
