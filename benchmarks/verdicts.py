"""How often is the verdict right? Curves with known answers: truth against verdict.

`python -m benchmarks verdicts`. May follow: a number of curves a truth and number of repeats (60), of tables
a case (2), and a percentage of the varied ones (100).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.known_curves import TRUTHS, Known, drawn
from benchmarks.known_trainings import trainings, varied
from benchmarks.measure import Aim, Table
from epochal.curves import Curves, Verdict, judge
from epochal.curves.judgment import GOOD
from epochal.curves.limits import FLAT

REPEATS = (1, 3, 5, 10)
RIGHT = {
    "overfitting": ("overfitting",),
    "slight overfitting": ("overfitting",),
    "good fit": ("good fit", "stopped in time"),
    "still improving": ("still improving",),
    "slowly improving": ("still improving",),
    "underfitting": ("underfitting",),
    "noise": ("no significant difference from chance",),
    "unstable": ("unstable",),
    "good fit, stopped": ("good fit", "stopped in time"),
    "overfitting, stopped": ("overfitting", "stopped in time"),
}
SOURCES = ("drawn", "trained", "varied, numbers", "varied, classes")
ASKED = (
    ("varied, numbers", "overfitting", 0.9),
    ("varied, classes", "overfitting", 1.0),
    ("varied", "noise", 159 / 160),
    ("varied", "still improving", 1.0),
)
"""In what share of varied tables the truth is to be said."""
OPEN = ("leveled off", "undecided", "not judged", "no significant difference from chance")
"""Kinds that claim nothing, beside those that are probable; on noise the last is the answer."""
LEFT = 0.1
"""Of the loss at the end, that it would still have fallen: patience that scatter ended too early."""
SHORT = {"no significant difference from chance": "no difference from chance"}


class Case(NamedTuple):
    """A verdict beside the truth."""

    source: str
    truth: str
    repeats: int
    verdict: Verdict
    curves: Curves
    rise: float | None = None
    left: float = 0.0

    @property
    def right(self) -> bool:
        """Whether it says the truth: of a small rise also that no more than it is left room for."""
        kind, most = self.verdict.kind, self.verdict.statistics.get("rise_at_most")
        if self.truth == "slight overfitting" and kind in ("good fit", "stopped in time"):
            return self.rise is not None and most is not None and self.rise <= most
        if self.truth.endswith("stopped") and self.left > LEFT:
            return kind == "still improving" or (kind in GOOD and self.left <= FLAT)
        return kind in RIGHT[self.truth]

    @property
    def commits(self) -> bool:
        """Whether it claims something."""
        kind = self.verdict.kind
        return self.right or not (kind in OPEN or kind.startswith("probably"))

    @property
    def says_so(self) -> bool:
        """Whether a reader is told the truth: of overfitting also as probable, or beside another answer."""
        rose = self.verdict.kind == "probably overfitting" or "rose to" in self.verdict.sentence
        return self.right or (self.truth == "overfitting" and rose)

    @property
    def wrongly_green(self) -> bool:
        """Whether it reassures though the mean ends above 1.2 times its minimum, or still falls for long."""
        if self.truth in ("still improving", "slowly improving"):
            return self.verdict.reassures
        mean = self.curves.summary("validation.loss").mean
        mean = mean[np.isfinite(mean)]
        return self.verdict.reassures and bool(mean[-1] > 1.2 * mean.min() > 0)


def judged(known: Known) -> Verdict:
    """The verdict on curves that were drawn."""
    return judge(
        known.curves,
        baseline=known.baseline,
        validation_samples=known.samples,
        training_samples=known.training_samples,
        stopped_early=known.truth.endswith("stopped"),
        settings={"loss": known.loss, "learning_rate": 0.01, "batch_size": 32},
    )


def simulated(count: int) -> Iterator[Case]:
    """Curves of the generative model."""
    for repeats in REPEATS:
        for truth in TRUTHS:
            rng = np.random.default_rng([TRUTHS.index(truth), repeats])
            for _ in range(count):
                known = drawn(truth, repeats, rng)
                yield Case("drawn", truth, repeats, judged(known), known.curves, known.rise, known.left)


def trained(tables: int) -> Iterator[Case]:
    """Real trainings."""
    for one in trainings(tables, REPEATS):
        yield Case("trained", one.truth, one.run.repeats, one.run.verdict, one.run.curves)


def as_usual(share: float) -> Iterator[Case]:
    """Real trainings with the usual five repeats, of tables that differ."""
    for one in varied(share):
        source = f"varied, {'classes' if one.classes else 'numbers'}"
        yield Case(source, one.truth, one.run.repeats, one.run.verdict, one.run.curves)


def row(source: str, truth: str, cases: list[Case]) -> dict[str, str | int | float]:
    """One line of the confusion table."""
    kinds = Counter(case.verdict.kind for case in cases)
    commits = [case for case in cases if case.commits]
    return {
        "source": source,
        "truth": truth,
        "curves": len(cases),
        "commits": f"{len(commits) / len(cases):.0%}",
        "right": f"{sum(case.right for case in commits) / len(commits):.0%}" if commits else "",
        "verdicts": ", ".join(f"{SHORT.get(kind, kind)} {number}" for kind, number in kinds.most_common()),
    }


def table(cases: Iterable[Case]) -> Table:
    """The confusion table."""
    cases = list(cases)
    columns = {
        "source": "curves",
        "truth": "truth",
        "curves": "number",
        "commits": "commits",
        "right": "right where it commits",
        "verdicts": "verdicts",
    }
    found = Table("verdicts", "Verdicts on curves with known answers", columns, timed=False)
    for source in SOURCES:
        for truth in TRUTHS:
            some = [case for case in cases if case.source == source and case.truth == truth]
            if some:
                found.rows.append(row(source, truth, some))
    for repeats in REPEATS:
        some = [case for case in cases if case.repeats == repeats and not case.source.startswith("varied")]
        found.rows.append(row(f"all, {repeats} repeat{'s' * (repeats > 1)}", "", some) | {"verdicts": ""})
    found.rows.append(row("all", "", cases) | {"verdicts": ""})
    commits = [case for case in cases if case.commits]
    for source in ("drawn", "trained", "varied"):
        some = [case for case in commits if case.source.startswith(source)]
        if some:
            share = sum(case.right for case in some) / len(some)
            found.aims.append(Aim(f"right where it commits, {source}", share, 0.95))
    for source, truth, bound in ASKED:
        some = [case for case in cases if case.source.startswith(source) and case.truth == truth]
        if some:
            share = sum(case.says_so for case in some) / len(some)
            found.aims.append(Aim(f"{source}: {truth} is said", share, bound))
    lowest = min(
        sum(case.right for case in some) / len(some)
        for truth in TRUTHS
        if (some := [case for case in commits if case.truth == truth])
    )
    found.aims.append(Aim("right where it commits, the truth that is judged worst", lowest, 0.95))
    green = sum(case.wrongly_green for case in cases)
    found.aims.append(
        Aim("green on an end above 1.2 times the minimum, or on a falling curve", green, 0, at_most=True)
    )
    found.notes.append(
        "1, 3, 5 and 10 repeats in equal parts; varied tables differ in size, signal and scatter and have "
        "5; overfitting is said there also where it is probable, or where the loss is said to have risen "
        "after no significant gain on the baseline. “Commits”: not probably, undecided, leveled off, not "
        "judged or, except on noise, no significant difference from chance. Slight overfitting (a rise of 4 "
        "to 15 % of the lowest loss) is also right where the verdict leaves room for a rise of that size. "
        "Slowly improving: powers of the epochs, of which twice as many lower the loss by more than a "
        "fourth. Where scatter made patience stop before the loss was level, still improving is right."
    )
    return found


def main(count: int = 60, tables: int = 2, percent: int = 100) -> None:
    """Measure, and write the table."""
    table([*simulated(count), *trained(tables), *as_usual(percent / 100)]).publish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
