"""`Lane`: one or several repeats in one compiled program, advanced call by call.

Each call does as many updates as fit in about a tenth of a second, so that the host can report progress, save
and handle an interrupt.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from epochal.common.waiting import interruptible
from epochal.engine.compiler import compiled, compiled_call, compiled_init, given_init
from epochal.engine.fed_program import deciding
from epochal.engine.hosted import Restore, filled, measuring
from epochal.engine.mesh import DeviceMesh
from epochal.engine.spec import PARTS, Layout, Spec
from epochal.engine.state import Kept, Limits, Part, Position, Progress, Repeat, Seeds
from epochal.plan import Plan
from epochal.plan.walk import Phase

CALL_SECONDS = 0.1


class Evaluation(NamedTuple):
    """One evaluation of the running repeats of a lane."""

    update: int
    epoch: int
    batch: int
    """Batches of the epoch that are done."""
    seconds: float
    """Training time of the lane so far, without compilation."""
    running: npt.NDArray[np.bool_]
    values: npt.NDArray[np.float32]
    """(repeats of the lane, columns of the spec)."""
    samples: int | None = None
    """Samples used so far, where the plan does not determine it."""


class Source(NamedTuple):
    """The data of a lane: parts, whether repeats share them, and random seeds."""

    parts: tuple[Part, ...]
    shared: bool
    seeds: Seeds
    init_keys: jax.Array
    restore: tuple[Restore, ...] = ()
    """Per repeat, for metrics on the host."""


def start_position(plan: Plan, update: int, every: int, unit: str, due: bool) -> Position:
    """The position after this many updates, from the plan alone."""
    epoch, index = plan.locate(update) if update < plan.updates else (plan.epochs, 0)
    done = update if unit == "updates" else epoch
    return Position(
        epoch=np.int32(epoch),
        index=np.int32(index),
        start=np.int32(plan.start(epoch) if epoch < plan.epochs else 0),
        until=np.int32(every - done % every),
        update=np.int32(min(update, 2**31 - 1)),
        due=np.bool_(due),
        counted=np.uint32(0),
        counted_high=np.uint32(0),
    )


def kept(progress: Progress, update: int, seconds: float, samples: int = 0) -> Kept:
    """A copy of a lane's state on the host, since the arrays are donated in the next call."""
    return Kept(jax.tree.map(lambda leaf: np.array(leaf), progress), update, seconds, samples)


@dataclass
class Lane:
    """Vmapped repeats: `advance` until `done`, then `finish`.

    Where the batch size changes, each phase has its own program, and the state passes on.
    """

    spec: Spec
    plan: Plan
    """Of passes (`Plan.passes`)."""
    source: Source
    every: int
    last_update: int
    """The update after which training ends: the plan's last, or earlier with a budget."""
    initial: Any = None
    """Variables with which every repeat starts; those that are None each draws."""
    fixed_budget: int | None = None
    """Updates per call, for tests; by default adapted to the speed."""
    per_epoch: int | None = None
    """Updates per epoch, where it is not a pass."""
    devices: tuple[jax.Device, ...] = ()
    """Devices that hold the data and share each batch; empty for JAX's default."""
    kept: Kept | None = None
    """The snapshot to continue from, freed once on the device; None to start anew."""

    def __post_init__(self) -> None:
        self.spec = replace(self.spec, mesh=DeviceMesh(self.devices))
        if self.kept is None:
            self.update, self.seconds = 0, 0.0
            position = start_position(self.plan, 0, self.every, self.spec.evaluate_unit, due=True)
            self.progress = Progress(position, self._fresh())
        else:
            progress, self.update, self.seconds, _ = self.kept
            self.progress = Progress(progress.position, self.spec.mesh.put(progress.repeats))
            self.kept = None
        self.budget = self.fixed_budget or (64 if self.spec.mesh.local else 1)
        end = (
            (self.plan.epochs, 0)
            if self.last_update >= self.plan.updates
            else self.plan.locate(self.last_update)
        )
        self._end = (np.int32(end[0]), np.int32(end[1]))
        self.enter(max(0, sum(phase.update < self.update for phase in self.plan.phases) - 1))

    def _fresh(self) -> Repeat:
        """The initial repeats."""
        spec, source = self.spec, self.source
        if self.initial is None:
            first: Repeat = compiled_init(spec, source.init_keys, source.parts, source.shared)(
                source.init_keys
            )
            return first
        inputs = source.parts[0].inputs
        shape = inputs.shape[1 if source.shared else 2 :]
        return given_init(spec, self.initial, source.init_keys, shape, inputs.dtype)

    def enter(self, phase: int) -> None:
        """Switch to the program of a phase, compiling it if needed."""
        self.phase, source = phase, self.source
        spec = replace(self.spec, layout=Layout.of(self.plan, phase))
        self._call = compiled_call(
            spec, self.progress, source.seeds, source.parts, self._limits(0), source.shared
        )

    def _limits(self, budget: int) -> Limits:
        end, following = self._end, self._following
        if following is not None:
            end = (np.int32(following.first), np.int32(0))
        return Limits(np.int32(budget), *end, np.int32(self.every), np.int32(self.per_epoch or 0))

    @property
    def _following(self) -> Phase | None:
        """The next phase, if training reaches it."""
        later = self.plan.phases[self.phase + 1 : self.phase + 2]
        return later[0] if later and later[0].update < self.last_update else None

    @property
    def done(self) -> bool:
        """Whether the plan is at its end or all repeats have stopped."""
        if bool(self.progress.position.due):
            return False
        return self.update >= self.last_update or bool((np.asarray(self.progress.repeats.status) != 0).all())

    def advance(self, most: int | None = None) -> list[Evaluation]:
        """Run one call of at most `most` updates and return its evaluations."""
        following = self._following
        if following is not None and self.update == following.update and not self.progress.position.due:
            self.enter(self.phase + 1)
        budget = self.budget if most is None else min(self.budget, most)
        if self.spec.hosted:
            evaluated = self._evaluate()
            return evaluated if self.done else [*evaluated, *self._made(budget), *self._evaluate()]
        return self._made(budget)

    def _evaluate(self) -> list[Evaluation]:
        """The evaluation that is due, if any, with the host's metrics."""
        progress, spec, source = self.progress, self.spec, self.source
        if not bool(progress.position.due):
            return []
        begin = time.perf_counter()
        parts = tuple(source.parts[PARTS.index(name)] for name in spec.parts)
        measured = (progress.repeats, parts, source.seeds.units)
        figures, outputs = self._compiled(measuring(source.shared), measured)
        rows = range(spec.repeats)
        targets = {
            name: [np.asarray(part.targets if source.shared else part.targets[row]) for row in rows]
            for name, part in zip(spec.parts, parts, strict=True)
        }
        status = np.asarray(progress.repeats.status)
        figures = filled(spec, figures, outputs, targets, source.restore, status)
        epoch = self.update / self.per_epoch if self.per_epoch else self.plan.epochs_after(self.update)
        none = np.zeros((spec.repeats, 2), np.float32)
        decided = (progress.repeats, figures, none, progress.position, np.float32(epoch))
        repeats, row, active = self._compiled(deciding, decided)
        position = progress.position.evaluated()
        self.progress = Progress(position, repeats)
        self.seconds += time.perf_counter() - begin
        at = (self.update, int(position.epoch), int(position.index), self.seconds)
        return [Evaluation(*at, np.asarray(active), np.asarray(row))]

    def _compiled(self, make: Any, arguments: tuple[Any, ...]) -> Any:
        """The result of the program made by `make`."""
        inputs = self.source.parts[0].inputs
        sample = jax.ShapeDtypeStruct(inputs.shape[1 if self.source.shared else 2 :], inputs.dtype)
        program = compiled(make, self.spec, sample, arguments)
        return interruptible(lambda: jax.block_until_ready(program(*arguments)))

    def _made(self, budget: int) -> list[Evaluation]:
        """Run one call of up to `budget` updates and return its evaluations."""

        def call() -> tuple[Progress, Any, float]:
            begin = time.perf_counter()
            arguments = (self.progress, self.source.seeds, self.source.parts, self._limits(budget))
            progress, rows = jax.block_until_ready(self._call(*arguments))
            return progress, rows, time.perf_counter() - begin

        self.progress, rows, took = interruptible(call)
        before, self.update = self.update, self._updates(self.progress.position)
        done = self.update - before
        if self.fixed_budget is None and done and budget == self.budget:
            wanted = int(self.budget * CALL_SECONDS / max(took, 1e-6))
            self.budget = max(1, min(wanted, self.budget * 8, 2**30))
        count = int(rows.count)
        evaluations = []
        epochs, indices = np.asarray(rows.epoch)[:count], np.asarray(rows.index)[:count]
        running, values = np.asarray(rows.running)[:count], np.asarray(rows.values)[:count]
        for epoch, index, active, figures in zip(epochs, indices, running, values, strict=True):
            update = self._update_at(int(epoch), int(index))
            seconds = self.seconds + took * ((update - before) / done if done else 1.0)
            evaluations.append(Evaluation(update, int(epoch), int(index), seconds, active, figures))
        self.seconds += took
        return evaluations

    def finish(self) -> list[Evaluation]:
        """End: a last evaluation, unless there was one after the last update."""
        if self.update == 0 or self.progress.position.seen > 0:
            position = self.progress.position._replace(due=np.bool_(True))
            self.progress = Progress(position, self.progress.repeats)
            return self.advance(0)
        return []

    def keep(self) -> Kept:
        """An immutable snapshot to continue from."""
        return kept(self.progress, self.update, self.seconds)

    ended = ""
    """Samples in memory are never exhausted."""

    def close(self) -> None:
        """Nothing to release."""

    def _update_at(self, epoch: int, index: int) -> int:
        if epoch >= self.plan.epochs:
            return self.plan.updates
        return self.plan.first_update(epoch) + index

    def _updates(self, position: Position) -> int:
        return self._update_at(int(position.epoch), int(position.index))
