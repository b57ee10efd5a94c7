"""Values in words: numbers, times, intervals, names; the filters of the templates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from epochal.common import notebook_view
from epochal.common.metric_names import label_of
from epochal.common.text import counted, duration, mean_count
from epochal.curves import Summary

_NAMES = {
    "best_epoch": "best epoch",
    "stopped": "stopped because",
    "train.loss": "training loss",
    "train.running_loss": "training loss, running",
    "seconds": "seconds",
    "train samples": "training samples",
    "ci95": "95 % interval",
    "devices_per_batch": "devices per batch",
    "positions_per_epoch": "uses per epoch",
}


def format_number(value: float | None) -> str:
    """A number with three significant digits and thousands separators.

    >>> [format_number(value) for value in (25_000.0, 1234.5, 0.031622, 64.0, 4e-7, float("inf"), None)]
    ['25,000', '1,234', '0.0316', '64', '4e-07', 'no limit', '–']
    """
    if value is None:
        return "–"
    if math.isinf(value):
        return "no limit"
    if math.isnan(value):
        return "not finite"
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent.

    >>> percent(0.254), percent(0.0123, 1)
    ('25 %', '1.2 %')
    """
    return f"{100 * share:.{digits}f} %"


def format_interval(low: float, high: float, write: Any = format_number) -> str:
    """An interval in words, possibly open.

    >>> [format_interval(*ends) for ends in ((12, 40), (12, math.inf), (0, math.inf), (math.nan, 1))]
    ['12 to 40', '12 or more', 'not known', 'not known']
    """
    if math.isnan(low) or math.isnan(high):
        return "not known"
    if high == math.inf:
        return "not known" if low <= 0 else f"{write(low)} or more"
    return f"up to {write(high)}" if low == -math.inf else f"{write(low)} to {write(high)}"


def quality(summary: Summary) -> str:
    """The mean with its digits; not escaped."""
    return fixed(summary.mean, summary)


def fixed(value: float, summary: Summary) -> str:
    """A value with the digits of a summary."""
    return summary.format_value(value) if math.isfinite(value) else "not finite"


def format_ci(summary: Summary) -> str:
    """The 95 % interval of a mean in words; not escaped."""
    if summary.ci95 is None:
        return f"no interval{' (1 repeat)' * (summary.sd is None)}" if math.isfinite(summary.mean) else "–"
    low, high = summary.ci95
    return f"{summary.format_value(low)} to {summary.format_value(high)}"


def named(name: str) -> str:
    """A name of the program as people write it."""
    return _NAMES.get(name) or label_of(name)


def format_value(value: Any) -> str:
    """Any value as text.

    >>> format_value({}), format_value(True), format_value(123_456), format_value([0.5, 2]), format_value("a")
    ('–', 'yes', '123,456', '0.5, 2', 'a')
    """
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}" if abs(int(value)) >= 100_000 else str(int(value))
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return "not finite"
        return f"{value:,.0f}" if 1000 <= abs(float(value)) < 1e15 else f"{float(value):.4g}"
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        return ", ".join(format_value(one) for one in value) or "–"
    return str(value)


def flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Names and values, nested ones with the names above them."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        nested = isinstance(value, Mapping) and value
        found += flat(value, f"{before}{name} · ") if nested else [(named(f"{before}{name}"), value)]
    return found


def environment(found: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions with their names on a page: whether bits repeat is not the setting that asks for it."""
    return {
        "same bits every time" if name == "deterministic" else name: value for name, value in found.items()
    }


def minute(date: str) -> str:
    """A date in ISO 8601, of UTC, to the minute."""
    return f"{date[:16].replace('T', ' ')} UTC"


def code_html(text: str) -> Markup:
    """A sentence with its code set as such."""
    return Markup(notebook_view.coded(text))


def sentence(text: str) -> str:
    """Capitalized and with a period."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (duration, code_html, flat, format_number, format_value, quality, sentence, format_ci)
} | {"count": counted, "counted": mean_count}
"""Those that templates use, by name."""
