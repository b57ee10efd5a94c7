"""Data sets from command-line flags: tables, images, windows of a series, texts, rankings."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from epochal.cli.flags import IMAGES, READING, TOKENS, WINDOWS
from epochal.cli.networks import noted
from epochal.common.text import duration
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.data import Dataset

_COLUMNS = ("keep", "drop", "categorical", "numeric")
_GROUPS = ("groups", "groups_from", "groups_table")


def load_data(source: str, given: Mapping[str, Any], quiet: bool = False) -> Dataset:
    """The samples, read as these options say."""
    from epochal.data import load, load_rank_pairs, load_windows
    from epochal.data.texts.texts import load_texts

    reading = {"target": given["target"], **reading_of(given)}
    columns = {name: given[name] for name in (*_COLUMNS, "decimal", "date_format")}
    shared = {name: given[name] for name in ("task", "sample_weight", "groups", "groups_from")}
    pairs, tokens, cut = _pairs_of(given), _texts_of(given), _windows_of(given)
    if pairs is not None:
        return load_rank_pairs(source, **reading, **columns, **pairs)
    if tokens is not None:
        return noted(load_texts(source, **reading, **shared, **tokens), given)
    if cut is not None:
        return noted(load_windows(source, **reading, **columns, **cut), given)
    images = {one.name: given[one.name] for one in IMAGES}
    more = {"groups_table": given["groups_table"], "stream": given["stream"]}
    found = load(source, **reading, **columns, **shared, **images, **more, progress=reading_progress(quiet))
    return noted(found, given)


def reading_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """How the table in a file is read."""
    return {one.name: given[one.name] for one in READING}


def _given(given: Mapping[str, Any], name: str) -> bool:
    return given.get(name) not in (None, False, ())


def _asked(given: Mapping[str, Any], option: str, names: Iterable[str], about: str) -> bool:
    """Whether an option was given; if not, those that it makes sense of are refused."""
    if given.get(option) is not None:
        return True
    for name in names:
        if _given(given, name):
            raise Refusal(f"`{name}` is about {about}, too.")
    return False


def _not_with(given: Mapping[str, Any], flag: str, remedies: Mapping[str, str]) -> None:
    for name, remedy in remedies.items():
        if _given(given, name):
            raise Refusal(f"`{name}` does not go with {flag}: {remedy}; leave it out.")


def _windows_of(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `load_windows` beyond those of a table; None where no window is asked for."""
    names = [one.name for one in WINDOWS]
    if not _asked(given, "window", names, "windows of a time series; give --window ROWS"):
        return None
    remedies = {} if given["task"] == "regression" else {"task": "windows forecast numbers"}
    remedies |= {"sample_weight": "windows weigh the same"}
    _not_with(given, "--window", remedies | dict.fromkeys(_GROUPS, "--series tells them apart"))
    for one in IMAGES:
        if given[one.name]:
            raise Refusal(f"`{one.name}` is about images; leave it out with --window.")
    return {name: given[name] for name in ("window", *names) if given[name] is not None}


def _texts_of(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `load_texts` that no table has besides; None where no text is asked for."""
    names = [one.name for one in TOKENS]
    if not _asked(given, "text", names, "a column of texts; give --text COLUMN"):
        return None
    for name in (*_COLUMNS, "window"):
        if _given(given, name):
            raise Refusal(f"--{name} does not go with --text, whose column is the only input; leave it out.")
    if given["groups_table"] is not None:
        raise Refusal("--groups-table is about images; name a column with --groups for texts.")
    return {"text": given["text"], **{name: given[name] for name in names if given[name] is not None}}


def _pairs_of(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `load_rank_pairs` that no table has besides; None where nothing is ranked."""
    if not _asked(given, "rank_by", ("rank_best", "max_pairs"), "ranked rows; give --rank-by COLUMN"):
        return None
    remedies = {
        "task": "pairs are ahead or behind",
        "sample_weight": "each group weighs the same",
        **dict.fromkeys(_GROUPS, "the ranked groups are kept whole"),
        "window": "a sample is a pair of rows or a window",
    }
    _not_with(given, "--rank-by", remedies)
    best = given["rank_best"] or "lowest"
    return {"by": given["rank_by"], "best": best, "max_pairs": given["max_pairs"], "seed": given["seed"]}


_QUIET_SECONDS, _PLAIN_SECONDS = 1.0, 5.0
"""Nothing is printed before the first; in a pipe lines are so far apart."""


def reading_progress(quiet: bool) -> Callable[[str, int, int], None] | None:
    """What `load` tells how far it is: a live line on a terminal, a line now and then in a pipe."""
    if quiet:
        return None
    begin: dict[str, float] = {}
    printed: dict[str, float] = {}
    stream = sys.stderr

    def report(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        first = begin.setdefault(what, now)
        live, ended = stream.isatty(), done >= total
        if ended and live and what in printed:
            stream.write("\r\x1b[K")
        apart = 0.1 if live else _PLAIN_SECONDS
        if ended or now - first < _QUIET_SECONDS or now - printed.get(what, 0.0) < apart:
            return
        printed[what] = now
        stream.write(
            ("\r" if live else "") + _line(what, done, total, now - first) + ("\x1b[K" if live else "\n")
        )
        stream.flush()

    return report


def _line(what: str, done: int, total: int, seconds: float) -> str:
    """How far, how fast, and how long still.

    >>> _line("images read", 500, 2000, 10.0)
    '  500 of 2,000 images read · 50/s · 30 s left'
    """
    rate = done / seconds
    return f"  {done:,} of {total:,} {what} · {rate:,.0f}/s · {duration(round((total - done) / rate))} left"
