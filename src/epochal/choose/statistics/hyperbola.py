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

from epochal.choose.statistics.time_to_target import format_amount, format_amount_range, resampled_ci95
from epochal.curves.statistics import ALPHA, Bools, Floats, t_quantile
from epochal.errors import Refusal

Interval = tuple[float, float]

BEYOND = math.log(1e6)
"""How far beyond the measured batch sizes a critical one is looked for; farther counts as 0 or infinite."""

SPACING = math.log(10) / 12  # of the grid of critical batch sizes, in log units
POLISHING = 15  # so many Newton steps from the best of the grid
ROUNDING = 1e-20  # sums of squares of log steps that differ by less are equal


@dataclass(frozen=True)
class Points:
    """Logs of batch sizes and steps, and which steps are only lower bounds."""

    x: Floats
    y: Floats
    censored: Bools

    @classmethod
    def of(cls, sizes: Floats, steps: Floats, censored: Bools) -> Points:
        """The points to fit, or a refusal."""
        wrong = steps[~(np.isfinite(steps) & (steps > 0))]
        if wrong.size:
            raise Refusal(
                f"steps must be positive and finite; got {wrong[0]:g}: choose a target that is not reached "
                "before the first update."
            )
        known = np.unique(sizes[~censored]).size
        if known < 2:
            raise Refusal(
                f"a hyperbola needs a target that was reached at 2 batch sizes or more; it was at {known}: "
                "choose an easier target, or train longer."
            )
        return cls(np.log(sizes), np.log(steps), censored)

    def residuals(self, t: Floats) -> Floats:
        """Log steps less the shape of the curve with log B_c = t; shape (*t.shape, points).

        At t = ∞ the shape is 1/B, and what is left is the log of E_min instead of S_min.
        """
        at = t[..., None]
        finite = np.where(np.isposinf(at), 0.0, at)
        return self.y - np.where(np.isposinf(at), -self.x, np.logaddexp(0.0, finite - self.x))


@dataclass(frozen=True)
class Fits:
    """Best curves, one a row of weights: log B_c, log S_min (log E_min where B_c is infinite), squares."""

    t: Floats
    level: Floats
    squares: Floats

    def parameters(self) -> tuple[Floats, Floats, Floats]:
        """S_min, E_min and B_c."""
        endless = np.isposinf(self.t)
        critical = np.exp(self.t)
        samples = np.exp(np.where(endless, self.level, self.level + self.t))
        return np.where(endless, 0.0, np.exp(self.level)), samples, critical


def _level(points: Points, t: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """For each row, the best level at log B_c = t, its sum of squares, and the weights that counted.

    The level is the mean of the residuals. Censored ones belong to it as long as they lie above it: added
    from the highest down, they raise the mean up to there and lower it from there on.
    """
    r = points.residuals(t)
    known = ~points.censored
    mass = weight[:, known].sum(axis=1)
    total = (weight[:, known] * r[:, known]).sum(axis=1)
    level = total / np.maximum(mass, 1e-300)
    if points.censored.any():
        down = np.argsort(-r[:, points.censored], axis=1)
        above = np.take_along_axis(r[:, points.censored], down, axis=1)
        count = np.take_along_axis(weight[:, points.censored], down, axis=1)
        means = (total[:, None] + np.cumsum(count * above, axis=1)) / np.maximum(
            mass[:, None] + np.cumsum(count, axis=1), 1e-300
        )
        level = np.maximum(level, means.max(axis=1))
    counted = np.where(known | (r > level[:, None]), weight, 0.0)
    return level, (counted * (r - level[:, None]) ** 2).sum(axis=1), counted


def _on_grid(points: Points, t: Floats, weight: Floats) -> Floats:
    """The smallest sum of squares of each row of weights at each t; shape (rows, grid). Not polished."""
    r = points.residuals(t).T
    r = r - r[~points.censored].mean(axis=0)  # squares of large numbers would cancel badly
    known = ~points.censored
    mass = np.broadcast_to(weight[:, known].sum(axis=1)[:, None], (weight.shape[0], t.size)).copy()
    total, squares = weight[:, known] @ r[known], weight[:, known] @ r[known] ** 2
    if points.censored.any():
        bounds, counts = r[points.censored], weight[:, points.censored]
        down = np.argsort(-bounds, axis=0)
        for place in down:
            value, count = bounds[place, np.arange(t.size)], counts[:, place]
            counted = np.where(value * mass > total, count, 0.0)
            mass += counted
            total += counted * value
            squares += counted * value**2
    return squares - total**2 / np.maximum(mass, 1e-300)


def _grid(points: Points) -> Floats:
    """Log B_c from where the curve is flat to where it is 1/B, with both limits."""
    low, high = points.x.min() - BEYOND, points.x.max() + BEYOND
    inner = np.linspace(low, high, math.ceil((high - low) / SPACING) + 1)
    return np.concatenate([[-np.inf], inner, [np.inf]])


def best_fits(points: Points, weight: Floats) -> Fits:
    """The best curve for each row of weights: the best of the grid, polished by Newton steps."""
    grid = _grid(points)
    rows = weight.shape[0]
    best = np.argmin(_on_grid(points, grid, weight)[:, 1:-1], axis=1) + 1
    t = grid[best]
    low, high = t - SPACING, t + SPACING
    level, squares, counted = _level(points, t, weight)
    damping = np.ones(rows)
    for _ in range(POLISHING):
        slope = 1 / (1 + np.exp(points.x - t[:, None]))
        mass = np.maximum(counted.sum(axis=1), 1e-300)
        centered = slope - ((counted * slope).sum(axis=1) / mass)[:, None]
        error = points.residuals(t) - level[:, None]
        squared = (counted * centered**2).sum(axis=1)
        curvature = squared - (counted * error * slope * (1 - slope)).sum(axis=1)
        curvature = np.maximum(np.where(curvature > 0, curvature, squared), 1e-300)
        step = (counted * centered * error).sum(axis=1) / curvature
        trial = np.clip(t + damping * step, low, high)
        *new, new_counted = (trial, *_level(points, trial, weight))
        better = new[2] < squares
        t, level, squares = np.where(better, new, (t, level, squares))
        counted = np.where(better[:, None], new_counted, counted)
        damping = np.where(better, 1.0, damping / 2)
    for limit in (-np.inf, np.inf):
        there = np.full(rows, limit)
        limit_level, limit_squares, _ = _level(points, there, weight)
        # A limit wins a draw: far out on a branch, the squares differ by rounding only.
        wins = limit_squares <= squares * (1 + 1e-9) + ROUNDING
        t, level, squares = np.where(wins, (there, limit_level, limit_squares), (t, level, squares))
    return Fits(t, level, squares)


def profile(points: Points, best: Fits, df: int) -> tuple[Interval, Interval, Interval]:
    """The intervals of S_min, E_min and B_c: all whose squares are not significantly above the minimum."""

    def levels(t: Floats) -> tuple[Floats, Floats]:
        return _level(points, t, np.ones((t.size, points.x.size)))[:2]

    def crossing(outside: float, inside: float) -> float:
        """Where the profile crosses what is allowed, by bisection between two log B_c."""
        for _ in range(50):
            middle = (outside + inside) / 2
            if levels(np.array([middle]))[1][0] <= allowed:
                inside = middle
            else:
                outside = middle
        return inside

    def span(center: Floats) -> Interval:
        """From the lowest to the highest of many intervals of logs."""
        return math.exp((center - half).min()), math.exp((center + half).max())

    allowed = float(best.squares[0]) * (1 + t_quantile(1 - ALPHA, df) ** 2 / df) + ROUNDING
    grid = _grid(points)
    start, stop = float(grid[1]), float(grid[-2])
    inside = levels(grid)[1] <= allowed
    near = np.append(grid[1:-1][inside[1:-1]], np.clip(best.t, start, stop))
    low = crossing(max(start, near.min() - SPACING), near.min())
    high = crossing(min(stop, near.max() + SPACING), near.max())
    ends = grid[[0, -1]][inside[[0, -1]]]
    at = np.sort(np.concatenate([np.linspace(low, high, 201), ends]))
    level, squares = levels(at)
    half = np.sqrt(np.maximum(allowed - squares, 0) / (~points.censored).sum())
    endless = np.isposinf(at)
    steps, samples = np.where(endless, -np.inf, level), np.where(endless, level, level + at)
    critical = (0.0 if inside[0] else math.exp(low), math.inf if inside[-1] else math.exp(high))
    return span(steps), span(samples), critical


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
    critical_batch_size: float
    steps_ci95: Interval
    samples_ci95: Interval
    critical_batch_size_ci95: Interval
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
        low, high = self.critical_batch_size_ci95
        return low > 0 if math.isinf(high) else low == 0 or high <= WIDEST * low

    def __str__(self) -> str:
        interval = f"95 % interval {format_amount_range(*self.critical_batch_size_ci95)}"
        if not self.estimated:
            return f"critical batch size could not be estimated ({interval})"
        fewest = []
        if self.minimal_steps > 0:
            fewest.append(f"fewest updates {format_amount(self.minimal_steps)}")
        if self.minimal_samples > 0:
            fewest.append(f"fewest samples {format_amount(self.minimal_samples)}")
        critical = format_amount(self.critical_batch_size)
        if math.isinf(self.critical_batch_size) or self.critical_batch_size == 0:
            critical = f"{'above' if self.critical_batch_size else 'below'} the sizes tried"
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
    than the smallest one (F test at 5 %, points - 2 degrees of freedom). They take the points as independent;
    `bootstrap_hyperbola` does not. All columns have shape (points,); a batch size may occur more than once.

    >>> curve = fit_hyperbola([1, 4, 16, 64, 256], [510, 135, 41.25, 17.8125, 11.953125])
    >>> round(curve.minimal_steps, 6), round(curve.critical_batch_size, 6), round(curve.minimal_samples, 6)
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
    `time_to_target.resampled_ci95` for the percentiles. `steps` are updates to the target, or
    those spent where it was not `reached`; both have shape (repeats, sizes).

    >>> steps = [[520, 136, 41, 17.6, 12], [500, 133, 42, 18, 11.9], [512, 137, 40, 17.9, 12.1]]
    >>> curve = bootstrap_hyperbola([1, 4, 16, 64, 256], steps)
    >>> low, high = curve.critical_batch_size_ci95
    >>> low < curve.critical_batch_size < high
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
    drawn = best_fits(points, weight)
    known = ~points.censored
    there = [(weight[:, known & (points.x == x)] > 0).any(axis=1) for x in np.unique(points.x)]
    enough = np.sum(there, axis=0) >= 2  # batch sizes that reached the target, in each bootstrap sample

    def interval(estimate: float, resampled: Floats) -> Interval:
        low, high = np.where(enough, resampled, 0.0), np.where(enough, resampled, np.inf)
        return resampled_ci95(estimate, low, high, repeats=repeats)

    min_steps, min_samples, critical = drawn.parameters()
    return replace(
        whole,
        steps_ci95=interval(whole.minimal_steps, min_steps),
        samples_ci95=interval(whole.minimal_samples, min_samples),
        critical_batch_size_ci95=interval(whole.critical_batch_size, critical),
    )


def fastest_batch(batch_sizes: ArrayLike, seconds_per_update: ArrayLike, critical_batch_size: float) -> float:
    """The batch size that reaches a target soonest, on a measured curve of update times with its knees.

    It minimizes (1 + B_c/B) · t(B). Between neighboring measured sizes t is a power of B (a straight line in
    logs), for which the minimum is closed-form; beyond them nothing is assumed, so the answer is within.
    It is not rounded, and the smaller one where two are as fast. Sizes come in any order, each once. With a
    B_c of 0 the smallest t wins, with an infinite one the most samples a second.

    >>> fastest_batch([1, 16, 64, 256], [1e-3, 1e-3, 1e-3, 4e-3], critical_batch_size=500)
    64.0
    """
    sizes, seconds = (np.asarray(one, np.float64) for one in (batch_sizes, seconds_per_update))
    order = np.argsort(sizes)
    x, y = np.log(sizes[order]), np.log(seconds[order])
    candidates = list(x)
    if 0 < critical_batch_size < math.inf:
        power = np.diff(y) / np.diff(x)
        for left, right, p in zip(x[:-1], x[1:], power, strict=True):
            # On a segment t = c B^p the logarithmic slope of the cost is p - B_c/(B + B_c).
            if 0 < p < 1 and left < (bottom := math.log(critical_batch_size) + math.log((1 - p) / p)) < right:
                candidates.append(bottom)
    at = np.sort(np.array(candidates))
    needed = -at if math.isinf(critical_batch_size) else np.log1p(critical_batch_size / np.exp(at))
    best = float(at[np.argmin(np.interp(at, x, y) + needed)])
    return float(sizes[order][np.searchsorted(x, best)]) if best in x else math.exp(best)


def _fitted(points: Points) -> Hyperbola:
    best = best_fits(points, np.ones((1, points.x.size)))
    steps, samples, critical = (float(one[0]) for one in best.parameters())
    df = int((~points.censored).sum()) - 2
    unknown = (0.0, math.inf)
    intervals = profile(points, best, df) if df > 0 else (unknown, unknown, unknown)
    return Hyperbola(
        steps,
        samples,
        critical,
        *intervals,
        scatter=math.sqrt(float(best.squares[0]) / df) if df > 0 else None,
        points=points.x.size,
        censored=int(points.censored.sum()),
    )
