"""Units and currencies of numbers, and conversion factors between units of one kind."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from epochal.common.faces import option
from epochal.errors import Refusal

_CODES = re.split(
    r" ",
    "USD EUR GBP JPY CNY RMB INR CHF SEK NOK DKK ISK PLN CZK HUF RON BGN RUB UAH TRY ILS ZAR BRL MXN ARS CLP "
    "COP PEN CAD AUD NZD SGD HKD TWD KRW THB VND IDR MYR PHP PKR BDT LKR EGP NGN KES GHS MAD AED SAR QAR KWD",
)
_SIGNS = ["US$", "C$", "CA$", "A$", "AU$", "NZ$", "HK$", "S$", "R$", "NT$", "MX$"]
_WORDS = ["kr", "Kr", "Fr", "Rs", "zł", "Kč", "Ft", "lei", "лв", "руб", "грн", "RM", "Rp", "euro", "euros"]

_FAMILIES: tuple[dict[str, float], ...] = (
    {"%": 1.0, "percent": 1.0, "pct": 1.0, "‰": 0.1, "bp": 0.01, "bps": 0.01},
    {"": 1.0, "k": 1e3, "K": 1e3, "tsd": 1e3, "M": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6}
    | {"bn": 1e9, "B": 1e9, "mrd": 1e9, "billion": 1e9, "thousand": 1e3, "trillion": 1e12, "tn": 1e12},
    {"µg": 1e-9, "μg": 1e-9, "mg": 1e-6, "g": 1e-3, "gram": 1e-3, "kg": 1.0, "kilogram": 1.0, "t": 1e3}
    | {
        "ton": 1e3,
        "tonne": 1e3,
        "lb": 0.45359237,
        "lbs": 0.45359237,
        "pound": 0.45359237,
        "oz": 0.028349523125,
    },
    {
        "nm": 1e-9,
        "µm": 1e-6,
        "μm": 1e-6,
        "mm": 1e-3,
        "cm": 1e-2,
        "dm": 0.1,
        "m": 1.0,
        "meter": 1.0,
        "metre": 1.0,
    }
    | {"km": 1e3, "kilometer": 1e3, "in": 0.0254, "inch": 0.0254, '"': 0.0254, "ft": 0.3048, "feet": 0.3048}
    | {"'": 0.3048, "foot": 0.3048, "yd": 0.9144, "mi": 1609.344, "mile": 1609.344},
    {"cm2": 1e-4, "m2": 1.0, "qm": 1.0, "sqm": 1.0, "sq m": 1.0, "ha": 1e4, "km2": 1e6, "acre": 4046.8564224}
    | {"ft2": 0.09290304, "sqft": 0.09290304, "sq ft": 0.09290304, "sq. ft": 0.09290304},
    {
        "µl": 1e-6,
        "ml": 1e-3,
        "mL": 1e-3,
        "cl": 1e-2,
        "dl": 0.1,
        "l": 1.0,
        "L": 1.0,
        "liter": 1.0,
        "litre": 1.0,
    }
    | {"hl": 100.0, "m3": 1e3, "gal": 3.785411784, "gallon": 3.785411784},
    {"ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "h": 3600.0}
    | {"hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "std": 3600.0, "d": 86400.0, "day": 86400.0}
    | {"week": 604800.0, "wk": 604800.0, "month": 2629746.0, "mo": 2629746.0, "year": 31556952.0}
    | {"yr": 31556952.0, "yrs": 31556952.0, "y": 31556952.0},
    {"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9, "hp": 745.69987, "PS": 735.49875},
    {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9, "J": 1 / 3600, "kJ": 1 / 3.6, "MJ": 1e3 / 3.6}
    | {"cal": 4.184 / 3600, "kcal": 4.184 / 3.6},
    {
        "Pa": 1.0,
        "hPa": 1e2,
        "kPa": 1e3,
        "MPa": 1e6,
        "mbar": 1e2,
        "bar": 1e5,
        "psi": 6894.757,
        "mmHg": 133.322,
    },
    {"m/s": 1.0, "km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704, "knots": 0.514444},
    {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "rpm": 1 / 60},
    {"mV": 1e-3, "V": 1.0, "kV": 1e3},
    {"mA": 1e-3, "A": 1.0},
    {"°C": 1.0, "C": 1.0},
    {"°F": 1.0, "F": 1.0},
    {"°": 1.0, "deg": 1.0},
)
"""Units of one kind, by size; those that differ by an offset, such as temperatures, are separate kinds."""

_SIZES = {unit: (kind, size) for kind, family in enumerate(_FAMILIES) for unit, size in family.items()}


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
    return word in {*_CODES, *_WORDS, *_SIGNS} or (len(word) == 1 and unicodedata.category(word) == "Sc")


def is_known(unit: str) -> bool:
    """Whether a unit, in its normal spelling, is in the tables."""
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
    moneys: dict[str, int], units: dict[str, int], cells: int, said: tuple[str, str | int], share: float
) -> tuple[str, str] | None:
    """The currency and the unit of a column; None where what stands beside its numbers is none.

    Args:
        moneys: how many cells name each currency; `units` likewise.
        units: how many cells name each unit.
        cells: how many cells there are.
        said: the column as a sentence calls it, and as an option names it.
        share: of the cells that are numbers, at least; the others are odd.

    Raises:
        Refusal: currencies are mixed, or units that do not convert.
    """
    moneys = {one: count for one, count in moneys.items() if one}
    if len(moneys) > 1:
        raise Refusal(_mixed(said, moneys, "currencies"))
    named = {one: count for one, count in units.items() if one}
    if not named:
        return next(iter(moneys), ""), ""
    most = max(named, key=lambda one: named[one])
    if factor("", most) is not None or (not is_known(most) and named[most] < cells / 2):
        most = ""
    strange = {one: count for one, count in named.items() if factor(one, most) is None}
    if strange:
        if sum(strange.values()) <= (1 - share) * cells:
            return next(iter(moneys), ""), most  # those are odd cells
        if all(is_known(one) for one in named):
            raise Refusal(_mixed(said, named, "units"))
        return None
    return next(iter(moneys), ""), most


def _mixed(said: tuple[str, str | int], found: dict[str, int], what: str) -> str:
    shown = ", ".join(f"{one} ({count:,})" for one, count in list(found.items())[:5])
    return f"{said[0]} must hold numbers of one kind; it mixes {what}: {shown}. Convert them" + (
        f", or leave the column out with {option('drop', [said[1]])}." if said[1] else "."
    )
