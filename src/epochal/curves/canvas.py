"""A canvas of characters: lines, shade and a rule in cells of a terminal, in color or without."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from epochal.curves.statistics import Bools, Floats, Ints

Painter = Callable[[str, str], str]

# The four rows and two columns of dots in a braille cell, as bits.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True)
class Marks:
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
    def of(cls, encoding: str) -> Marks:
        """Those of an encoding; without braille, plain ones."""
        try:
            "⣿│┤└─┬▲░┊±".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls(False, "|", "+", "+", "-", "+", "^", ":", "|", "+-")
        return cls(True, *"│┤└─┬▲░┊±")


class Canvas:
    """Cells of 2 by 4 dots, with one layer per line, and below them layers of shade and the best epoch."""

    def __init__(self, across: int, down: int, marks: Marks) -> None:
        self.marks = marks
        self.fine_x, self.fine_y = (2, 4) if marks.braille else (1, 1)
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
                if not 0 <= column < wide or (dashed and self.marks.braille and int(column) % 4 >= 2):
                    continue
                for dot in range(max(low, 0), min(high + 1, tall)):
                    bit = _DOTS[dot % 4, int(column) % 2] if self.marks.braille else 1
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
                if self.marks.braille:
                    bits = np.bitwise_or.reduce([self.layers[order][row, column] for order in drawn])
                    glyph = chr(0x2800 + int(bits))
                cells.append((glyph, color))
            elif self.rule == column:
                cells.append((self.marks.rule, DIM))
            elif self.shaded[row, column]:
                cells.append((self.marks.shade, DIM))
            else:
                cells.append((" ", ""))
        groups = itertools.groupby(cells, key=lambda cell: cell[1])
        return "".join(ink("".join(text for text, _ in group), color) for color, group in groups)


def _stretches(known: Bools) -> list[tuple[int, int]]:
    """Start and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def paint(text: str, ink: str) -> str:
    """Text in a color."""
    return f"{ink}{text}{_PLAIN}" if ink and text.strip() else text


def no_paint(text: str, ink: str) -> str:
    """Text as it is."""
    return text
