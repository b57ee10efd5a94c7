"""Least-squares fit of the hyperbola S = S_min (1 + B_c/B), and its bootstrap.

Squares of log S. For a given B_c the best S_min is closed-form, so one parameter is searched, and many fits
(the rows of a table of weights, such as bootstrap samples) are done at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from epochal.curves.smoothing import ALPHA
from epochal.curves.statistics import Bools, Floats, Ints, t_quantile
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

    def figures(self) -> tuple[Floats, Floats, Floats]:
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
    """The least sum of squares of each row of weights at each t; shape (rows, grid). Fast, not polished."""
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


def least(points: Points, weight: Floats) -> Fits:
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


def sizes_reached(points: Points, weight: Floats) -> Ints:
    """The number of batch sizes that reached the target, for each row of weights."""
    known = ~points.censored
    return np.sum([(weight[:, known & (points.x == x)] > 0).any(axis=1) for x in np.unique(points.x)], axis=0)


def profile(points: Points, best: Fits, freedom: int) -> tuple[Interval, Interval, Interval]:
    """The intervals of S_min, E_min and B_c: all whose squares are not significantly above the least."""

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

    allowed = float(best.squares[0]) * (1 + t_quantile(1 - ALPHA, freedom) ** 2 / freedom) + ROUNDING
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
