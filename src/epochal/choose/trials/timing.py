"""Measured time of an update by batch size, and the settings that do not fit into memory.

Measured in the very program that trains, gather and order included, evaluations and compilation not. Between
measured sizes the time is interpolated, so that knees of the curve stay where they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import jax
import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.trials.trial import Candidate, Job
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.machine import cores
from epochal.curves.statistics import Floats, Ints
from epochal.engine.memory import MEMORY_SHARE, bytes_available, format_bytes, program_bytes
from epochal.training.executor import Threads, WorkItem

Key = TypeVar("Key")

FEW = 32  # updates of the first calls
AGAIN_SECONDS = 0.05  # training time of one more look at an update time
ENDLESS = 2**30  # updates of a training that is only timed, and the distance of its evaluations


@dataclass(frozen=True)
class UpdateTime:
    """The time of one update."""

    batch_size: int  # samples of the update
    # the minimum over calls of many updates, since other work on the machine only adds to it; of a call on a
    # CPU, wall-clock time or CPU time, whichever is less
    seconds: float
    relative_excess: float  # how much longer the median call took, as a share of the minimum
    compile_seconds: float  # until the program was there; little if it was in a cache
    updates: int  # how many were measured


@dataclass(frozen=True)
class TimingCurve:
    """Update times at several batch sizes.

    >>> curve = TimingCurve((UpdateTime(1, 2e-6, 0, 0, 9), UpdateTime(100, 2e-4, 0, 0, 9)))
    >>> f"{float(curve.seconds(10)):.0e}"
    '2e-05'
    """

    points: tuple[UpdateTime, ...]

    @property
    def batch_sizes(self) -> Ints:
        """The measured sizes, ascending."""
        return np.array([point.batch_size for point in self.points], np.int64)

    def seconds(self, batch_size: ArrayLike) -> Floats:
        """Time of an update at a batch size, interpolated in logarithms; beyond the ends, of the end."""
        measured = [point.seconds for point in self.points]
        wanted = np.log(np.asarray(batch_size, np.float64))
        return np.exp(np.interp(wanted, np.log(self.batch_sizes), np.log(measured)))

    def line(self) -> tuple[float, float]:
        """(a, b) of the update time a + b * batch_size, by least squares of relative errors, both >= 0."""
        from scipy.optimize import nnls

        sizes = self.batch_sizes.astype(np.float64)
        seconds = np.array([point.seconds for point in self.points])
        (a, b), _ = nnls(np.stack([1 / seconds, sizes / seconds], axis=1), np.ones(len(seconds)))
        return float(a), float(b)


class Timer:
    """Update times of one setting by batch size, each measured once; a training meanwhile would slow them."""

    def __init__(self, runner: TrialRunner, candidate: Candidate) -> None:
        self._runner, self._candidate = runner, candidate
        self._points: dict[int, UpdateTime] = {}

    def seconds(self, batch_size: int) -> float:
        """The time of an update at a batch size."""
        if batch_size not in self._points:
            candidate = self._candidate.with_(f"batch {batch_size}", batch_size=batch_size)
            self._points[batch_size] = update_time(self._runner, candidate)
        return self._points[batch_size].seconds

    def again(self, batch_sizes: Sequence[int]) -> None:
        """Time some sizes three times again, in turns, and keep the shortest: other work comes and goes."""
        for size in batch_sizes:
            self.seconds(size)
        for number in range(3):
            for size in batch_sizes:
                candidate = self._candidate.with_(f"batch {size}, again {number + 1}", batch_size=size)
                found, held = update_time(self._runner, candidate, AGAIN_SECONDS), self._points[size]
                if found.seconds < held.seconds:
                    self._points[size] = replace(
                        held, seconds=found.seconds, relative_excess=found.relative_excess
                    )

    @property
    def curve(self) -> TimingCurve:
        """All that was measured so far."""
        return TimingCurve(tuple(self._points[size] for size in sorted(self._points)))


def measure(runner: TrialRunner, candidates: Sequence[Candidate], seconds: float = 0.1) -> TimingCurve:
    """Time settings that differ in their batch size, one after the other, on an otherwise idle process."""
    points = {}
    for candidate in candidates:
        size = runner.prepared(candidate).plan.segments[0][1]
        if size not in points:
            points[size] = update_time(runner, candidate, seconds)
    return TimingCurve(tuple(points[size] for size in sorted(points)))


def update_time(runner: TrialRunner, candidate: Candidate, seconds: float = 0.2) -> UpdateTime:
    """Time one setting, or find it in the store."""
    held = runner.store.timing(candidate.name)
    if held is not None and UpdateTime.__dataclass_fields__.keys() <= held.keys() and held["seconds"] > 0:
        runner.updates += int(held["updates"])
        return UpdateTime(**{name: held[name] for name in UpdateTime.__dataclass_fields__})
    slow = candidate
    if runner.prepared(candidate).spec.optimizer.given is None:
        # A rate is no part of the program; with a small one the parameters stay finite however long it runs.
        slow = candidate.with_(f"{candidate.name} (timed)", learning_rate=1e-6)
    begin = time.perf_counter()
    stack = runner.stack([Job(slow, 0, ENDLESS, ENDLESS)], fixed_updates_per_call=FEW)
    compiled = time.perf_counter() - begin
    stack.advance()
    stack.advance()
    first = stack.seconds
    stack.advance()
    # Calls of an eighth of the time, so that there are several to take the minimum of.
    each_call = int(FEW * seconds / 8 / max(stack.seconds - first, 1e-9))
    stack.updates_per_call = min(ENDLESS, max(1, each_call))
    times: list[float] = []
    made, spent = 0, 0.0
    while spent < seconds or len(times) < 3:
        before, clock, busy = stack.update, stack.seconds, time.process_time()
        stack.advance()
        done, took = stack.update - before, stack.seconds - clock
        if jax.default_backend() == "cpu":
            took = min(took, time.process_time() - busy)
        if done == 0:
            break
        made, spent = made + done, spent + took
        times.append(took / done)
    each = np.array(times or [stack.seconds / max(stack.update, 1)])
    shortest, size = float(each.min()), stack.plan.segments[0][1]
    found = UpdateTime(size, shortest, float(np.median(each)) / shortest - 1, compiled, made)
    runner.add_updates(stack.update)
    runner.store.add_timing(candidate.name, asdict(found))
    return found


def left_out(runner: TrialRunner, candidates: Mapping[Key, Candidate]) -> dict[Key, str]:
    """Why settings are left out that are too large; their programs are compiled side by side.

    Those whose update time is known were compiled before, and fit.
    """
    tasks = [WorkItem((key, one)) for key, one in candidates.items() if runner.store.timing(one.name) is None]
    threads = Threads(lambda work, devices, stopped: too_large(runner, work[1]), [()] * cores())
    reasons = dict(threads.map_unordered(tasks))
    return {task.work[0]: reasons[task] for task in tasks if reasons[task]}


def too_large(runner: TrialRunner, candidate: Candidate) -> str:
    """Why a setting is left out, in one sentence; empty if it fits. Its program is compiled and not run."""
    size, free = runner.prepared(candidate).plan.batch_size, bytes_available()
    need = program_bytes(runner.stack([Job(candidate, 0, 1, 1)]))
    if need <= MEMORY_SHARE * free:
        return ""
    return f"batch size {size:,} needs about {format_bytes(need)} and {format_bytes(free)} are free: left out"
