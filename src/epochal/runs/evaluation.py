"""`Evaluation`: metrics, errors and calibration of a run on labeled data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.late_bound import late_bound
from epochal.common.option_text import of_new_data
from epochal.curves import Summary
from epochal.data import Task
from epochal.data.records import plain
from epochal.errors import require
from epochal.runs.forecast import ForecastScores
from epochal.runs.overlap import Overlap
from epochal.runs.per_class import ClassMetrics, Confused, most_confused
from epochal.runs.threshold import Threshold


@dataclass(frozen=True)
class Bin:
    """Samples with a probability in (low, high]; 0 is in the first bin.

    `predicted` is their mean probability, `observed` the share with the event; NaN if empty.
    """

    low: float
    high: float
    samples: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Calibration:
    """The calibration of probabilities: of samples with 0.8, 80 % should have the class.

    For two classes of the probability of the second; for labels of all of them together;
    for several classes of that of the predicted one (its confidence), as in Guo et al. 2017, "On
    calibration of modern neural networks", section 2.

    Args:
        of: the event.
        bins: ten of equal width, by the mean probabilities of the ensemble.
        error: the expected calibration error of the ensemble: the mean over samples of |observed - predicted|
            of their bin, equation 3 there. Few samples make it larger than it is.
        per_repeat: that of each repeat.
    """

    of: str
    bins: tuple[Bin, ...]
    error: float
    per_repeat: Summary


@dataclass(frozen=True)
class Residuals:
    """Predicted minus true values of one target, in its units, for the mean over repeats.

    `quantiles` by probability: {0.05: ..., 0.5: the median, ...}; `rmse`, `mae` and `r2` are the ensemble's.
    """

    name: str
    quantiles: Mapping[float, float]
    largest: float
    rmse: float
    mae: float
    r2: float


_COLUMNS = ("metric", "mean", "sd", "low", "high", "repeats", "ensemble")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of a run on labeled data; `print(evaluation)` shows it.

    Args:
        task: of the run; `target` its name.
        source: the data, in words.
        rows: number of scored samples, those with a known target.
        metrics: each over repeats: mean, standard deviation, 95 % interval.
        ensemble: of the mean prediction, as given by `predict`.
        at_threshold: the metrics of decisions, with the threshold of the run; empty without one.
        ensemble_at_threshold: likewise of the ensemble.
        confusion: (repeats, true, predicted) counts, by the run's threshold if it has one; of labels
            (repeats, labels, 2, 2); None for numbers.
        ensemble_confusion: (true, predicted) counts of the ensemble; of labels (labels, 2, 2).
        per_class: precision, recall, F1 and samples of each class, over repeats, by the same decisions.
        calibration: of probabilities; None for numbers.
        residuals: of each target; empty for classes.
        forecasts: for windows of a series, by step ahead and against naive forecasts; None for other data.
        overlap: rows that the run was trained on.
        parameters: "best" or "last".
        threshold: the decision threshold, if not one half.
        raw_notes: notes on the data, with options as code; `notes` has them as shown.
    """

    task: Task
    target: str
    source: str
    rows: int
    metrics: dict[str, Summary]
    ensemble: dict[str, float]
    overlap: Overlap
    parameters: str = "best"
    at_threshold: dict[str, Summary] = field(default_factory=dict)
    ensemble_at_threshold: dict[str, float] = field(default_factory=dict)
    confusion: NDArray[np.int64] | None = None
    ensemble_confusion: NDArray[np.int64] | None = None
    per_class: dict[str, ClassMetrics] = field(default_factory=dict)
    calibration: Calibration | None = None
    residuals: tuple[Residuals, ...] = ()
    forecasts: ForecastScores | None = None
    raw_notes: tuple[str, ...] = ()
    threshold: Threshold | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the data, one sentence each."""
        return tuple(map(of_new_data, self.raw_notes))

    @property
    def repeats(self) -> int:
        """Number of evaluated repeats."""
        return len(next(iter(self.metrics.values())).per_repeat)

    def most_confused(self, most: int = 10) -> list[Confused]:
        """The most frequent confusions of the ensemble; empty for regression."""
        if self.ensemble_confusion is None or self.task.is_multilabel:
            return []
        return most_confused(self.ensemble_confusion[None], self.task.classes, most)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row per metric: mean, sd and interval over repeats, and the ensemble's."""
        rows = [
            (name, one.mean, one.sd, *(one.ci95 or (None, None)), one.repeats, together)
            for name, one, together in self.summaries
        ]
        return [dict(zip(_COLUMNS, plain(row), strict=True)) for row in rows]

    @property
    def summaries(self) -> list[tuple[str, Summary, float]]:
        """Each metric: name, values over repeats, and the ensemble's."""
        return [
            (name, summary, self.ensemble.get(name, math.nan)) for name, summary in self.metrics.items()
        ] + [
            (f"{name} at the threshold", summary, self.ensemble_at_threshold[name])
            for name, summary in self.at_threshold.items()
        ]

    def to_arrow(self) -> Any:
        """The table of the metrics as an Arrow table."""
        import pyarrow as pa

        kinds = {"metric": pa.string(), "repeats": pa.int64()}
        schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in _COLUMNS])
        return pa.Table.from_pylist(self.table, schema=schema)

    def to_pandas(self) -> Any:
        """The table of the metrics as a pandas data frame, by metric."""
        require("pandas", extra="pandas", purpose="a data frame")
        return self.to_arrow().to_pandas().set_index("metric")

    def to_dict(self) -> dict[str, Any]:
        """As JSON; non-finite values are None."""
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "raw_notes"}
        found["overlap"] = asdict(self.overlap) | {"sentence": self.overlap.sentence}
        return dict(plain({**found, "repeats": self.repeats, "notes": self.notes}))

    def summary(self, width: int = 100) -> str:
        """As text of at most this width."""
        return str(late_bound("evaluation_text")(self, width))

    __str__ = summary

    def __repr__(self) -> str:
        name, summary = next(one for one in self.metrics.items() if one[0] != "loss")
        return f"<Evaluation of {self.rows:,} rows of {self.source}: {name} {summary}>"

    def _repr_html_(self) -> str:
        return late_bound("evaluation_html")(self)
