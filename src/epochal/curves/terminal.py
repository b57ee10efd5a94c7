"""Plots of the curves in a terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from epochal.common.text import mean_count
from epochal.curves.curves import Band, Curves
from epochal.curves.statistics import Bools, Floats, Ints
from epochal.errors import Refusal

Painter = Callable[[str, str], str]

# The four rows and two columns of dots in a braille cell, as bits.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True)
class Glyphs:
    """The characters that an encoding has."""

    braille: bool
    upright: str
    tick: str
    corner: str
    flat: str
    x_tick: str
    best: str
    shade: str
    rule: str
    plus_minus: str

    @classmethod
    def of(cls, encoding: str) -> Glyphs:
        """Those of an encoding; without braille, plain ones."""
        try:
            "⣿│┤└─┬▲░┊±".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls(False, "|", "+", "+", "-", "+", "^", ":", "|", "+-")
        return cls(True, *"│┤└─┬▲░┊±")


class Canvas:
    """Cells of 2 by 4 dots, with one layer per line, and below them layers of shade and the best epoch."""

    def __init__(self, across: int, down: int, glyphs: Glyphs) -> None:
        self.glyphs = glyphs
        self.fine_x, self.fine_y = (2, 4) if glyphs.braille else (1, 1)
        self.across, self.down = across, down
        self.layers: dict[int, Ints] = {}
        self.shaded = np.zeros((down, across), dtype=bool)
        self.rule: int | None = None

    def draw(self, order: int, x: Floats, y: Floats, *, dashed: bool = False) -> None:
        """Connect the points by straight lines with gaps at NaN. Dashes distinguish lines without color."""
        layer = self.layers.setdefault(order, np.zeros((self.down, self.across), dtype=np.int64))
        wide, tall = self.across * self.fine_x, self.down * self.fine_y
        known = np.isfinite(x) & np.isfinite(y)
        for start, end in _stretches(known):
            xs, ys = x[start:end], y[start:end]
            columns = np.arange(math.ceil(xs[0] - 0.5), math.floor(xs[-1] + 0.5) + 1)
            heights = np.interp(columns, xs, ys)
            if xs.size > 4 * wide:  # many points per column: their mean
                place = np.clip(np.round(xs).astype(int) - int(columns[0]), 0, columns.size - 1)
                count = np.bincount(place, minlength=columns.size)
                total = np.bincount(place, weights=ys, minlength=columns.size)
                heights = np.where(count > 0, total / np.maximum(count, 1), heights)
            previous: int | None = None
            for column, at in zip(columns, heights, strict=True):
                row = round(float(at))
                low, high = (row, row) if previous is None else (min(row, previous), max(row, previous))
                if previous is not None and high - low > 1:  # an upright stroke, shared by both columns
                    low, high = (low + 1, high) if row > previous else (low, high - 1)
                else:
                    low = high = row
                previous = row
                if not 0 <= column < wide or (dashed and self.glyphs.braille and int(column) % 4 >= 2):
                    continue
                for dot in range(max(low, 0), min(high + 1, tall)):
                    bit = _DOTS[dot % 4, int(column) % 2] if self.glyphs.braille else 1
                    layer[dot // self.fine_y, int(column) // self.fine_x] |= int(bit)

    def shade(self, x: Floats, upper: Floats, lower: Floats) -> None:
        """Shade the cells between two curves."""
        known = np.isfinite(x) & np.isfinite(upper) & np.isfinite(lower)
        if known.sum() < 2:
            return
        centers = (np.arange(self.across) + 0.5) * self.fine_x
        inside = (centers >= x[known][0]) & (centers <= x[known][-1] + self.fine_x)
        top = np.interp(centers, x[known], upper[known]) / self.fine_y
        bottom = np.interp(centers, x[known], lower[known]) / self.fine_y
        for column in np.flatnonzero(inside):
            first, last = max(0, round(top[column])), min(self.down, round(bottom[column]))
            self.shaded[first:last, column] = True

    def row(self, row: int, inks: Sequence[tuple[str, str]], ink: Painter) -> str:
        """The characters of a row; `inks` are glyph and color of each layer."""
        cells: list[tuple[str, str]] = []
        for column in range(self.across):
            drawn = [order for order, layer in self.layers.items() if layer[row, column]]
            if drawn:
                glyph, color = inks[drawn[-1]]
                if self.glyphs.braille:
                    bits = np.bitwise_or.reduce([self.layers[order][row, column] for order in drawn])
                    glyph = chr(0x2800 + int(bits))
                cells.append((glyph, color))
            elif self.rule == column:
                cells.append((self.glyphs.rule, DIM))
            elif self.shaded[row, column]:
                cells.append((self.glyphs.shade, DIM))
            else:
                cells.append((" ", ""))
        groups = itertools.groupby(cells, key=lambda cell: cell[1])
        return "".join(ink("".join(text for text, _ in group), color) for color, group in groups)


def _stretches(known: Bools) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


_Scale = Callable[[Floats], Floats]

# ANSI colors that are legible on light and on dark backgrounds alike; text keeps the terminal's own.
_TRAINING, _VALIDATION, _BOLD = "\x1b[36m", "\x1b[35m", "\x1b[1m"
_LOG_RANGE = 30.0  # a larger ratio of highest to lowest loss is drawn on a logarithmic axis


def picture(
    curves: Curves,
    width: int = 80,
    height: int = 20,
    color: bool = False,
    *,
    encoding: str = "utf-8",
    monitor: str = "validation.loss",
) -> str:
    """Draw training and validation loss in characters, at most `width` by `height`.

    Lines are means over the repeats, stopped ones at their last value, and end where most have stopped; the
    shaded cells are ± one standard deviation of the validation loss. Each line is labeled at its end. The
    vertical axis is logarithmic, and labeled so, if the losses span more than a factor of 30. An `encoding`
    without braille gets plain characters. The best epoch is that of `monitor`, the median over the repeats.
    """
    if width < 40 or height < 8:
        raise Refusal(f"a picture must be at least 40 columns by 8 rows; got {width} by {height}.")
    glyphs = Glyphs.of(encoding)
    lines = _lines(curves, color)
    if not lines:
        return "(no losses to draw)"
    low, high, logarithmic = _span(lines)
    to_axis = np.log10 if logarithmic else np.asarray
    bottom, top, ticks = _ticks(low, high, logarithmic, height)
    left = max(len(text) for _, text in ticks) + 2
    named = width >= 60
    right = max(len(line.end_label) for line in lines) + 2 if named else 1
    across, down = width - left - right, height - 4
    canvas = Canvas(across, down, glyphs)
    x_low, x_high = float(lines[0].band.x[0]), max(line.end[0] for line in lines)
    x_low = 0.0 if 0 < x_low < 0.05 * x_high else x_low
    x_span = (x_high - x_low) or 1.0
    y_span = (top - bottom) or 1.0

    def right_of(value: Floats) -> Floats:
        return (value - x_low) / x_span * (across * canvas.fine_x - 1)

    def down_of(value: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return (top - to_axis(value)) / y_span * (down * canvas.fine_y - 1)

    for order, line in enumerate(lines):
        band = line.band
        if line.name == "validation.loss" and height >= 12:
            with np.errstate(invalid="ignore"):
                canvas.shade(right_of(band.x), down_of(band.mean + band.sd), down_of(band.mean - band.sd))
        canvas.draw(order, right_of(band.x), down_of(band.mean), dashed=line.dashed)

    best = curves.best(monitor) if monitor in curves.columns else None
    if best is not None and math.isfinite(best.median_epoch):
        epochs, _ = curves.values(monitor)
        at = right_of(epochs[int(np.argmin(np.abs(epochs - best.median_epoch)))])
        canvas.rule = int(np.clip(round(float(at)) // canvas.fine_x, 0, across - 1))

    def ink(text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if color and code and text.strip() else text

    rows = [_legend(lines, curves, logarithmic, width, glyphs, ink)]
    inks = [(line.glyph, line.color) for line in lines]
    ends = _end_labels(lines, down_of, down, canvas) if named else {}
    tick_rows = {round((top - place) / y_span * (down - 1)): text for place, text in reversed(ticks)}
    for row in range(down):
        text = tick_rows.get(row, "")
        axis = ink(glyphs.tick if text else glyphs.upright, DIM)
        tail = f" {ink(ends[row].end_label, ends[row].color)}" if row in ends else ""
        rows.append(f"{text:>{left - 2}} {axis}{canvas.row(row, inks, ink)}{tail}".rstrip())
    caption = "" if best is None else f"best epoch {mean_count(best.median_epoch)}"
    rows += _x_axis(x_low, x_high, left, canvas, caption, ink)
    return "\n".join(rows)


@dataclass(frozen=True)
class _Line:
    name: str
    label: str
    glyph: str
    color: str
    band: Band
    dashed: bool

    @property
    def end_label(self) -> str:
        return f"{self.label} {_short(self.end[1])}"

    @property
    def end(self) -> tuple[float, float]:
        """Where the mean ends, and its value there."""
        known = np.flatnonzero(np.isfinite(self.band.mean))
        if not known.size:
            return float(self.band.x[-1]), math.nan
        return float(self.band.x[known[-1]]), float(self.band.mean[known[-1]])


def _lines(curves: Curves, color: bool) -> list[_Line]:
    """The losses to draw: training at fixed parameters (or else running), then validation on top."""
    drawn = {
        "train.loss": ("training", ".", _TRAINING),
        "train.running_loss": ("running", ".", _TRAINING),
        "validation.loss": ("validation", "o", _VALIDATION),
    }
    known = [name for name in drawn if name in curves.columns and np.isfinite(curves.columns[name]).any()]
    if known[:2] == ["train.loss", "train.running_loss"]:
        del known[1]
    plain = [not color and name != "validation.loss" for name in known]
    return [_Line(n, *drawn[n], curves.summary(n), dashed) for n, dashed in zip(known, plain, strict=True)]


def _span(lines: Sequence[_Line]) -> tuple[float, float, bool]:
    values = np.concatenate([line.band.mean[np.isfinite(line.band.mean)] for line in lines])
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high / low > _LOG_RANGE
    if not logarithmic:  # room for the spread, if it is of the order of the curve itself
        for band in (line.band for line in lines if line.name == "validation.loss"):
            with np.errstate(invalid="ignore"):
                edges = np.array([band.mean + band.sd, band.mean - band.sd])
            if np.isfinite(edges).any():
                reach = high - low
                low = max(min(low, float(edges[np.isfinite(edges)].min())), low - 0.15 * reach)
                high = min(max(high, float(edges[np.isfinite(edges)].max())), high + 0.15 * reach)
        if low > 0 and low < 0.35 * high:
            low = 0.0
    return low, high, logarithmic


def _ticks(
    low: float, high: float, logarithmic: bool, height: int
) -> tuple[float, float, list[tuple[float, str]]]:
    """Axis limits and round ticks, in axis units."""
    if logarithmic:
        bottom, top = math.log10(low), math.log10(high)
        margin = 0.03 * (top - bottom)
        bottom, top = bottom - margin, top + margin
        powers = range(math.floor(bottom), math.ceil(top) + 1)
        for mantissas in ((1,), (1, 3), (1, 2, 5)):
            values = [m * 10.0**power for power in powers for m in mantissas]
            places = [(math.log10(one), _short(one)) for one in values if bottom <= math.log10(one) <= top]
            if len(places) >= 3:
                break
        most = max(2, height // 3)
        return bottom, top, places[:: max(1, math.ceil(len(places) / most))]
    if high <= low:
        reach = abs(high) * 0.1 or 1.0
        low, high = low - reach / 2, high + reach / 2
    step = _round_step((high - low) / max(2, min(6, (height - 4) // 3)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    decimals += step * 10**decimals % 1 > 1e-9
    values = [i * step for i in range(first, last + 1)]
    texts = [f"{one + 0.0:,.{decimals}f}" for one in values]  # no minus sign before zero
    places = [
        (one, text if len(text) <= 9 else f"{one:.2g}") for one, text in zip(values, texts, strict=True)
    ]
    lowest, highest, slack = places[0][0], places[-1][0], 1e-9 * step
    bottom = lowest if lowest >= low - 0.35 * step else low
    top = highest if highest <= high + 0.35 * step else high
    return bottom, top, [(place, text) for place, text in places if bottom - slack <= place <= top + slack]


def _legend(
    lines: Sequence[_Line], curves: Curves, logarithmic: bool, width: int, glyphs: Glyphs, ink: Painter
) -> str:
    repeats = len(curves.repeats)
    scale = ", log scale" if logarithmic else ""
    of = f", mean of {repeats} repeats" if repeats > 1 else ""
    ends = [int(line.band.count[np.isfinite(line.band.mean)][-1]) for line in lines]
    if repeats > 1 and min(ends) < repeats:
        of += f" ({min(ends)} not yet stopped at the end)"
    spread = f" {glyphs.shade}{glyphs.plus_minus} sd" if repeats > 1 else ""
    samples = []
    for line in lines:
        stroke = "╍╍" if line.dashed else "━━"
        samples.append((f"{stroke if glyphs.braille else line.glyph * 2} {line.label}", line.color))
    for title in (f"loss{scale}{of}", f"loss{scale}", "loss"):
        for tail in (spread, ""):
            parts = [(title, _BOLD), *samples]
            end = f"  {tail}" if tail else ""
            if len("   ".join(text for text, _ in parts) + end) <= width:
                return "   ".join(ink(text, color) for text, color in parts) + (ink(end, DIM) if end else "")
    return ink("loss" + scale, _BOLD)


def _end_labels(lines: Sequence[_Line], down_of: _Scale, down: int, canvas: Canvas) -> dict[int, _Line]:
    """The row of each line's label, near its end and without overlaps."""
    wanted = []
    for order, line in enumerate(lines):
        at = float(down_of(np.array(line.end[1]))) / canvas.fine_y
        wanted.append((min(max(int(at), 0), down - 1), order))
    rows: dict[int, _Line] = {}
    for row, order in sorted(wanted):
        while row in rows:
            row += 1
        if row >= down:
            row = next(free for free in range(down - 1, -1, -1) if free not in rows)
        rows[row] = lines[order]
    return rows


def _x_axis(low: float, high: float, left: int, canvas: Canvas, caption: str, ink: Painter) -> list[str]:
    """The axis, its numbers, and a line with the name of the axis and a caption at the rule."""
    across, glyphs, label = canvas.across, canvas.glyphs, "epoch"
    step = max(1.0, _round_step((high - low) / max(2, min(8, across // 12)))) if high > low else 1.0
    whole = across + left
    axis, numbers = [glyphs.flat] * across, [" "] * whole
    free_from = 0
    for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        column = round((i * step - low) / ((high - low) or 1.0) * (across - 1))
        value = i * step
        number = f"{value / 1e6:g}M" if value >= 1e6 and value % 1e5 == 0 else f"{value:,.10g}"
        start = min(max(0, left + column - len(number) // 2), whole - len(number))
        if start < free_from:
            continue
        axis[column] = glyphs.x_tick
        numbers[start : start + len(number)] = number
        free_from = start + len(number) + 2
    below = label.rjust(whole)
    if canvas.rule is not None:
        text, start = f"{glyphs.best} {caption}", left + canvas.rule
        free = whole - len(label) - 1
        if start + len(text) > free - 1:
            text = f"{caption} {glyphs.best}"
            start -= len(text) - 1
        if start + len(text) > free:
            below = " " * whole
        start = max(0, min(start, whole - len(text)))
        below = below[:start] + text + below[start + len(text) :]
    return [
        " " * (left - 1) + ink(glyphs.corner + "".join(axis), DIM),
        "".join(numbers).rstrip(),
        below.rstrip(),
    ]


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough * (1 - 1e-9))


def _short(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
