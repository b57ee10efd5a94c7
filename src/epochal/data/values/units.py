"""Units, currencies, words for a sign and clock times in numbers, and factors between units."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from epochal.common.option_text import option
from epochal.errors import Refusal

_MONEY = """
USD EUR GBP JPY CNY RMB INR CHF SEK NOK DKK ISK PLN CZK HUF RON BGN RUB UAH TRY ILS ZAR BRL MXN ARS CLP COP
PEN CAD AUD NZD SGD HKD TWD KRW THB VND IDR MYR PHP PKR BDT LKR EGP NGN KES GHS MAD AED SAR QAR KWD
kr Kr Fr Rs zł Kč Ft lei лв руб грн RM Rp euro euros US$ C$ CA$ A$ AU$ NZ$ HK$ S$ R$ NT$ MX$
"""
_CURRENCIES = frozenset(_MONEY.split())

_FAMILIES: tuple[dict[float, str], ...] = (
    {1.0: "%,percent,pct", 0.1: "‰", 0.01: "bp,bps"},
    {1.0: "", 1e3: "k,K,tsd,thousand", 1e6: "M,mn,mio,million", 1e9: "bn,B,mrd,billion", 1e12: "trillion,tn"},
    {1e-9: "µg,μg", 1e-6: "mg", 1e-3: "g,gram", 1.0: "kg,kilogram", 1e3: "t,ton,tonne"}
    | {0.45359237: "lb,lbs,pound", 0.028349523125: "oz"},
    {1e-9: "nm", 1e-6: "µm,μm", 1e-3: "mm", 1e-2: "cm", 0.1: "dm", 1.0: "m,meter,metre", 1e3: "km,kilometer"}
    | {0.0254: 'in,inch,"', 0.3048: "ft,feet,',foot", 0.9144: "yd", 1609.344: "mi,mile"},
    {1e-4: "cm2", 1.0: "m2,qm,sqm,sq m", 1e4: "ha", 1e6: "km2", 4046.8564224: "acre"}
    | {0.09290304: "ft2,sqft,sq ft,sq. ft"},
    {1e-6: "µl", 1e-3: "ml,mL", 1e-2: "cl", 0.1: "dl", 1.0: "l,L,liter,litre", 100.0: "hl", 1e3: "m3"}
    | {3.785411784: "gal,gallon"},
    {1e-3: "ms", 1.0: "s,sec,second", 60.0: "min,mins,minute", 3600.0: "h,hr,hrs,hour,std", 86400.0: "d,day"}
    | {604800.0: "week,wk", 2629746.0: "month,mo", 31556952.0: "year,yr,yrs,y"},
    {1e3: "kB,KB", 1e6: "MB", 1e9: "GB", 1e12: "TB", 2.0**10: "KiB", 2.0**20: "MiB", 2.0**30: "GiB"},
    {1e-3: "mW", 1.0: "W", 1e3: "kW", 1e6: "MW", 1e9: "GW", 745.69987: "hp", 735.49875: "PS"},
    {1.0: "Wh", 1e3: "kWh", 1e6: "MWh", 1e9: "GWh", 1 / 3600: "J", 1 / 3.6: "kJ", 1e3 / 3.6: "MJ"}
    | {4.184 / 3600: "cal", 4.184 / 3.6: "kcal"},
    {1.0: "Pa", 1e2: "hPa,mbar", 1e3: "kPa", 1e6: "MPa", 1e5: "bar", 6894.757: "psi", 133.322: "mmHg"},
    {1.0: "km/l,km/L", 0.425143707: "mpg"},
    {1.0: "l/100km,L/100km,l/100 km,L/100 km"},
    {1.0: "m/s", 1 / 3.6: "km/h,kmh,kph", 0.44704: "mph", 0.514444: "knots"},
    {1.0: "Hz", 1e3: "kHz", 1e6: "MHz", 1e9: "GHz", 1 / 60: "rpm"},
    {1e-3: "mV", 1.0: "V", 1e3: "kV"},
    {1e-3: "mA", 1.0: "A"},
    {1.0: "°C,C"},
    {1.0: "°F,F"},
    {1.0: "°,deg"},
)
"""Units of one kind, by size; those that differ by an offset, such as temperatures, are separate kinds."""

_SIZES = {
    unit: (kind, size)
    for kind, family in enumerate(_FAMILIES)
    for size, units in family.items()
    for unit in units.split(",")
}
OPPOSITES = {"N, S negative": ("N", "S"), "E, W negative": ("E", "W"), "CR, DR negative": ("CR", "DR")}
"""Pairs of words by description; the second one makes a number negative."""

Counts = dict[str, int]
_MAX_WORDS = 4
"""Most words after numbers that are taken for units, though unknown: streets after house numbers are more."""
_BEFORE = r"^([^A-Za-z]*[0-9])\s?°?\s?"

_CLOCK = r"(?P<hour>[0-9]{1,3}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9](?:[.,][0-9]+)?))?"
CLOCK_TIME = (
    r"^(?P<minus>-)?(?:(?P<day>[0-9]+) days?,? (?P<plus>\+)?)?"
    rf"{_CLOCK}\s?(?P<half>[AaPp]\.?\s?[Mm]\.?)?$"
)
_LAP = r"^(?P<minus>-)?(?P<minute>[0-9]{1,3}):(?P<second>[0-5][0-9][.,][0-9]+)$"
"""Minutes and seconds: if there are fractions, the last number is seconds."""

_JOINT = {
    "h": (
        (r"d|days?|tage?", 24.0),
        (r"h|hr|hrs|hours?|std\.?|stunden?|heures?|horas?|ч\.?", 1.0),
        (r"m|min\.?|mins|minutes?|minuten|minutos|мин\.?", 1 / 60),
        (r"s|sec\.?|secs|seconds?|sek\.?|sekunden|с\.?|сек\.?", 1 / 3600),
    ),
    "ft": ((r"ft\.?|feet|foot|'|’|′", 1.0), (r"in\.?|inch|inches|\"|''|”|″", 1 / 12)),
    "lb": ((r"lbs?\.?|pounds?", 1.0), (r"oz\.?|ounces?", 1 / 16)),
}
"""Units that are combined in one amount, the largest first, by the unit in which they are read."""


@lru_cache(maxsize=4096)
def normal_unit(word: str) -> str:
    """The normal spelling of a unit: as in the tables, else in small letters without a final dot.

    >>> normal_unit("KG"), normal_unit("hours"), normal_unit("Mio."), normal_unit("Rooms")
    ('kg', 'hour', 'mio', 'room')
    """
    plain = " ".join(word.split()).removesuffix(".")
    singular = plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain
    for one in (plain, plain.lower(), singular, singular.lower()):
        if one in _SIZES:
            return one
    return plain if is_money(plain) else singular.lower()


_SAME = {"EUR": "€", "euro": "€", "euros": "€", "USD": "$", "US$": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}


def normal_money(word: str) -> str:
    """The normal spelling of a currency.

    >>> normal_money("EUR"), normal_money("kr.")
    ('€', 'kr')
    """
    plain = word.removesuffix(".")
    return _SAME.get(plain, plain)


@lru_cache(maxsize=4096)
def is_money(unit: str) -> bool:
    """Whether a unit is a currency.

    >>> is_money("€"), is_money("USD"), is_money("kg")
    (True, True, False)
    """
    word = unit.removesuffix(".")
    return word in _CURRENCIES or (len(word) == 1 and unicodedata.category(word) == "Sc")


def _is_known(unit: str) -> bool:
    return unit in _SIZES or is_money(unit)


def factor(unit: str, base: str) -> float | None:
    """The factor from `unit` to `base`; None if they do not convert.

    >>> factor("g", "kg"), factor("min", "h"), factor("kg", "m")
    (0.001, 0.016666666666666666, None)
    """
    if unit == base:
        return 1.0
    kind, size = _SIZES.get(unit, (-1, 1.0))
    other, whole = _SIZES.get(base, (-2, 1.0))
    return size / whole if kind == other else None


def column_units(
    moneys: Counts, units: Counts, cells: int, names: tuple[str, str | int], share: float, several: bool
) -> tuple[str, str] | None:
    """The currency and the unit of a column; None where what stands beside its numbers is none.

    `moneys` and `units` count cells, `names` are the column in a sentence and in an option, and `share` is
    the smallest share of numbers. Currencies or units that do not convert are refused, unknown units only if
    they are few, and the column has `several` values.
    """
    everything = units
    moneys, units = ({one: count for one, count in found.items() if one} for found in (moneys, units))
    if len(moneys) > 1:
        raise Refusal(_mixed(names, moneys, "currencies"))
    money, most = next(iter(moneys), ""), max(units, key=units.__getitem__, default="")
    if factor("", most) is not None or (not _is_known(most) and units[most] < cells / 2):
        most = ""
    strange = sum(count for one, count in units.items() if factor(one, most) is None)
    if strange <= (1 - share) * cells:
        return money, most  # the strange ones are odd cells
    if all(map(_is_known, units)):
        raise Refusal(_mixed(names, units, "units"))
    if (
        several
        and len(units) <= _MAX_WORDS
        and all(_is_known(one) or (len(one) > 1 and " " not in one) for one in units)
    ):
        raise Refusal(_mixed(names, {one or "no unit": n for one, n in everything.items()}, "units"))
    return None


def _mixed(names: tuple[str, str | int], found: dict[str, int], what: str) -> str:
    shown = ", ".join(f"{one} ({count:,})" for one, count in list(found.items())[:5])
    drop, text = (option(one, [names[1]]) for one in ("drop", "categorical"))
    leave = f", leave the column out with {drop}, or take its text with {text}" if names[1] else ""
    return (
        f"{names[0]} must hold numbers of one kind; it mixes {what}: {shown}. Convert or split them{leave}."
    )


def opposites_in(words: Any) -> str:
    """The pair of words after the numbers of almost all texts, if both occur; else empty.

    >>> import pyarrow as pa
    >>> opposites_in(pa.array(["48.9° N", "12.5 S"])), opposites_in(pa.array(["60 W", "100 W"]))
    ('N, S negative', '')
    """
    for unit, (plus, minus) in OPPOSITES.items():
        found = [pc.match_substring_regex(words, f"{_BEFORE}{word}$") for word in (plus, minus)]
        counts = [pc.sum(one).as_py() or 0 for one in found]
        if min(counts) and sum(counts) >= 0.9 * len(words):
            return unit
    return ""


def with_signs(words: Any, unit: str) -> Any:
    """The texts with a sign in place of the words of a pair.

    >>> import pyarrow as pa
    >>> with_signs(pa.array(["48.9° N", "12.5 S", "3"]), "N, S negative").to_pylist()
    ['48.9', '-12.5', '3']
    """
    plus, minus = OPPOSITES[unit]
    words = pc.replace_substring_regex(words, f"{_BEFORE}{plus}$", r"\1")
    return pc.replace_substring_regex(words, f"{_BEFORE}{minus}$", r"-\1")


def joint_unit(words: Any) -> str:
    """The unit of texts that are mostly amounts in several units, or clock times; else empty.

    >>> joint_unit(pa.array(["1h 20m", "3h", "2h05"])), joint_unit(pa.array(["3 h", "20 m"]))
    ('h', '')
    """
    if 2 * (pc.sum(pc.match_substring_regex(words, f"{CLOCK_TIME}|{_LAP}")).as_py() or 0) > len(words):
        return "h"
    several = pc.match_substring_regex(words, r"[0-9][^0-9.,:-]+[0-9]")
    for unit in _JOINT:
        read = pc.is_valid(_joint(words, unit))
        if 2 * (pc.sum(pc.and_(read, several)).as_py() or 0) > len(words):
            return unit
    return ""


def amounts_of(words: Any, unit: str) -> Any:
    """Amounts in one of the units of `joint_unit`, missing if a text is none.

    >>> amounts_of(pa.array(["5'6\\"", "6 ft", "tall"]), "ft").to_pylist()
    [5.5, 6.0, None]
    """
    found = _joint(words, unit)
    return pc.coalesce(hours_of(words), found) if unit == "h" else found


def _joint(words: Any, unit: str) -> Any:
    bare = r"(?i)^(-?[0-9]+\s?h)\s?([0-9]{1,2})$" if unit == "h" else r"^(-?[0-9]+\s?['’′])\s?([0-9]{1,2})$"
    words = pc.replace_substring_regex(words, bare, rf"\1 \2{'m' if unit == 'h' else 'in'}")
    each = "".join(
        rf"(?:(?P<part{at}>[0-9]+(?:[.,][0-9]+)?)\s?(?:{names})[\s,]*)?"
        for at, (names, _) in enumerate(_JOINT[unit])
    )
    parts = pc.extract_regex(words, rf"(?i)^(?P<minus>-)?{each}$")
    whole: Any = pa.scalar(0.0)
    some = pc.match_substring_regex(words, "[0-9]")
    for at, (_, size) in enumerate(_JOINT[unit]):
        whole = pc.add(whole, pc.multiply(_number(parts, f"part{at}"), size))
    return pc.if_else(pc.fill_null(some, False), _signed(whole, parts), pa.scalar(None, pa.float64()))


def hours_of(words: Any) -> Any:
    """Times of day and durations such as 14:30, 1:05:20 or 2:30 PM as hours; missing for other texts.

    >>> hours_of(pa.array(["14:30", "2:30 PM", "1:05:20", "soon", "2 days 01:30:00", "03:30.6"])).to_pylist()
    [14.5, 14.5, 1.0888888888888888, None, 49.5, 0.0585]
    """
    parts = pc.extract_regex(words, CLOCK_TIME)
    half = pc.utf8_lower(pc.utf8_slice_codeunits(pc.struct_field(parts, "half"), 0, 1))
    hour = _number(parts, "hour")
    hour = pc.if_else(pc.and_(pc.not_equal(half, ""), pc.equal(hour, 12.0)), 0.0, hour)
    hour = pc.if_else(pc.equal(half, "p"), pc.add(hour, 12.0), hour)
    hour = pc.add(hour, pc.multiply(_number(parts, "day"), 24.0))
    whole = pc.add(hour, _minutes(parts))
    lap = pc.extract_regex(words, _LAP)
    return pc.coalesce(_signed(whole, parts), _signed(_minutes(lap), lap))


def _minutes(parts: Any) -> Any:
    return pc.add(pc.divide(_number(parts, "minute"), 60.0), pc.divide(_number(parts, "second"), 3600.0))


def _signed(whole: Any, parts: Any) -> Any:
    return pc.if_else(pc.equal(pc.struct_field(parts, "minus"), "-"), pc.negate(whole), whole)


def _number(parts: Any, name: str) -> Any:
    text = pc.replace_substring(pc.struct_field(parts, name), ",", ".")
    return pc.cast(pc.if_else(pc.equal(text, ""), "0", text), pa.float64())
