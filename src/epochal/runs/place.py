"""Settings of where and how often a training is saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from epochal.errors import Refusal

Unit = Literal["seconds", "updates", "epochs"]

_UNITS: dict[str, tuple[Unit, int]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("seconds", 60)),
    **dict.fromkeys(("h", "hour", "hours"), ("seconds", 3600)),
    **dict.fromkeys(("update", "updates"), ("updates", 1)),
    **dict.fromkeys(("epoch", "epochs"), ("epochs", 1)),
}


@dataclass(frozen=True)
class Rhythm:
    """The interval between checkpoints.

    >>> Rhythm.of("1.5min"), Rhythm.of("500 updates"), Rhythm.of("1epoch")
    (Rhythm(count=90.0, unit='seconds'), Rhythm(count=500, unit='updates'), Rhythm(count=1, unit='epochs'))
    """

    count: float
    """A whole number of updates or epochs."""
    unit: Unit

    @classmethod
    def of(cls, text: Any) -> Rhythm:
        """Parse an interval such as 60s, 5min, 500updates or 1epoch."""
        match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)\s*", str(text))
        if match is not None and match[2] in _UNITS and float(match[1]) > 0:
            unit, factor = _UNITS[match[2]]
            if unit == "seconds":
                return cls(float(match[1]) * factor, unit)
            if match[1].isdecimal():
                return cls(int(match[1]), unit)
        raise Refusal(
            "`checkpoint_every` must be seconds, or a whole number, at least 1, of updates or epochs, such "
            f"as 60s, 0.5s, 500updates or 1epoch; got {text!r}."
        )

    def __str__(self) -> str:
        return f"{self.count:g}{'s' if self.unit == 'seconds' else self.unit}"


@dataclass(frozen=True)
class RunFolder:
    """Where and how a training is saved.

    Args:
        path: a folder that does not exist yet.
        checkpoint_every: the interval between checkpoints: "60s", "500updates", "1epoch".
        keep_every: keep every so many-th checkpoint; the last two and the best one are always kept.
        report: whether to write the page at the end.
        if_unsaved: what to do if a checkpoint can't be written, as on a full disk: "stop" ends the
            training with the last checkpoint intact, "continue" tries again next time.

    >>> RunFolder("runs/first", checkpoint_every="500updates").rhythm
    Rhythm(count=500, unit='updates')
    """

    path: str | Path
    checkpoint_every: str = "60s"
    keep_every: int | None = None
    report: bool = False
    if_unsaved: Literal["stop", "continue"] = "stop"

    def __post_init__(self) -> None:
        Rhythm.of(self.checkpoint_every)
        every = self.keep_every
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise Refusal(f"keep_every must be a whole number, at least 1, or None; got {every!r}.")
        if self.if_unsaved not in ("stop", "continue"):
            raise Refusal(f'`if_unsaved` must be "stop" or "continue"; got {self.if_unsaved!r}.')

    @property
    def rhythm(self) -> Rhythm:
        """The interval between checkpoints."""
        return Rhythm.of(self.checkpoint_every)
