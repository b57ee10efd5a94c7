"""`Advice`: the advised settings with their evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epochal.choose.comparison.comparison import Usage
from epochal.choose.comparison.grid import as_json
from epochal.choose.comparison.sentences import join_names
from epochal.choose.statistics.noise_measurement import NoiseOverTraining
from epochal.choose.statistics.time_to_target import ExpectedRunningTime
from epochal.choose.trials.timing import TimingCurve
from epochal.common.late_bound import late_bound
from epochal.common.option_text import render_message
from epochal.common.text import counted
from epochal.curves import Curves, Summary
from epochal.data.records import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOALS = ("time", "samples", "updates", "quality")

_NOT_KEPT = ("asked", "curves", "higher_is_better", "timing")


@dataclass(frozen=True)
class Recommendation:
    """An advised number.

    value       what to take.
    low, high   the interval; `high` is infinite where only a lower end is known.
    note        what should be known about it, in a sentence; empty if nothing.
    """

    value: float
    low: float
    high: float
    note: str = ""

    def range_in_words(self, form: str = ".4g") -> str:
        """The interval in words, such as "16 to 128"; empty where nothing is known."""
        if not math.isfinite(self.low):
            return ""
        low = f"{self.low:{form}}"
        if math.isinf(self.high):
            return f"{low} or more"
        return f"only {low}" if self.low == self.high else f"{low} to {self.high:{form}}"


@dataclass(frozen=True, eq=False)
class Tried:
    """A setting that an advice tried, with its results.

    batch_size, learning_rate  the setting.
    repeats                    trainings of it.
    updates_to_target          expected updates until the target, repeats that missed it included.
    value                      (middle, low, high) with a 95 % interval.
                               For "time", "samples" and "updates": the expected cost of reaching the target,
                               in seconds, samples or updates.
                               For "quality": the mean of the monitored metric on all repeats of the
                               reference (of that + the mean paired difference, with fewer repeats); the
                               interval is that of the difference.
    effect                     (middle, low, high) against the reference, by pairs of repeats.
                               For "time", "samples" and "updates": the ratio of the costs.
                               For "quality": the difference of the metrics.
    tied                       whether it has no significant difference from the reference on as many repeats.
    given_up                   whether it was given up before the seeds that decide, not shown to be worse.
    epochs                     for "quality" the epochs that are best for it, after which its value is read.
    left_out                   whether it failed on the fresh seeds, more often than the advised one.
    ahead                      whether it is significantly better than the reference, and yet not advised.
    is_reference               whether it is what the others are compared with, which need not be advised.
    """

    batch_size: int
    learning_rate: float | None
    repeats: int
    updates_to_target: ExpectedRunningTime
    value: tuple[float, float, float]
    effect: tuple[float, float, float]
    tied: bool
    given_up: bool = False
    left_out: bool = False
    ahead: bool = False
    epochs: int | None = None
    is_reference: bool = False

    @property
    def text(self) -> str:
        """The setting in words."""
        rate = "" if self.learning_rate is None else f", rate {self.learning_rate:.3g}"
        epochs = "" if self.epochs is None else f", {counted(self.epochs, 'epoch')}"
        return f"batch {self.batch_size:,}{rate}{epochs}"


@dataclass(frozen=True, eq=False)
class ComparedSetting:
    """A setting beside the advised one, on the same seeds: the defaults, or the best of those tried.

    batch_size, learning_rate, epochs  of the setting.
    quality     the monitored metric after these epochs, or at the best epoch, which the other repeats choose
                for each repeat: at its own best epoch it would look too good.
    difference  the advice less it, by pairs of repeats; None for the advice itself.
    failures    repeats that diverged or ended worse than the baseline.
    kept        whether the quality is that of a best epoch.
    """

    batch_size: int
    learning_rate: float | None
    epochs: int
    quality: Summary
    difference: Summary | None
    failures: int
    kept: bool = True

    @property
    def text(self) -> str:
        """The setting in words."""
        rate = "" if self.learning_rate is None else f", learning rate {self.learning_rate:.3g}"
        best, kept = ("the best of ", " kept") if self.kept else ("", "")
        return f"batch size {self.batch_size:,}{rate}, {best}{counted(self.epochs, 'epoch')}{kept}"


@dataclass(frozen=True)
class AdviceUsage(Usage):
    """What the advice took, and how that compares.

    of_one_training  its updates, as a share of those of one training with the advised setting and epochs.
    of_grid          and of the exhaustive grid, which `grid` describes in words.
    """

    of_one_training: float = 0.0
    of_grid: float = 0.0
    grid: str = ""


@dataclass(frozen=True, eq=False)
class Advice:
    """The answer of `advise`, and everything it rests on.

    answer         the advice in one sentence.
    recommended    False where nothing that was tried beats the baseline; the numbers are then those that came
                   nearest to it, and no advice.
    goal           one of `GOALS`.
    batch_size, learning_rate, epochs   the advised numbers; the range of the epochs is where four fifths of
                   the repeats are best. Of `tried`, the tied ones have no significant difference.
    optimizer      its name.
    monitor        the monitored metric; `target_value` the mean value that counts as reached (each repeat has
                   its own), and `target_text` how it was set.
    quality        the monitored metric after the advised epochs, with seeds that chose no setting; its
                   interval is that of the mean on new rows. `metrics` are the others there.
    defaults       what the defaults give on the same seeds; `best_tried` the best of the other settings.
    failures       those of these seeds that diverged or ended worse than the baseline.
    seconds        what one training as advised takes, without compilation.
    best_epochs    the best epoch of each repeat; `improving` tells which were still improving at the end.
    tried          every setting that was measured for the choice, by batch size and rate.
    timing         update times against the batch size.
    noise          the gradient noise scale over the pilot, or None where it is not defined (`noise_text`).
    theory         the batch size that noise scale and timing alone suggest, or None; `decided_by` says in a
                   sentence whether theory or measurement decided, and why.
    curves         of the advised setting.
    asked          the options that were given, but for those that the advice is about.
    notes          what should be known, one sentence each.
    """

    answer: str
    recommended: bool
    goal: str
    batch_size: int
    learning_rate: float | None
    epochs: Recommendation
    optimizer: str
    monitor: str
    higher_is_better: bool
    target_value: float
    target_text: str
    quality: Summary
    metrics: Mapping[str, Summary]
    defaults: ComparedSetting
    failures: int
    seconds: float
    best_epochs: tuple[float, ...]
    improving: tuple[bool, ...]
    tried: tuple[Tried, ...]
    timing: TimingCurve
    noise: NoiseOverTraining | None
    noise_text: str
    theory: Recommendation | None
    decided_by: str
    curves: Curves
    notes: tuple[str, ...]
    usage: AdviceUsage
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    folder: Path | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    best_tried: ComparedSetting | None = None

    @property
    def beside(self) -> dict[str, ComparedSetting]:
        """What trained beside the advised on the same fresh seeds, by what it is called."""
        if self.defaults.difference is not None:
            return {"the defaults": self.defaults}
        return {} if self.best_tried is None else {"the best tried": self.best_tried}

    def advises(self, one: Tried) -> bool:
        """Whether a setting that was measured is the advised one, its rate to two digits or so."""
        if not self.recommended or one.batch_size != self.batch_size:
            return False
        if self.learning_rate is None or one.learning_rate is None:
            return True
        return math.isclose(self.learning_rate, one.learning_rate, rel_tol=0.05)

    @property
    def tied_text(self) -> str:
        """Which settings, each with its own rate and epochs, the measurements can't tell from the best."""
        if not self.recommended or len(self.tried) < 2:
            return ""
        best = next((one for one in self.tried if one.is_reference), None)
        worse = -1.0 if self.goal == "quality" and self.higher_is_better else 1.0
        others = [one for one in self.tried if one.tied and one is not best and not self.advises(one)]
        tied = [one.text for one in sorted(others, key=lambda one: worse * one.value[0])]
        early = sum(one.given_up and not self.advises(one) for one in self.tried)
        found = list[str]()
        it = "the advised"
        if best is not None and not self.advises(best):
            found.append(f"The search had chosen {best.text}; fresh seeds decided for the advised.")
            it = "that one"
        if tied:
            found.append(
                f"No significant difference from {it} on the same seeds: {join_names(tied, most=4)}."
            )
        if early:
            which = "1 other setting was" if early == 1 else f"{early} other settings were"
            found.append(f"{which} given up early, not shown to be worse.")
        return " ".join(found)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of `fit`: what was asked of `advise`, with the advised numbers.

        `fit(model, data, **advice.options)` trains once as advised, on the first seed; add `repeats`. Where
        nothing is recommended they hold no advised numbers.
        """
        if not self.recommended:
            return dict(self.asked)
        numbers = {"batch_size": self.batch_size, "epochs": math.ceil(self.epochs.value)}
        rate: dict[str, Any] = {}
        if self.learning_rate is not None:
            rate = {"optimizer": self.optimizer, "learning_rate": self.learning_rate}
        return {**self.asked, **numbers, **rate}

    @property
    def table(self) -> list[dict[str, Any]]:
        """One plain mapping for each setting that was measured."""
        unit = {"time": "seconds"}.get(self.goal, self.goal)
        effect = "difference" if self.goal == "quality" else "ratio"
        return [
            {
                "batch_size": one.batch_size,
                "learning_rate": one.learning_rate,
                "repeats": one.repeats,
                "reached": one.updates_to_target.reached,
                "updates": one.updates_to_target.expected,
                **dict(zip((unit, f"{unit}_low", f"{unit}_high"), one.value, strict=True)),
                **dict(zip((effect, f"{effect}_low", f"{effect}_high"), one.effect, strict=True)),
                "tied": one.tied,
                "given_up": one.given_up,
                "is_reference": one.is_reference,
                "left_out": one.left_out,
                "ahead": one.ahead,
                "epochs": one.epochs,
            }
            for one in self.tried
        ]

    def to_arrow(self) -> Any:
        """The table of what was tried, as an Arrow table (`.to_pandas()` makes a data frame of it)."""
        import pyarrow as pa

        return pa.Table.from_pylist(self.table)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the curves, as JSON holds it."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NOT_KEPT}
        options = {name: as_json(value) for name, value in self.options.items()}
        own = {"options": options, "tried": self.table, "update_seconds": self.timing.points}
        own["tied_text"] = self.tied_text
        return dict(plain(found | own))

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw cost and update time against the batch size, the best epochs and the curve."""
        return late_bound("plot_advice")(self, path)

    def report(self, path: str | Path = "advice.html", *, command: str = "") -> Path:
        """Write a self-contained page about the advice; `command` is the command that trains with it."""
        return Path(late_bound("write_page")(late_bound("advice_page")(self, command), path))

    def summary(self) -> str:
        """A few lines for a reader in a hurry."""
        lines = (self.answer, self.tied_text, *map(render_message, self.notes))
        return "\n".join(filter(None, lines))

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return late_bound("advice_html")(self)

    def __repr__(self) -> str:
        if not self.recommended:
            return "Advice(recommended=False)"
        rate = "" if self.learning_rate is None else f", learning_rate={self.learning_rate:g}"
        return f"Advice(batch_size={self.batch_size}{rate}, epochs={self.epochs.value:g})"
