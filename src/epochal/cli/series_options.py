"""Options of time series windows."""

from __future__ import annotations

from typing import Any

from epochal.cli.command import under
from epochal.cli.options import Whole, column, decorate
from epochal.errors import Refusal

__all__ = ["held_out", "series_options", "windows_of"]

_series = under("Time series")

series_options = decorate(
    _series("--window", type=Whole(1), metavar="ROWS", help="Forecast from windows of so many rows."),
    _series("--horizon", type=Whole(1), metavar="ROWS", help="Rows ahead that are forecast. [1]"),
    _series("--stride", type=Whole(1), metavar="ROWS", help="Rows from one window to the next. [1]"),
    _series("--time", metavar="COLUMN", help="The time of each row. [detected]"),
    _series("--time-zone", metavar="ZONE", help="Of local times, such as Europe/Berlin."),
    _series("--series", metavar="COLUMN", help="The column that names each row's series."),
    _series("--relative", metavar="HOW", help="difference or ratio: to the window's last value, for trends."),
    _series("--fill", metavar="HOW", help="forward: carry the last value onward where one is missing."),
    _series("--period", type=Whole(0), metavar="ROWS", help="A season, for the naive forecast; 0 for none."),
    _series("--across-gaps", is_flag=True, help="Let windows hold rows on both sides of a gap in time."),
    _series("--split", metavar="HOW", help="chronological or random. [as the data is]"),
    _series(
        "--gap", type=Whole(0), default=0, metavar="ROWS", help="Left out before each chronological cut."
    ),
)
"""How windows are cut, and how ordered data is split."""

_WINDOWS = ("horizon", "stride", "time", "time_zone", "relative", "fill", "period")


def windows_of(given: dict[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `windows` that no table has besides; None where no window is asked for."""
    if given["window"] is None:
        for name in (*_WINDOWS, "series"):
            if given[name] is not None:
                raise Refusal(
                    f"--{name.replace('_', '-')} is about windows of a time series; give --window ROWS, too."
                )
        if given["across_gaps"]:
            raise Refusal("--across-gaps is about windows of a time series; give --window ROWS, too.")
        return None
    for name, remedy in (
        ("task", "windows forecast numbers"),
        ("sample_weight", "windows weigh the same"),
        *((name, "--series tells them apart") for name in ("groups", "groups_from", "groups_table")),
    ):
        if given[name] not in (None, "regression"):
            raise Refusal(f"--{name.replace('_', '-')} does not go with --window: {remedy}; leave it out.")
    for name in ("resize", "color", "skip_bad"):
        if given.get(name):
            raise Refusal(f"--{name.replace('_', '-')} is about images; leave it out with --window.")
    found = {name: given[name] for name in _WINDOWS if given[name] is not None}
    found |= {"across_gaps": True} if given["across_gaps"] else {}
    return {**found, "lags": given["window"], "time": column(given["time"]), "by": column(given["series"])}


def held_out(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that say how samples are held out."""
    return {"split": given["split"], "gap": given["gap"]}
