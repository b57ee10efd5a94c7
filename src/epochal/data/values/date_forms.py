"""Dates as people write them: the order of their parts, names of months, times and zones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.data.values.date_words import ZONE, is_weekday, month_number, seconds_ahead
from epochal.data.values.missing import Odd, are_na_values, odd_cells
from epochal.errors import Refusal

MOST = 0.9
"""A text column with this share of dates is a date column, with odd cells."""
_SEEN = 100
OR = " or "
"""The separator of several date formats of a column."""

_PARTS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}(?:st|nd|rd|th)?",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-9]{1,2}(?:[.,][0-9]+)?",
    "f": "[0-9]+",
    "p": r"[AaPp]\.?\s?[Mm]\.?",
    "b": r"[^0-9\s.,/:-]{3,}\.?",
    "B": r"[^0-9\s.,/:-]{3,}\.?",
    "a": r"[^0-9\s.,/:-]{2,}\.?",
    "A": r"[^0-9\s.,/:-]{2,}\.?",
    "z": ZONE,
    "q": "[1-4]",
    "G": "[0-9]{4}",
    "V": "[0-9]{1,2}",
    "j": "[0-9]{3}",
}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%y/%m/%d", "%Y%m%d"),
    *("%G-W%V", "%GW%V", "%Y-%j", "%Y. %m. %d.", "%Y. %m. %d", "%Y년 %m월 %d일", "%Y年%m月"),
    *("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%Y-Q%q", "%YQ%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d/%b/%y", "%d.%b.%Y", "%d%b%Y", "%Y-%b-%d", "%Y-%b", "%b-%Y"),
    *("%b-%y", "%d %b %Y", "%d %b %y", "%d. %b %Y", "%b %d, %Y", "%b %d %Y", "%d %b, %Y", "%d de %b de %Y"),
    "%d de %b del %Y",
    *("%d %b %Y г.", "%d %b %Y г", "%b de %Y"),
    *("%b %Y", "%b %y", "%Y %b %d", "%d. %m. %Y", "%Y %m %d", "%d %m %Y", "%Y年%m月%d日"),
)
_STAMPS = (
    *("%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M", "%Y%m%d%H%M%S", "%Y%m%d %H%M%S", "%Y%m%d_%H%M%S"),
)
"""Dates and times without separators."""
_TIME = re.compile(
    r"(?<![0-9])(?P<hour>[0-9]{1,2})(?P<minute>:[0-9]{2})?(?P<second>:[0-9]{2}(?:[.,][0-9]+)?)?(?P<half>\s?[AaPp]\.?\s?[Mm]\b\.?)?"
    rf"(?P<zone>\s?{ZONE})?(?P<behind>(?:\]|\s?(?:Uhr|uur|h|hrs|г\.))(?=$))?(?![0-9])"
)
_JOINT = re.compile(r"^(?P<date>.*?[^\s,T:-])(?P<joint>T|:|,?\s+(?:at\s+|-\s+)?)$")


@dataclass(frozen=True)
class ParsedDates:
    """A text column read as dates: their format, and the other cells.

    `form` is for `strptime`, empty for 2020-12-31. `doubt` is another format that fits as well.
    """

    form: str
    values: pa.ChunkedArray
    odd: tuple[Odd, ...] = ()
    doubt: str = ""

    @property
    def remark(self) -> str:
        """A remark on the format, starting with a comma; empty if there is none."""
        remark = ""
        if self.doubt:
            remark += f", though {self.doubt} fits as well ({option('date_format', self.doubt)})"
        if "%y" in self.form:
            remark += ", years 69 to 99 being 1969 to 1999, and 00 to 68 2000 to 2068"
        if "%z" in self.form:
            remark += ", the local time as written"
        return remark


def check_format(form: str) -> str:
    """The user's date format, with known directives and a year.

    >>> check_format("%d.%m.%y")
    '%d.%m.%y'
    """
    for one in form.split(OR):
        _pattern(one)
        if not re.search("%[YyG]", _expanded(one)):
            raise Refusal(f'`date_format` must have a year, %Y or %y; got "{form}".')
    return form


def _expanded(form: str) -> str:
    form = form.replace("%-", "%")
    for short, long in _SHORT.items():
        form = form.replace(f"%{short}", long)
    return form or "%Y-%m-%d"


@lru_cache(maxsize=512)
def _pattern(form: str) -> str:
    """A regular expression with a group for each part of a form."""
    pieces = re.findall(r"%%|%[^%]|.", _expanded(form), re.DOTALL)
    found, before = "", False
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        literal = "%" if piece == "%%" else piece
        part = literal[1:]
        if not part:
            found += r"\s+" if literal.isspace() else "[Tt]" if literal == "T" else re.escape(literal)
        elif part not in _PARTS or f"(?P<{part}>" in found:
            raise Refusal(
                f"`date_format` must be made of {', '.join(f'%{one}' for one in _PARTS)}, each once, as "
                f'in "%d.%m.%Y"; got "{form}".'
            )
        else:
            tight = before or following.startswith("%")
            inner = (
                re.sub(r"^\[0-9\]\{1,2\}(\(\?:st.*)?", "[0-9]{2}", _PARTS[part]) if tight else _PARTS[part]
            )
            found += rf"\s?(?P<{part}>{inner})" if part in "pz" else f"(?P<{part}>{inner})"
        before = bool(part)
    return f"^{found}$"


def parse_dates(words: Any, form: str, utc: bool = False) -> Any:
    """Text as timestamps in seconds, missing if it is no date of this format; an empty one is ISO 8601.

    Args:
        form: a `strptime` format, or several with " or " between them; months have names in many
            languages, seconds may have fractions.
        utc: whether to convert times with a zone to UTC, instead of ignoring the zone.

    >>> parse_dates(pa.array(["18 May 2021", "3 März 2020", "31 June 2021"]), "%d %b %Y").to_pylist()[:2]
    [datetime.datetime(2021, 5, 18, 0, 0), datetime.datetime(2020, 3, 3, 0, 0)]
    """
    if OR in form:
        return pc.coalesce(*(parse_dates(words, one, utc) for one in form.split(OR)))
    if isinstance(words, pa.ChunkedArray):
        return pa.chunked_array([parse_dates(one, form, utc) for one in words.chunks], pa.timestamp("s"))
    parts = pc.extract_regex(pc.utf8_trim_whitespace(words), _pattern(form))
    names = {field.name for field in parts.type}
    good: NDArray[np.bool_] = np.asarray(pc.is_valid(parts).to_numpy(zero_copy_only=False))

    def number(part: str, usual: int) -> NDArray[np.int64]:
        if part not in names:
            return np.full(len(good), usual, np.int64)
        digits = pc.replace_substring_regex(pc.struct_field(parts, part), "[^0-9].*$", "")
        filled = pc.fill_null(digits, str(usual))
        return np.asarray(filled.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)

    year, short = number("Y", 1970), number("y", 70)
    if "y" in names:
        year = np.where(short < 69, 2000, 1900) + short
    month = number("m", 1)
    for name in names & {"b", "B"}:
        month = _by_word(pc.struct_field(parts, name), month_number)
    if "q" in names:
        month = 3 * number("q", 1) - 2
    day, hour = number("d", 1), number("H", 0)
    minute, second = number("M", 0), number("S", 0)
    good &= (
        (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1) & (hour < 24) & (minute < 60) & (second < 61)
    )
    if "I" in names:
        hour = number("I", 12)
        good &= (hour >= 1) & (hour <= 12)
        hour = hour % 12
        if "p" in names:
            hour += 12 * _by_word(pc.struct_field(parts, "p"), lambda word: word[:1].lower() == "p")
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    good &= dates.astype("datetime64[M]") == months
    if "j" in names:
        dates = dates + (number("j", 1) - 1).astype("timedelta64[D]")
        good &= dates.astype("datetime64[Y]") == months.astype("datetime64[Y]")
    if "V" in names:
        dates = _mondays(number("G", 1970), number("V", 1))
        good &= (number("V", 1) >= 1) & (_mondays(number("G", 1970) + 1, np.ones_like(day)) > dates)
    seconds = dates.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + np.minimum(second, 59)
    if utc and "z" in names:
        seconds = seconds - _by_word(pc.struct_field(parts, "z"), seconds_ahead)
    return pa.array(seconds, pa.timestamp("s"), mask=~good)


def _mondays(year: NDArray[np.int64], week: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The Mondays of ISO 8601 weeks: the fourth of January is in the first."""
    fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.timedelta64(3, "D")
    weekday = (fourth.astype(np.int64) + 3) % 7
    return np.asarray(fourth + (7 * (week - 1) - weekday).astype("timedelta64[D]"))


def _by_word(words: Any, meaning: Any) -> NDArray[np.int64]:
    """The meaning of each word, looked up once per distinct word."""
    encoded = pc.fill_null(words, "").dictionary_encode()
    known = np.array([meaning(word) for word in encoded.dictionary.to_pylist()] or [0], np.int64)
    return np.asarray(known[encoded.indices.to_numpy(zero_copy_only=False)])


def _candidates(words: Sequence[str]) -> list[str]:
    """Possible formats of the first cells: dates alone, or with the times that most of them have."""
    named = sum(is_weekday(word) for word in words) > len(words) / 2
    dates = [*_DATES, *(f"{day}{date}" for day in ("%a, ", "%a ") for date in _DATES if named)]
    found = list(_STAMPS)
    for (time, before, after), _ in Counter(map(_time, words)).most_common(3):
        found += [f"{before}{date}{after}" for date in dates] if time else dates
    return found + (["%a %b %d %H:%M:%S %Y"] if named else [])


def _time(word: str) -> tuple[str, str, str]:
    """The format of the time in a cell, with the text before and after the date; empty without a time."""
    found = next((one for one in _TIME.finditer(word) if one["minute"] or one["half"]), None)
    if found is None:
        return "", "", ""
    time = "%I" if found["half"] else "%H"
    parts = (("minute", ":%M"), ("second", ":%S"), ("half", "%p"), ("zone", "%z"))
    time += "".join(part for name, part in parts if found[name])
    bracket = "[" if word.startswith("[") else ""
    behind = _JOINT.match(word[len(bracket) : found.start()])
    time += re.sub(r"\s+", " ", found["behind"] or "")
    if behind is not None and found.end() == len(word):
        return time, bracket, re.sub(r"\s+", " ", behind["joint"]) + time
    return time, f"{time} ", ""


def infer_dates(
    column: pa.ChunkedArray, form: str | None = None, day_first: bool | None = None
) -> ParsedDates | None:
    """The date format of a text column; None if it holds something else.

    `form` is the given format; `day_first` is what other columns or the file say.
    """
    filled = column.drop_null()
    if not len(filled):
        return None
    if form is not None:
        return _fitting(column, [form], len(filled), day_first)
    seen = pc.unique(filled.slice(0, 10 * _SEEN)).slice(0, _SEEN)
    words = [str(word) for word in seen.to_pylist()]
    words = [word.strip() for word in words if re.search("[0-9]", word) and 4 <= len(word) < 60][:20]
    if len(words) < min(len(seen), 20) / 2:
        return None
    patterns = {form: re.compile(_pattern(form)) for form in _candidates(words)}
    matches = {form: sum(map(bool, map(pattern.match, words))) for form, pattern in patterns.items()}
    likely = [form for form, count in matches.items() if 2 * count >= len(words)]
    if (found := _fitting(column, likely, len(filled), day_first)) is not None:
        return found
    some = [form for form, count in matches.items() if 10 * count >= len(words)]
    mixed = _mixed_forms(column, some, len(filled))
    return _fitting(column, [OR.join(mixed)], len(filled), day_first) if len(mixed) > 1 else None


def _mixed_forms(column: pa.ChunkedArray, forms: Sequence[str], filled: int) -> list[str]:
    """The formats of dates in mixed formats; none if only the order of day and month differs."""
    values = {form: parse_dates(column, form) for form in forms}
    chosen: list[str] = []
    rest = column
    for _ in range(3):
        both = {form: pc.and_(pc.is_valid(rest), pc.is_valid(found)) for form, found in values.items()}
        counts = {form: pc.sum(fits).as_py() or 0 for form, fits in both.items()}
        best = max(counts, key=counts.__getitem__, default="")
        if not best or 20 * counts[best] < filled:
            break
        marks = re.sub("%.", "%", best)
        if any(marks == re.sub("%.", "%", one) and sorted(best) == sorted(one) for one in chosen):
            return []
        chosen.append(best)
        rest = pc.if_else(pc.is_valid(values[best]), pa.scalar(None, pa.string()), rest)
    return chosen


def _fitting(
    column: pa.ChunkedArray, forms: Sequence[str], filled: int, day_first: bool | None
) -> ParsedDates | None:
    found: dict[str, Any] = {form: parse_dates(column, form) for form in forms}
    counts = {form: len(column) - values.null_count for form, values in found.items()}
    most = max(counts.values(), default=0)
    if most < filled / 2:
        return None
    best = [form for form in forms if counts[form] == most]
    chosen, doubt = _decided(best, found, day_first)
    odd = odd_cells(column, found[chosen])
    if most < MOST * filled and not are_na_values(odd, filled):
        return None
    return ParsedDates("" if chosen == "%Y-%m-%d" else chosen, found[chosen], odd, doubt)


def _decided(best: Sequence[str], found: dict[str, Any], day_first: bool | None) -> tuple[str, str]:
    """The chosen format among equally good ones, and the alternative."""
    first, *rest = best
    other = next((form for form in rest if not found[form].equals(found[first])), None)
    if other is None:
        return first, ""
    if day_first is not None:
        return (first, other) if (first.find("%d") < first.find("%m")) == day_first else (other, first)
    seconds = [found[form].drop_null().cast(pa.int64()).to_numpy() for form in (first, other)]
    steps = map(np.diff, seconds)
    in_order = [len(one) > 5 and bool((one >= 0).all() or (one <= 0).all()) for one in steps]
    if in_order[0] != in_order[1]:
        return (first, "") if in_order[0] else (other, "")
    spans = [int(one.max() - one.min()) + 86_400 for one in seconds]
    return (other, first) if spans[1] < 0.5 * spans[0] else (first, other)


def compact_form(column: pa.ChunkedArray) -> str:
    """The date format of integers such as 20210518, with or without a time; empty if they are no dates.

    >>> compact_form(pa.chunked_array([[20210518, 19991231]])), compact_form(pa.chunked_array([[20210599]]))
    ('%Y%m%d', '')
    """
    if not pa.types.is_integer(column.type) or column.null_count == len(column):
        return ""
    bounds = pc.min_max(column).as_py()
    for form, digits in (("%Y%m%d", 1), ("%Y%m%d%H%M", 10**4), ("%Y%m%d%H%M%S", 10**6)):
        if 1900_01_01 * digits <= bounds["min"] and bounds["max"] < (2100_12_31 + 1) * digits:
            dates = parse_dates(column.drop_null().cast(pa.string()), form)
            return form if dates.null_count == 0 else ""
    return ""
