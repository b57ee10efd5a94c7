"""What does a person see while a network trains?

On a terminal one live line of losses with rate and remaining time; in a pipe a plain line now and then.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from epochal.curves import picture
from epochal.events import Evaluated, Event, Progressed, RepeatEnded, RunEnded, RunStarted
from epochal.report.of_run import describe_model
from epochal.run import Run

__all__ = ["Screen"]

PLAIN_SECONDS = 2.0
"""Time between two lines in a pipe."""


class Screen:
    """Shows events; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self._quiet = quiet
        width = max(60, min(100, shutil.get_terminal_size().columns)) if sys.stdout.isatty() else 100
        self._console = Console(
            stderr=to_stderr, highlight=False, width=width if not _tty(to_stderr) else None
        )
        self._live: Live | None = None
        self._last: dict[int, Evaluated] = {}
        self._ended = 0
        self._said = 0.0
        self._first: tuple[int, float] | None = None
        self._repeats = 1
        self._epochs = 1

    def __enter__(self) -> Screen:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=10, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, event: Event) -> None:
        """Take one event."""
        if self._quiet:
            return
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, Evaluated):
            self._last[event.repeat] = event
        elif isinstance(event, RepeatEnded):
            self._ended += 1
        elif isinstance(event, Progressed):
            self._progress(event)
        elif isinstance(event, RunEnded) and self._live is not None:
            self._live.update(Text(""))

    def _section(self, title: str, body: str) -> None:
        self._console.print(f"[bold]{title}[/bold]")
        self._console.print(Padding(Text(body), (0, 0, 0, 2)))

    def _start(self, event: RunStarted) -> None:
        prepared = event.prepared
        dataset, settings = prepared.dataset, prepared.settings
        self._repeats, self._epochs = settings.repeats, prepared.plan.epochs
        shape = " × ".join(f"{size:,}" for size in dataset.shape)
        classes = f": {', '.join(prepared.task.classes)}" if 0 < len(prepared.task.classes) <= 6 else ""
        parts = [f"{prepared.part_size(name):,} {word}" for name, word in _PARTS if prepared.part_size(name)]
        lines = [
            f"{dataset.source}: {dataset.samples:,} samples, {shape} inputs, {prepared.task.kind}{classes}",
            f"{', '.join(parts)}" + (" (each repeat its own split)" if not prepared.shared else ""),
            *dataset.notes,
        ]
        self._section("Data", "\n".join(lines))
        self._section("Plan", str(prepared.plan))
        described = getattr(prepared.model, "to_dict", None)
        model = describe_model(described()) if described else type(prepared.model).__name__
        optimizer, rate = prepared.spec.optimizer.name, prepared.spec.optimizer.learning_rate
        rule = getattr(prepared.spec.rule, "describe", None)
        seeds = (
            f"seed {settings.seed}"
            if settings.repeats == 1
            else f"seeds {settings.seed} to {settings.seed + settings.repeats - 1}"
        )
        how = [
            f"{model}, {optimizer}" + (f" at {rate:g}, {prepared.spec.schedule.describe()}" if rate else ""),
            f"{settings.repeats} repeat{'s' if settings.repeats > 1 else ''}, {seeds}",
        ]
        if rule is not None:
            how.append(f"stops early: {rule()}")
        self._section("Training", "\n".join(how))
        if self._live is not None:
            self._live.update(Text("  compiling …", style="dim"))

    def _progress(self, event: Progressed) -> None:
        line = self._line(event)
        if self._live is not None:
            self._live.update(Text("  " + line, no_wrap=True, overflow="ellipsis"))
            return
        now = time.monotonic()
        if now - self._said >= PLAIN_SECONDS:
            self._said = now
            self._console.print(Text("  " + line))

    def _line(self, event: Progressed) -> str:
        parts = []
        if self._first is None:
            self._first = (event.updates, event.seconds)
        latest = list(self._last.values())
        if latest:
            epoch = sum(one.epoch for one in latest) / len(latest)
            parts.append(f"epoch {epoch:,.0f} of {self._epochs:,}")
            for name, label in _SHOWN:
                values = [one.columns[name] for one in latest if name in one.columns]
                if values:
                    parts.append(f"{label} {sum(values) / len(values):.4g}")
        if self._repeats > 1:
            parts.append(f"{self._ended} of {self._repeats} repeats done")
        made, seconds = event.updates - self._first[0], event.seconds - self._first[1]
        if made > 0 and seconds > 0:
            rate = made / seconds
            parts.append(f"{rate:,.0f} updates/s")
            if event.updates < event.most_updates:
                parts.append(f"at most {_duration((event.most_updates - event.updates) / rate)} left")
        return " · ".join(parts)

    def conclude(self, run: Run, folder: Path, report: Path | None) -> None:
        """The result: the curve, the verdict, the figures, and where everything is."""
        if self._quiet:
            return
        console = self._console
        console.print()
        width = max(60, min(96, console.width))
        color = console.is_terminal and not console.no_color
        drawing = picture(
            run.curves, width=width, height=18, color=color, encoding=console.encoding or "ascii"
        )
        console.print(Text.from_ansi(drawing), soft_wrap=True)
        console.print()
        self._section("Verdict", f"{run.verdict.sentence}\n{run.verdict.remedy}".strip())
        figures = []
        for part, metrics in run.metrics.items():
            for name, summary in metrics.items():
                figures.append((f"{part} {name.replace('_', ' ')}", str(summary)))
        figures.append(("best epoch", str(run.best_epoch)))
        label = max(len(name) for name, _ in figures)
        self._section(
            "Figures at the best parameters", "\n".join(f"{name:<{label}}  {text}" for name, text in figures)
        )
        reasons: dict[str, list[int]] = {}
        for outcome in run.outcomes:
            reasons.setdefault(outcome.stopped, []).append(outcome.repeat)
        if len(reasons) == 1:
            stopped = next(iter(reasons))
        else:
            stopped = "\n".join(f"repeat {', '.join(map(str, who))}: {why}" for why, who in reasons.items())
        self._section("Stopped", stopped)
        console.print(f"[bold]Run[/bold]     {escape(str(folder))}")
        if report is not None:
            console.print(f"[bold]Report[/bold]  {escape(str(report))}")


_PARTS = (("train", "training"), ("validation", "validation"), ("test", "test"))
_SHOWN = (
    ("train.loss", "training loss"),
    ("validation.loss", "validation loss"),
    ("validation.accuracy", "accuracy"),
    ("validation.r2", "R²"),
)


def _tty(stderr: bool) -> bool:
    return (sys.stderr if stderr else sys.stdout).isatty()


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(3.2), _duration(75), _duration(7300)
    ('3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
