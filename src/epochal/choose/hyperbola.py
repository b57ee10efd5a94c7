"""Updates to a target as a function of the batch size.

They fall like 1/B while the gradient's noise dominates, and no further once it does not: S = S_min + E_min/B.
The critical batch size B_c = E_min/S_min is where both parts are equal: twice the fewest updates, twice the
fewest samples (McCandlish et al. 2018, An empirical model of large-batch training, arXiv 1812.06162).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.hyperbola_fit import Interval, Points, least, profile, sizes_reached
from epochal.choose.reached import resampled_ci95, written, written_range
from epochal.curves.statistics import Floats

WIDEST = 100.0  # how far apart the ends of an interval of the critical batch size may be, as a factor


@dataclass(frozen=True)
class Hyperbola:
    """The updates to a target at any batch size B: minimal_steps + minimal_samples / B.

    The intervals are at 95 %. Where all points lie on one branch, B_c is bounded on one side only: its
    interval begins at 0 (the updates do not fall with B) or ends at infinity (they fall like 1/B, as far as
    was measured), and so may the estimate itself. `scatter` is the standard deviation of the log of the steps
    around the curve, None where as many points as parameters leave none over.
    """

    minimal_steps: float
    minimal_samples: float
    critical_batch: float
    steps_ci95: Interval
    samples_ci95: Interval
    critical_ci95: Interval
    scatter: float | None
    points: int
    censored: int

    def steps(self, batch_size: ArrayLike) -> Floats:
        """Updates to the target, S_min (1 + B_c/B).

        >>> curve = fit_hyperbola([250, 1000, 4000], [500, 200, 125])
        >>> curve.steps([250, 4000]).round(6).tolist()  # five times the fewest, and 1.25 times
        [500.0, 125.0]
        """
        return self.minimal_steps + self.minimal_samples / np.asarray(batch_size, dtype=np.float64)

    @property
    def estimated(self) -> bool:
        """Whether the critical batch size is estimated to better than two orders of magnitude.

        Not if the interval is from 0 to infinity, or wider than `WIDEST`; open at one end it is a bound.
        """
        low, high = self.critical_ci95
        return low > 0 if math.isinf(high) else low == 0 or high <= WIDEST * low

    def __str__(self) -> str:
        interval = f"95 % interval {written_range(*self.critical_ci95)}"
        if not self.estimated:
            return f"critical batch size could not be estimated ({interval})"
        fewest = []
        if self.minimal_steps > 0:
            fewest.append(f"fewest updates {written(self.minimal_steps)}")
        if self.minimal_samples > 0:
            fewest.append(f"fewest samples {written(self.minimal_samples)}")
        critical = written(self.critical_batch)
        if math.isinf(self.critical_batch) or self.critical_batch == 0:
            critical = f"{'above' if self.critical_batch else 'below'} the sizes tried"
        return f"critical batch size {critical} ({interval}); {', '.join(fewest)}"


def fit_hyperbola(
    batch_sizes: ArrayLike, steps: ArrayLike, *, censored: ArrayLike | None = None
) -> Hyperbola:
    """The hyperbola through measured updates to a target, by least squares of their logs.

    For a given B_c the best S_min is closed-form, so one parameter is searched: over a grid, then by
    Newton steps. A censored point says that at least so many updates are needed: it counts only where the
    curve runs below it. (A likelihood would need to know the scatter. Without it, where small batches were
    cut short, B_c came out 1 to 6 % low in simulations with a scatter of 0.1, and about 10 % with 0.3.)

    The intervals are those of the profile: all B_c at which the sum of squares is not significantly larger
    than the least one (F test at 5 %, points - 2 degrees of freedom). They take the points as independent;
    `bootstrap_hyperbola` does not. All columns have shape (points,); a batch size may occur more than once.

    >>> curve = fit_hyperbola([1, 4, 16, 64, 256], [510, 135, 41.25, 17.8125, 11.953125])
    >>> round(curve.minimal_steps, 6), round(curve.critical_batch, 6), round(curve.minimal_samples, 6)
    (10.0, 50.0, 500.0)
    """
    sizes, spent = np.asarray(batch_sizes, np.float64), np.asarray(steps, np.float64)
    missed = np.zeros(sizes.shape, np.bool_) if censored is None else np.asarray(censored, np.bool_)
    return _fitted(Points.of(sizes, spent, missed))


def bootstrap_hyperbola(
    batch_sizes: ArrayLike,
    steps: ArrayLike,
    reached: ArrayLike | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Hyperbola:
    """The hyperbola of all repeats, with intervals from resampling whole repeats.

    Repeat i had the same seed at every batch size, so rows are drawn, not points: what a seed does to a whole
    row is kept together. With one repeat there is nothing to resample, and the profile's intervals stay. See
    `epochal.choose.reached.resampled_ci95` for the percentiles. `steps` are updates to the target, or those
    spent where it was not `reached`; both have shape (repeats, sizes).

    >>> steps = [[520, 136, 41, 17.6, 12], [500, 133, 42, 18, 11.9], [512, 137, 40, 17.9, 12.1]]
    >>> curve = bootstrap_hyperbola([1, 4, 16, 64, 256], steps)
    >>> low, high = curve.critical_ci95
    >>> low < curve.critical_batch < high
    True
    """
    sizes, spent = np.asarray(batch_sizes, np.float64), np.asarray(steps, np.float64)
    hit = np.ones(spent.shape, np.bool_) if reached is None else np.asarray(reached, np.bool_)
    repeats = spent.shape[0]
    points = Points.of(np.tile(sizes, repeats), spent.ravel(), ~hit.ravel())
    whole = _fitted(points)
    if repeats == 1:
        return whole
    rows = np.random.default_rng(seed).integers(repeats, size=(resamples, repeats))
    counts = (rows[:, :, None] == np.arange(repeats)).sum(axis=1)
    weight = np.repeat(counts, sizes.size, axis=1).astype(np.float64)
    drawn = least(points, weight)
    enough = sizes_reached(points, weight) >= 2

    def interval(estimate: float, figures: Floats) -> Interval:
        low, high = np.where(enough, figures, 0.0), np.where(enough, figures, np.inf)
        return resampled_ci95(estimate, low, high, repeats=repeats)

    fewest_steps, fewest_samples, critical = drawn.figures()
    return replace(
        whole,
        steps_ci95=interval(whole.minimal_steps, fewest_steps),
        samples_ci95=interval(whole.minimal_samples, fewest_samples),
        critical_ci95=interval(whole.critical_batch, critical),
    )


def fastest_batch(batch_sizes: ArrayLike, seconds_per_update: ArrayLike, critical_batch: float) -> float:
    """The batch size that reaches a target soonest, on a measured curve of update times with its knees.

    It minimizes (1 + B_c/B) · t(B). Between neighboring measured sizes t is a power of B (a straight line in
    logs), for which the least is closed-form; beyond them nothing is assumed, so the answer is never outside.
    It is not rounded, and the smaller one where two are as fast. Sizes come in any order, each once. With a
    B_c of 0 the smallest t wins, with an infinite one the most samples a second.

    >>> fastest_batch([1, 16, 64, 256], [1e-3, 1e-3, 1e-3, 4e-3], critical_batch=500)
    64.0
    """
    sizes, seconds = (np.asarray(one, np.float64) for one in (batch_sizes, seconds_per_update))
    order = np.argsort(sizes)
    x, y = np.log(sizes[order]), np.log(seconds[order])
    candidates = list(x)
    if 0 < critical_batch < math.inf:
        power = np.diff(y) / np.diff(x)
        for left, right, p in zip(x[:-1], x[1:], power, strict=True):
            # On a segment t = c B^p the logarithmic slope of the cost is p - B_c/(B + B_c).
            if 0 < p < 1 and left < (bottom := math.log(critical_batch) + math.log((1 - p) / p)) < right:
                candidates.append(bottom)
    at = np.sort(np.array(candidates))
    needed = -at if math.isinf(critical_batch) else np.log1p(critical_batch / np.exp(at))
    best = float(at[np.argmin(np.interp(at, x, y) + needed)])
    return float(sizes[order][np.searchsorted(x, best)]) if best in x else math.exp(best)


def _fitted(points: Points) -> Hyperbola:
    best = least(points, np.ones((1, points.x.size)))
    steps, samples, critical = (float(figure[0]) for figure in best.figures())
    freedom = int((~points.censored).sum()) - 2
    unknown = (0.0, math.inf)
    intervals = profile(points, best, freedom) if freedom > 0 else (unknown, unknown, unknown)
    return Hyperbola(
        steps,
        samples,
        critical,
        *intervals,
        scatter=math.sqrt(float(best.squares[0]) / freedom) if freedom > 0 else None,
        points=points.x.size,
        censored=int(points.censored.sum()),
    )
