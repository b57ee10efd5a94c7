"""Kinds of option values: their check, and how they are read from text."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epochal.errors import Refusal, did_you_mean
from epochal.plan.sizes import as_integer


class InvalidValue(ValueError):
    """What a value is not, such as "must be a whole number; got 0.5"; the name of the option goes before."""


@dataclass(frozen=True)
class ValueKind:
    """What the values of an option are.

    check     the value as it is kept; raises `InvalidValue`, or `Refusal` where the sentence names no option.
    read      the value that a text means, unchecked.
    names     values that have names, for completion.
    multiple  whether the option may be repeated; `read` takes a tuple of texts then.
    """

    check: Callable[[Any], Any]
    read: Callable[[Any], Any] = str
    names: Collection[str] = ()
    multiple: bool = False


def plain_number(value: Any) -> Any:
    """A number of NumPy's as the Python number that it is; anything else as it is.

    >>> import numpy as np
    >>> plain_number(np.int64(20)), plain_number(np.float64(0.5)), plain_number("x")
    (20, 0.5, 'x')
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def quoted(text: Any) -> str:
    """What was given as text, in quotes where it is no number.

    >>> quoted("0.5"), quoted("half")
    ('0.5', '"half"')
    """
    try:
        float(text)
    except ValueError:
        return f'"{text}"'
    return str(text)


_THOUSANDS = re.compile(r"-?\d{1,3}([,_]\d{3})+")


def _read_whole(text: str, words: str) -> int:
    try:
        # A comma elsewhere is a list, not a number.
        return int(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    except ValueError:
        raise InvalidValue(f"must be {words}; got {quoted(text)}") from None


def _checked_whole(value: Any, words: str, minimum: int | None) -> int:
    number = as_integer(value)
    if number is None or (minimum is not None and number < minimum):
        raise InvalidValue(f"must be {words}; got {value!r}")
    return number


def whole(minimum: int | None = None, what: str = "a whole number") -> ValueKind:
    """A whole number by type; in text, thousands may be set off by commas, and digits by underscores.

    >>> whole(1).read("1,000"), whole(1).check(3)
    (1000, 3)
    """
    words = what if minimum is None else f"{what}, at least {minimum}"
    return ValueKind(
        lambda value: _checked_whole(value, words, minimum), lambda text: _read_whole(text, words)
    )


def size(word: str) -> ValueKind:
    """A whole number, at least 1, or a word.

    >>> size("full").read("Full"), size("full").read("32")
    ('full', 32)
    """
    words = f'a whole number, at least 1, or "{word}"'
    return ValueKind(
        lambda value: word if isinstance(value, str) and value == word else _checked_whole(value, words, 1),
        lambda text: word if text.strip().lower() == word else _read_whole(text, words),
        (word,),
    )


def number_in_range(words: str, holds: Callable[[float], bool] = lambda number: True) -> ValueKind:
    """A finite number in some range."""

    def check(value: Any) -> Any:
        value = plain_number(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and holds(value)):
            raise InvalidValue(f"must be {words}; got {value!r}")
        return value

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InvalidValue(f"must be {words}; got {quoted(text)}")
        return number

    return ValueKind(check, read)


def one_of(what: str, names: Collection[str]) -> ValueKind:
    """One of some names; `what`: the noun for the error message."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise Refusal(did_you_mean(what, str(value), names))
        return value

    return ValueKind(check, names=names)


def _typed(words: str, fits: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not fits(value):
            raise InvalidValue(f"must be {words}; got {value!r}")
        return value

    return check


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _checked_names(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidValue(f"must be a name or a sequence of names; got {value!r}")
    return tuple(names)


def number_or_path(value: str) -> Any:
    """A fraction or a count, or else a path; "10%" is the fraction 0.1, unless there is such a file.

    >>> number_or_path("0.2"), number_or_path("20"), number_or_path("10%"), number_or_path("rows.csv")
    (0.2, 20, 0.1, 'rows.csv')
    """
    text = value.strip()
    if text.endswith("%") and not Path(value).exists():
        from fractions import Fraction  # late: few fractions are in percent

        percent = re.fullmatch(r"(\d*\.?\d+) ?%", text)
        if percent is None or Fraction(percent[1]) >= 100:
            raise Refusal(f'a fraction in percent must be from 0 to below 100; got "{text}". 0.2 is 20%.')
        return float(Fraction(percent[1]) / 100)
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return value


def _read_pairs(texts: Sequence[str]) -> dict[str, float]:
    pairs = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            pairs[name] = float(value if name else "")
        except ValueError:
            raise Refusal(f'an option is name=number, such as weight_decay=0.01; got "{text}".') from None
    return pairs


def _checked_numbers(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(
        isinstance(name, str) and isinstance(number, numbers.Real) for name, number in value.items()
    ):
        raise InvalidValue(f"must map names to numbers; got {value!r}")
    return {name: plain_number(number) for name, number in value.items()}


def parse_evaluation_interval(value: int | str) -> tuple[int, str]:
    """How far apart evaluations are: (count, "epochs" or "updates").

    >>> parse_evaluation_interval(1), parse_evaluation_interval("100 updates")
    ((1, 'epochs'), (100, 'updates'))
    """
    match = re.fullmatch(r"\s*(\d+)\s*(epochs?|updates?)?\s*", str(value))
    if match is None or not 1 <= int(match[1]) < 2**31:
        raise InvalidValue(
            "must be a whole number of epochs, at least 1, or of updates such as "
            f'"100 updates"; got {value!r}'
        )
    return int(match[1]), "updates" if (match[2] or "").startswith("update") else "epochs"


THRESHOLDS = ("f1", "balanced_accuracy", "youden")
"""What a threshold can make greatest on the validation samples."""


def _checked_threshold(value: Any) -> Any:
    value = plain_number(value)
    if isinstance(value, str) and value in THRESHOLDS:
        return value
    if isinstance(value, str):
        raise Refusal(did_you_mean("threshold", value, THRESHOLDS) + " Or a number between 0 and 1.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidValue(f"must lie between 0 and 1, or be one of {', '.join(THRESHOLDS)}; got {value!r}")
    return float(value)


ANY = ValueKind(lambda value: value)
WORD = ValueKind(_typed("text", lambda value: isinstance(value, str)))
BOOLEAN = ValueKind(_typed("True or False", lambda value: isinstance(value, bool)))
FUNCTION = ValueKind(
    _typed("a name or a function (outputs, targets)", lambda value: isinstance(value, str) or callable(value))
)
NAMES = ValueKind(_checked_names, names_in)
NUMBERS = ValueKind(_checked_numbers, _read_pairs, multiple=True)
NUMBER = number_in_range("a finite number")
NOT_NEGATIVE = number_in_range("at least 0 and finite", lambda number: number >= 0)
POSITIVE = number_in_range("greater than 0 and finite", lambda number: number > 0)
FRACTION = number_in_range("at least 0 and less than 1", lambda number: 0 <= number < 1)
HELD_OUT = ValueKind(plain_number, number_or_path)
INTERVAL = ValueKind(lambda value: parse_evaluation_interval(value) and value)
THRESHOLD = ValueKind(_checked_threshold, number_or_path, THRESHOLDS)
WEIGHTS = ValueKind(ANY.check, lambda it: _read_pairs(it.split(",")) if "=" in it else it, ("balanced",))
