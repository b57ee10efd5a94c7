"""Numbers as people write them: thousands separators, currencies, percent, units, signs of accountants."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from epochal.common.option_text import option
from epochal.common.text import counted
from epochal.data.values.missing import Odd, are_na_values, most_common, odd_cells, read_as_missing
from epochal.data.values.units import (
    OPPOSITES,
    amounts_of,
    column_units,
    factor,
    is_money,
    joint_unit,
    normal_money,
    normal_unit,
    opposites_in,
    with_signs,
)
from epochal.errors import Refusal

MOST = 0.9
"""A text column with this share of numbers is numeric, with odd cells."""

FEW_LEVELS = 20
"""Words, and numbers in unknown units, with at most this many values together are a category."""
_ROWS = 2000
"""Rows by which the decimal separator of a table is recognized."""
_GROUPS = (",", ".", " ", "'", "_")
_CELL = (
    r"^(?P<before>[^0-9]*?)(?P<body>[.,]?[0-9](?:[0-9.,' _]*[0-9])?)(?P<power>[eE][+-]?[0-9]+)?(?P<after>.*)$"
)
# Words are matched to currencies later: character classes take RE2 long to compile.
_BEFORE = (
    r"^(?P<open>\()?\s*(?P<sign>[+-])?\s*(?P<money>[^0-9\s+().,:;#<>=/-]*\.?)\s*(?P<sign2>[+-])?"
    r"(?P<open2>\()?\s*$"
)
_AFTER = (
    r"^[.,]--?$|^[.,]?\s*(?P<unit>[^0-9\s+()=<>,;:!?#&@|~.-](?:[^0-9+()=<>,;:!?#&@|~-]*[^0-9\s+()=<>,;:!?#&@|~-])?"
    r"(?:/\s?10+\s?[^\W\d_]+)?[23]?)?\s*(?P<close>\))?(?P<minus>-)?$"
)
_DASHES = "[\u2010-\u2015\u2212\ufe63\uff0d]"
_DIGITS = [
    "".join(chr(first + digit) for digit in range(10)) for first in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50)
]
"""Arabic, Persian, Devanagari, Bengali and Thai digits."""


class NumberForm(NamedTuple):
    """The number format of a column: separators, currency and unit, as in a schema's column.

    >>> NumberForm(",", ".", "", "kg").read(pa.array(["1.234,5 kg", "500 g", "x"])).to_pylist()
    [1234.5, 0.5, None]
    """

    decimal: str = "."
    group: str = ""
    money: str = ""
    unit: str = ""

    @property
    def joint(self) -> bool:
        """Whether a number has several units, such as hours and minutes."""
        return self.group == ":"

    @property
    def plain(self) -> bool:
        """Whether it is only a decimal point."""
        return self == NumberForm()

    def read(self, words: Any) -> Any:
        """Text as float64, missing if it is no number of this format.

        A cell without a currency or unit counts as one with it; other units of the same kind are converted.
        """
        if self.unit in OPPOSITES:
            return self._replace(unit="").read(with_signs(words, self.unit))
        return amounts_of(words, self.unit) if self.joint else self._numbers(_parts(words))

    def _numbers(self, parts: Any) -> Any:
        money, unit, negative, body, power = parts
        number = pc.cast(_plain(body, power, self.decimal, self.group), pa.float64())
        kinds = pc.unique(pc.drop_null(unit)).to_pylist()
        factors = [factor(one, self.unit) or (None if one else 1.0) for one in kinds]
        scale = pc.take(
            pa.array([*factors, 1.0], pa.float64()),
            pc.fill_null(pc.index_in(unit, value_set=pa.array(kinds, pa.string())), len(kinds)),
        )
        if any(one != 1.0 for one in factors):
            number = pc.multiply(number, scale)
        number = pc.if_else(pc.fill_null(negative, False), pc.negate(number), number)
        if self.money or pc.any(pc.not_equal(money, "")).as_py():
            fits = pc.or_(pc.equal(money, ""), pc.equal(money, self.money))
            number = pc.if_else(pc.fill_null(fits, False), number, pa.scalar(None, pa.float64()))
        return number

    def __str__(self) -> str:
        if self.joint:
            return {"h": "in hours", "ft": "in feet", "lb": "in pounds"}[self.unit]
        names = {" ": "blanks", ",": "commas", ".": "dots", "'": "apostrophes", "_": "underscores"}
        group = f"thousands separated by {names[self.group]}" if self.group else ""
        comma = "a comma as the decimal separator" if self.decimal == "," else ""
        unit = " ".join(filter(None, ("in", self.money, self.unit))) if self.money or self.unit else ""
        return ", ".join(filter(None, (group, comma, unit)))


@dataclass(frozen=True)
class ParsedNumbers:
    """A text column read as numbers: float64, missing for missing and odd cells."""

    values: pa.ChunkedArray
    form: NumberForm
    odd: tuple[Odd, ...]
    example: str
    doubt: str = ""
    """The decimal separator of the alternative reading, if the cells are ambiguous."""
    proves: str = ""
    """The decimal separator, if a cell is unambiguous: it has that one, or another for thousands."""
    remarks: tuple[str, ...] = ()
    """Remarks on cells with another unit than most, or none."""


def say(found: ParsedNumbers) -> str:
    """How a column was read as numbers, without a period."""
    parts = ["holds numbers"]
    if found.example:
        value = found.form.read(pa.array([found.example]))[0].as_py()
        how = f"; {found.form}" if str(found.form) else ""
        parts[0] += f' ("{found.example}" is {value:.15g}{how})'
    if found.doubt:
        parts[0] += f", which is ambiguous: {option('decimal', found.doubt)} reads the other way"
    parts += found.remarks
    parts += [read_as_missing(found.odd)] if found.odd else []
    return "; ".join(parts)


def infer_numbers(
    column: pa.ChunkedArray, name: str, reference: str | int = "", decimal: str | None = None, hint: str = ""
) -> ParsedNumbers | None:
    """The numbers of a text column; None if fewer than `MOST` of its cells are numeric.

    Args:
        reference: the column in an option; empty if no option takes it.
        decimal: the given decimal separator, "." or ",".
        hint: that of the file or other columns, which resolves ambiguous cells; empty if unknown.

    >>> found = infer_numbers(pa.chunked_array([["$1,200", "$35.50", "unknown"]]), "price")
    >>> found.values.to_pylist(), tuple(found.form)
    ([1200.0, 35.5, None], ('.', ',', '$', ''))
    """
    if not pa.types.is_string(column.type):
        return None
    filled = column.drop_null()
    if not len(filled):
        return None
    first = filled.slice(0, 1000)
    if unit := joint_unit(first):
        form = NumberForm(group=":", unit=unit)
        return _parsed(column, form.read(column.combine_chunks()), form)
    if unit := opposites_in(first):
        signed = infer_numbers(with_signs(column, unit), name, reference, decimal, hint)
        if signed is None or signed.form.unit:
            return None
        form = signed.form._replace(unit=unit)
        return replace(signed, form=form, example=_example(column, signed.values, form))
    if 2 * (pc.sum(pc.is_valid(_parts(first)[3])).as_py() or 0) < len(first):
        return None
    parts = _parts(column.combine_chunks())
    money, unit, _, body, _ = parts
    there = pc.is_valid(body)
    if (pc.sum(there).as_py() or 0) < MOST / 2 * len(filled):
        return None
    found = _separators(pc.drop_null(body), decimal, hint)
    if found is None:
        return None
    separator, group, doubt = found
    units = most_common(pc.filter(unit, there))
    moneys, several = most_common(pc.filter(money, there)), pc.count_distinct(filled).as_py() > FEW_LEVELS
    named = column_units(moneys, units, len(filled), (name, reference), MOST, several)
    if named is None:
        return None
    form = NumberForm(separator, group, *named)
    if not any(form[1:]) and pc.any(pc.match_substring_regex(pc.drop_null(body), "^0[0-9]+$")).as_py():
        return None  # codes such as 007
    marked = group in (".", ",") or pc.any(pc.match_substring(pc.drop_null(body), separator)).as_py()
    proves = separator if marked and not doubt else ""
    return _parsed(column, form._numbers(parts), form, doubt, proves, _remarks(units, form))


def _parsed(column: pa.ChunkedArray, numbers: pa.Array, form: NumberForm, *more: Any) -> ParsedNumbers | None:
    """A column with its numbers, unless too many cells are none."""
    values, filled = pa.chunked_array([numbers], pa.float64()), len(column) - column.null_count
    odd = odd_cells(column, values)
    if filled - sum(one.count for one in odd) < MOST * filled and not are_na_values(odd, filled):
        return None
    return ParsedNumbers(values, form, odd, _example(column, values, form), *more)


def _in_one_way(words: Any) -> Any:
    """Text with one kind of digits, minus, apostrophe and blank, and without signs of an estimate.

    >>> _in_one_way(pa.array(["−1’200", "~5", "٣٫٥"])).to_pylist()
    ["-1'200", '5', '3.5']
    """
    plain_ascii = pc.all(pc.string_is_ascii(words)).as_py() is not False
    if plain_ascii and not pc.any(pc.match_substring_regex(words, r"\s\s|^[\s~]|\s$|[\t\n`]")).as_py():
        return words
    plain = pc.utf8_normalize(words, form="NFKC")
    if not plain_ascii and pc.any(pc.match_substring_regex(plain, f"[{''.join(_DIGITS)}]")).as_py():
        for digit, others in enumerate(zip(*_DIGITS, strict=True)):
            plain = pc.replace_substring_regex(plain, f"[{''.join(others)}]", str(digit))
        for sign, instead in (("\u066b", "."), ("\u066c", ","), ("\u066a", "%")):
            plain = pc.replace_substring(plain, sign, instead)
    spellings = ((_DASHES, "-"), ("[\u2018\u2019\u00b4`]", "'"), (r"\s+", " "), (r"^\s*[~≈∼]\s*", ""))
    for pattern, instead in spellings:
        plain = pc.replace_substring_regex(plain, pattern, instead)
    return pc.utf8_trim_whitespace(plain)


def _parts(words: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Currency, unit, sign, digits with separators, and power of ten; missing for non-numbers."""
    cell = pc.extract_regex(_in_one_way(words), _CELL)
    before = pc.extract_regex(pc.struct_field(cell, "before"), _BEFORE)
    after = pc.extract_regex(pc.struct_field(cell, "after"), _AFTER)
    good = pc.and_(pc.is_valid(before), pc.is_valid(after))
    opened = pc.not_equal(_field(before, "open", "open2"), "")
    closed = pc.not_equal(pc.struct_field(after, "close"), "")
    good = pc.and_(good, pc.fill_null(pc.equal(opened, closed), False))
    signs = _field(before, "sign", "sign2")
    minus = pc.struct_field(after, "minus")
    negative = pc.or_(opened, pc.or_(pc.equal(signs, "-"), pc.equal(minus, "-")))
    money, unit, known = _named(pc.struct_field(before, "money"), pc.struct_field(after, "unit"))
    good = pc.and_(good, pc.fill_null(known, False))
    body = pc.if_else(good, pc.struct_field(cell, "body"), pa.scalar(None, pa.string()))
    return money, unit, negative, body, pc.struct_field(cell, "power")


def _field(parts: Any, *names: str) -> Any:
    return pc.binary_join_element_wise(*(pc.struct_field(parts, name) for name in names), "")


def _named(before: Any, after: Any) -> tuple[Any, Any, Any]:
    """Normalized currencies and units, and whether a currency or nothing precedes the number.

    The text after the number may be either, or both.
    """
    pairs = pc.binary_join_element_wise(before, after, "\x1f")
    pairs = (pairs.combine_chunks() if isinstance(pairs, pa.ChunkedArray) else pairs).dictionary_encode()
    split = [_split(pair) for pair in pairs.dictionary.to_pylist()]
    money, unit, known = (
        pa.array([one[place] for one in split], kind).take(pairs.indices)
        for place, kind in enumerate((pa.string(), pa.string(), pa.bool_()))
    )
    return money, unit, known


def _split(pair: str) -> tuple[str, str, bool]:
    money, after = (part.strip() for part in pair.split("\x1f"))
    known = not money or is_money(money)
    first, _, rest = after.rpartition(" ")
    if after and is_money(after):
        money, after = after, ""
    elif rest and is_money(rest):
        money, after = rest, first
    return normal_money(money), normal_unit(after) if after else "", known


def _plain(body: Any, power: Any, decimal: str, group: str) -> Any:
    """Digits without separators, ready for a cast; missing if no number of this format."""
    dot, separator = re.escape(decimal), re.escape(group)
    pattern = rf"^[0-9]*(?:{dot}[0-9]*)?$"
    if group:
        pattern += rf"|^[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?:{dot}[0-9]*)?$"
    if group == ",":
        pattern += r"|^[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]*)?$"
    good = pc.fill_null(pc.match_substring_regex(body, pattern), False)
    plain = pc.replace_substring(body, group, "") if group else body
    if decimal != ".":
        plain = pc.replace_substring(plain, decimal, ".")
    whole = pc.binary_join_element_wise(plain, power, "")
    return pc.if_else(good, whole, pa.scalar(None, pa.string()))


def _separators(body: Any, decimal: str | None, hint: str) -> tuple[str, str, str] | None:
    """Decimal separator, thousands separator, and the alternative if ambiguous; None for neither."""
    used = [separator for separator in _GROUPS if pc.any(pc.match_substring(body, separator)).as_py()]
    candidates = [(one, group) for one in (".", ",") for group in ("", *used) if group != one]
    if decimal is not None:
        candidates = [pair for pair in candidates if pair[0] == decimal]
    fits = {pair: len(body) - _plain(body, "", *pair).null_count for pair in candidates}
    best = max(fits.values(), default=0)
    if best < MOST / 2 * len(body):
        return None
    good = [pair for pair, count in fits.items() if count == best]
    plain = [separator for separator, group in good if not group]
    grouped = [(separator, group) for separator, group in good if group in (".", ",")]
    if decimal is None and len(used) == 1 and plain and grouped:
        return _by_the_column(body, used[0], hint)
    # The fewest separators that explain the cells.
    separator, group = min(good, key=lambda pair: (bool(pair[1]), pair[0] != hint, pair[0] != "."))
    return separator, group, ""


def _by_the_column(body: Any, separator: str, hint: str) -> tuple[str, str, str]:
    """Whether a separator before exactly three digits in all cells is for thousands or decimals."""
    other = "," if separator == "." else "."
    dot = re.escape(separator)

    def some(pattern: str) -> bool:
        return bool(pc.any(pc.match_substring_regex(body, pattern)).as_py())

    if some(rf"^0+{dot}") or some(r"^[0-9]{4,}$") or some(rf"^[0-9]{{4,}}{dot}"):
        return separator, "", ""
    if some(rf"{dot}[0-9]{{3}}{dot}"):
        return other, separator, ""
    if hint:
        return (separator, "", "") if hint == separator else (other, separator, "")
    whole = some(r"^[0-9]{1,3}$")
    if separator == ",":
        return other, separator, "" if whole else separator
    return (other, separator, separator) if whole else (separator, "", other)


def unit_remarks(words: pa.ChunkedArray, form: NumberForm) -> tuple[str, ...]:
    """Remarks on cells with another unit than the format's, or none.

    >>> unit_remarks(pa.chunked_array([["12.5 m", "40 ft", "x"]]), NumberForm(unit="ft"))
    ('m (1) is converted to ft',)
    """
    if not form.unit or form.joint or form.unit in OPPOSITES:
        return ()
    _, unit, _, body, _ = _parts(words.combine_chunks())
    return _remarks(most_common(pc.filter(unit, pc.is_valid(body))), form)


def _remarks(units: dict[str, int], form: NumberForm) -> tuple[str, ...]:
    if not form.unit:
        return ()
    others = [one for one in units if one not in ("", form.unit) and factor(one, form.unit)]
    remarks = []
    if others:
        shown = ", ".join(f"{one} ({units[one]:,})" for one in others)
        remarks.append(f"{shown} {'is' if len(others) == 1 else 'are'} converted to {form.unit}")
    if bare := units.get(""):
        values = counted(bare, "value without a unit is", "values without a unit are")
        remarks.append(f"{values} taken as {form.unit}")
    return tuple(remarks)


def _example(column: pa.ChunkedArray, values: pa.ChunkedArray, form: NumberForm) -> str:
    """An example of the format: the longest of the first unusual cells, if any."""
    there = pc.is_valid(values)
    usual = pc.match_substring_regex(column, r"^[+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?$")
    words = column.filter(pc.and_(there, pc.invert(usual))).slice(0, 50).to_pylist()
    if not words and not form.plain:
        words = column.filter(there).slice(0, 50).to_pylist()
    return max(words, key=len, default="")


def decimal_of_columns(table: pa.Table) -> str:
    """The decimal separator of a table: the file's if a comma, else inferred from the columns.

    Empty if they are inconclusive. The metadata `separator` has what was inferred before a text was replaced.

    >>> decimal_of_columns(pa.table({"far": ["2,5 km", "12,1 km"], "price": ["504.879 €", "86.625 €"]}))
    ','
    >>> decimal_of_columns(pa.table({"length": ["39.9 ft", "31.9 ft"], "price": ["$268,358", "$14,000"]}))
    '.'
    >>> decimal_of_columns(pa.table({"price": ["$268,358", "$14,000"]}))
    ''
    """
    known = (table.schema.metadata or {}).get(b"decimal", b"").decode()
    if known == "," or b"separator" in (table.schema.metadata or {}):
        return (table.schema.metadata or {}).get(b"separator", b",").decode()
    proved = set()
    for column in table.columns:
        column = column.slice(0, _ROWS)
        floating = pa.types.is_floating(column.type)
        if known and floating and pc.any(pc.not_equal(pc.floor(column), column)).as_py():
            proved.add(known)  # text of a file read with this separator
            continue
        try:
            found = infer_numbers(column, "")
        except Refusal:
            continue  # mixed units: refused when the column is used
        if found is not None and found.proves:
            proved.add(found.proves)
    return proved.pop() if len(proved) == 1 else ""
