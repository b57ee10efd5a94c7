"""Progress of a comparison or an advice in Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epochal.common.option_text import render_message
from epochal.common.text import duration
from epochal.training.progress import Display, display
from epochal.training.progress.opening import dataset_lines
from epochal.training.progress.status import Rate, thousands

if TYPE_CHECKING:
    from epochal.data import Dataset
    from epochal.training.loop import StopSignal

RATE_SECONDS = 10.0  # the time over which the rate of trainings is measured


@dataclass(frozen=True)
class ProgressStep:
    """A sign of life of a comparison or an advice, after each training."""

    phase: str  # what is being done, such as "tuning the learning rate"
    done: int  # trainings of this phase that have ended, of `total`
    total: int
    seconds: float  # since the start, by the clock
    text: str = ""  # what was learned in this step; empty most of the time
    where: str = ""  # how many workers train on how many nodes, if not this process does


OnStep = Callable[[ProgressStep], None]


class Pace:
    """Takes steps; says in a line what is being done, trainings done, their rate and the remaining time."""

    def __init__(self, stop_signal: StopSignal | None = None) -> None:
        self.stop_signal = stop_signal
        self.step: ProgressStep | None = None
        self._rate = Rate(RATE_SECONDS)
        self._begin = time.monotonic()

    def take(self, step: ProgressStep) -> None:
        """Take one step."""
        if self.step is None or step.phase != self.step.phase or step.done < self.step.done:
            self._rate = Rate(RATE_SECONDS)
        self.step = step
        if step.total:
            self._rate.add(time.monotonic(), step.done)

    @property
    def share(self) -> float | None:
        """How much of this phase is done; None where that is not known."""
        return self.step.done / self.step.total if self.step is not None and self.step.total else None

    def fitted(self, room: int) -> str:
        """The line, of at most `room` characters if possible."""
        if self.stop_signal is not None and self.stop_signal.stopped:
            return "ending; Ctrl-C again leaves at once"
        if self.step is None:
            return f"preparing for {duration(round(time.monotonic() - self._begin))}"
        whole = self.line()
        return whole if len(whole) <= room else self.line(rate=False)

    def line(self, rate: bool = True) -> str:
        """What is being done, trainings done, their rate and the remaining time, or else the time so far."""
        step = self.step
        assert step is not None
        parts = [step.phase]
        if step.total:
            parts.append(f"{step.done:,} of {step.total:,}")
        if step.where:
            parts.append(step.where)
        pace = self._rate.per_second
        if pace is not None and rate:
            parts.append(_rate(pace))
        if pace is not None and step.done < step.total:
            parts.append(f"about {duration(round((step.total - step.done) / pace))} left")
            return " · ".join(parts)
        return " · ".join([*parts, self.spent])

    @property
    def spent(self) -> str:
        """The time so far."""
        return duration(round(time.monotonic() - self._begin))


def _rate(pace: float) -> str:
    """Trainings in a second, or in a minute.

    >>> _rate(22_345.6), _rate(12.34), _rate(0.25)
    ('22k/s', '12.3/s', '15/min')
    """
    if pace < 1:
        return f"{60 * pace:.2g}/min"
    return f"{pace:.3g}/s" if pace < 100 else f"{thousands(pace)}/s"


class ProgressSteps:
    """Hands steps on to `watch`, and shows them as `fit` does, by default only if nothing watches."""

    def __init__(self, watch: OnStep | None, progress: bool | None, stop_signal: StopSignal | None) -> None:
        wanted = False if progress is None and watch is not None else progress
        self._display: Display | None = display(wanted)
        self._watch, self._pace = watch, Pace(stop_signal)
        self._begin = time.perf_counter()
        self.where: Callable[[], str] = str
        """How many workers train on how many nodes, in words; empty where this process does."""

    @property
    def seconds(self) -> float:
        """The time so far."""
        return time.perf_counter() - self._begin

    def on_progress(self, phase: str, done: int = 0, total: int = 0, text: str = "") -> None:
        """Make a step, show it, and hand it on to who watches."""
        step = ProgressStep(phase, done, total, self.seconds, text, self.where())
        if self._display is not None:
            self._pace.take(step)
            self._display.show(self._pace)
            if text:
                self._display.note(render_message(text))
        if self._watch is not None:
            self._watch(step)

    def opening(self, dataset: Dataset) -> None:
        """Show what is known of the samples."""
        if self._display is not None:
            lines = [render_message(line, dataset.loader) for line in dataset_lines(dataset)]
            self._display.opening([("Data", lines)])

    def close(self) -> None:
        """Show no more; the time it took stays, if anything was done."""
        if self._display is not None:
            self._display.close("" if self._pace.step is None else f"done in {self._pace.spent}")
