"""`Verdict`, and the labels of its statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from epochal.common.metric_names import label_of
from epochal.common.notebook_view import details, facts, heading, items, paragraph, view
from epochal.common.option_text import render_message
from epochal.data.records import Record

KINDS = (
    "overfitting",
    "probably overfitting",
    "underfitting",
    "probably underfitting",
    "good fit",
    "stopped in time",
    "leveled off",
    "undecided",
    "still improving",
    "probably still improving",
    "unstable",
    "probably unstable",
    "no significant difference from chance",
    "not judged",
)
"""Every kind of verdict. "undecided" looks flat, but a rise or fall that matters is not ruled out;
"leveled off" rules it out, but the run is not good: a warning, or no known baseline.
"""

GOOD = ("good fit", "stopped in time")  # reassuring kinds

_LABELS = {
    "best_epoch_range": "best epochs of the repeats",
    "best_value": "validation loss at the best epochs",
    "best_value_interval": "95 % interval of that, for new samples",
    "fair_best_value": "the same, each epoch chosen on the other repeats",
    "gain_at_least": "gain over the baseline, lower 95 % bound",
    "gain_at_most": "largest gain that is not ruled out",
    "lowest_epoch": "epoch where the smoothed mean is lowest",
    "value_there": "smoothed loss there",
    "value_at_the_end": "smoothed loss at the end",
    "rise_to_the_end": "rise between them",
    "end_over_minimum": "end of the mean, times its minimum",
    "min_relevant_rise": "smallest rise that counts",
    "rise_at_most": "largest rise that is not ruled out",
    "reversed_rise": "largest rise before that was taken back",
    "rise_by_a_factor_of_at_least": "rise as a factor, lower 95 % bound",
    "rise_at_least": "rise, lower 95 % bound",
    "training_fall_meanwhile": "fall of the training loss meanwhile",
    "fall_over_last_epochs": "fall over the last epochs",
    "fall_at_least": "fall over the last epochs, lower 95 % bound",
    "min_relevant_fall": "smallest fall that counts",
    "fall_in_twice_the_epochs_at_most": "largest fall in twice the epochs that is not ruled out",
    "scatter_bound": "what scatter alone can do",
    "log_likelihood_ratio": "evidence of the samples (log likelihood ratio)",
    "log_likelihood_ratio_needed": "evidence that is needed",
    "explained_share_of_training_loss": "share of the baseline loss that training removed",
}


def statistic_label(name: str) -> str:
    """The label of one of the statistics of a verdict.

    >>> statistic_label("min_relevant_rise"), statistic_label("validation_samples")
    ('smallest rise that counts', 'validation samples')
    """
    return _LABELS.get(name) or label_of(name)


@dataclass(frozen=True)
class Verdict(Record):
    """A judgment of learning curves, with the rule and the statistics behind it.

    kind      one of `KINDS`.
    sentence  the judgment of the curves, in one or two sentences.
    rule      how it was reached, thresholds included.
    statistics   the numbers behind it, by name.
    remedy    what to do, with options as code between backticks.
    warnings  what outranks the curve, one sentence each, shown first.
    """

    kind: str
    sentence: str
    rule: str
    statistics: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reassures(self) -> bool:
        """Whether nothing speaks against the run: shown in green."""
        return self.kind in GOOD and not self.warnings

    @property
    def text(self) -> str:
        """The warnings, then the sentence."""
        return " ".join((*self.warnings, self.sentence))

    def __str__(self) -> str:
        return render_message(self.text)

    def __repr__(self) -> str:
        return f"<Verdict: {' '.join(filter(None, (str(self), render_message(self.remedy))))}>"

    def _repr_html_(self) -> str:
        statistics = [(statistic_label(name), _shown(value)) for name, value in self.statistics.items()]
        rest = facts([*statistics, ("rule", render_message(self.rule))])
        return view(
            heading("Verdict", self.kind),
            items("", self.warnings),
            paragraph(self.sentence, self.remedy),
            details("How this was judged", rest),
        )


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) and not value.is_integer() else f"{value}"
