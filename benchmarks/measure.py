"""How long does it take, beside what, and under which conditions?

Machines differ and neighbors come and go, so what counts is a ratio: every contender has its turn in every
round, the order is reversed from round to round, and a ratio is formed within a round before the median is
taken. Neighbors do not slow all contenders alike: threads that wait for one another were seen to take ten
times as long on a busy machine. So no aim is judged while others take more than a tenth of the cores.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5
BUSY = 0.1
"""Share of the cores, taken by other processes, from which on nothing is judged."""
PACKAGES = (
    "epochal", "jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda12-plugin", "numpy", "optax", "flax",
    "torch", "keras", "lightning", "skorch", "scikit-learn",
)  # fmt: skip

Trial = Callable[[], float]
"""One measurement: does the work once and returns the figure that its own clock gives."""


@dataclass(frozen=True)
class Figure:
    """One quantity in all rounds: the median is what is quoted, the spread stands beside it."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def times(self, factor: float) -> Figure:
        return Figure(tuple(value * factor for value in self.values))

    def per(self, other: Figure) -> Figure:
        """The ratio to another figure, round by round."""
        return Figure(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))

    def __str__(self) -> str:
        return f"{digits(self.median)} ({digits(min(self.values))}–{digits(max(self.values))})"


@dataclass(frozen=True)
class Measured:
    """What the rounds gave for one contender."""

    clock: Figure  # what each trial returned
    call_seconds: Figure  # the whole call of each trial, from outside
    first_seconds: float  # import, build, compile, and the first trial: not among the rounds


def alternate(contenders: Mapping[str, Callable[[], Trial]], rounds: int = ROUNDS) -> dict[str, Measured]:
    """Prepare and warm up each contender, then give each its turn in each of the rounds."""
    trials: dict[str, Trial] = {}
    first_seconds: dict[str, float] = {}
    for name, prepare in contenders.items():
        started = time.perf_counter()
        trials[name] = prepare()
        trials[name]()
        first_seconds[name] = time.perf_counter() - started

    clock: dict[str, list[float]] = {name: [] for name in trials}
    call: dict[str, list[float]] = {name: [] for name in trials}
    for turn in range(rounds):
        for name in list(trials)[:: 1 if turn % 2 == 0 else -1]:
            gc.collect()
            started = time.perf_counter()
            clock[name].append(trials[name]())
            call[name].append(time.perf_counter() - started)
    return {
        name: Measured(Figure(tuple(clock[name])), Figure(tuple(call[name])), first_seconds[name])
        for name in trials
    }


@dataclass(frozen=True)
class Aim:
    """A figure that epochal has promised, and what was measured."""

    what: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def said(self, busy: bool) -> str:
        relation = "at most" if self.at_most else "at least"
        outcome = "not judged" if busy else "met" if self.met else "MISSED"
        return f"{self.what}: {digits(self.value)} ({relation} {digits(self.bound)}: {outcome})"


Cell = str | int | float | Figure | None


@dataclass
class Table:
    """Rows of figures with the conditions that they were measured under."""

    name: str
    title: str
    columns: Mapping[str, str]  # the key in the JSON file: the heading on the page
    rows: list[Mapping[str, Cell]] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    timed: bool = True  # whether the figures are times, which a busy machine spoils
    began: Usage = field(default_factory=lambda: Usage.now())

    def publish(self, folder: Path = RESULTS) -> None:
        """Write NAME.json and NAME.md, and print the page."""
        folder.mkdir(parents=True, exist_ok=True)
        conditions = self.conditions()
        busy = self.timed and (conditions["others_share_of_cores"] or 0) > BUSY
        page = self.page(conditions, busy)
        document = {
            "name": self.name,
            "title": self.title,
            "columns": dict(self.columns),
            "rows": [{key: as_json(cell) for key, cell in row.items()} for row in self.rows],
            "aims": [vars(aim) | {"met": None if busy else aim.met} for aim in self.aims],
            "notes": self.notes,
            "skipped": self.skipped,
            "conditions": conditions,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        (folder / f"{self.name}.md").write_text(page)
        print(page, flush=True)

    def page(self, conditions: Mapping[str, Any], busy: bool) -> str:
        others = conditions["others_share_of_cores"]
        lines = [
            f"## {self.title}",
            "",
            "| " + " | ".join(self.columns.values()) + " |",
            "| --- " + "| ---: " * (len(self.columns) - 1) + "|",
            *("| " + " | ".join(as_text(row.get(key)) for key in self.columns) + " |" for row in self.rows),
            "",
            *(f"- {aim.said(busy)}" for aim in self.aims),
            *(["- **The machine was busy: measure again before quoting any of this.**"] if busy else []),
            *(f"- {note}" for note in self.notes),
            *(f"- Skipped: {line}" for line in self.skipped),
            f"- Measured {conditions['date']} on {''.join(f'{card}; ' for card in conditions['cards'])}"
            f"{conditions['processor']}, {conditions['cores']} cores, "
            f"{conditions['memory_gb']} GB, {conditions['system']}, Python {conditions['python']}; "
            f"{', '.join(f'{name} {version}' for name, version in conditions['versions'].items())}. "
            f"Other processes took {'an unknown share' if others is None else f'{others:.0%}'} of the cores.",
            "",
        ]
        return "\n".join(lines)

    def conditions(self) -> dict[str, Any]:
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "cards": cards(),
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "versions": versions(),
            "others_share_of_cores": self.began.others_share(Usage.now()),
        }


@dataclass(frozen=True)
class Usage:
    """The processor time spent so far: by everyone, by this process and its children, and on nothing."""

    all: float | None
    own: float
    idle: float

    @classmethod
    def now(cls) -> Usage:
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        counters = Path("/proc/stat")
        if not counters.exists():
            return cls(None, own, 0.0)
        user, nice, system, idle, wait, *rest = map(int, counters.read_text().split("\n")[0].split()[1:9])
        tick = os.sysconf("SC_CLK_TCK")
        return cls((user + nice + system + sum(rest)) / tick, own, (idle + wait) / tick)

    def others_share(self, later: Usage) -> float | None:
        """The share of all cores that other processes took since then."""
        if self.all is None or later.all is None:
            return None
        used = later.all - self.all
        return round(max(0.0, used - (later.own - self.own)) / (used + later.idle - self.idle), 3)


def versions() -> dict[str, str]:
    """The versions that are installed, found without importing anything."""
    installed = {str(found.metadata["Name"]).lower(): found.version for found in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}


def processor() -> str:
    """The processor's name, with the family and model: a virtual machine may only say "AMD EPYC"."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in information.read_text().split("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    if "model name" not in facts:
        return platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family')}, model {facts.get('model')})"


def cards() -> list[str]:
    """The GPUs of this machine, each with its driver, memory and limit of power, as the driver says."""
    asked = "name,driver_version,memory.total,power.limit"
    command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = said.stdout.splitlines() if said.returncode == 0 else []
    parts = ([part.strip() for part in line.split(",")] for line in lines if line.strip())
    return [f"{name} (driver {driver}, {memory}, {power})" for name, driver, memory, power in parts]


def digits(value: float) -> str:
    """Three significant digits, never an exponent between a millionth and a billion."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def as_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return digits(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell)


def as_json(cell: Cell) -> object:
    if isinstance(cell, Figure):
        return {
            "median": cell.median,
            "min": min(cell.values),
            "max": max(cell.values),
            "runs": len(cell.values),
            "values": cell.values,
        }
    return cell
