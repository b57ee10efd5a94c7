"""Many settings trained on the same samples with the same seeds.

A `TrialRunner` holds what all share: the data, the splits and scalings of each repeat, the seeds. A `Job` is
one training to run; `TrialRunner.run` hands jobs to an executor and yields a `Trial` for each. Jobs that
differ in numbers only (rate, length, target, seed) run the same program. On a CPU each is a separate stack,
one on each core; an accelerator runs many vmapped.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from epochal.choose.trials.store import Store
from epochal.choose.trials.trial import DIVERGED, Candidate, Interrupted, Job, Trial, TrialStopping
from epochal.common.machine import cores
from epochal.curves import Curves
from epochal.engine.memory import fits
from epochal.engine.repeat_stack import RepeatStack, StackData, StackEvaluation
from epochal.engine.state import DIVERGED_EVALUATION, DIVERGED_UPDATE, RULE, RUNNING, TrainState
from epochal.errors import Refusal
from epochal.plan.sample_values import SampleValues
from epochal.settings import Settings
from epochal.training.describe import describe_settings
from epochal.training.executor import Executor, RayCluster, SharedRef, Stopped, Threads, WorkItem
from epochal.training.held_out import class_notes
from epochal.training.loop import StopSignal, curves_of
from epochal.training.prepare import chosen_optimizer, prepare
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.result import fitted_of
from epochal.training.resume_fingerprint import program_digest
from epochal.training.scoring import block_influences

MAX_VMAPPED = 64  # trainings that go through an accelerator in step
HELD_BYTES = 2**30  # samples of repeats that are kept ready for the next training, at most


def prepare_shared(model: Any, data: Any, settings: Settings) -> Prepared:
    """Prepare once what all candidates share, with a repeat for each seed; refuse what can't be compared."""
    if settings.micro_batch == "auto":
        raise Refusal(
            "`micro_batch` must be a number where settings are compared (those that do not fit are left "
            'out); got "auto".'
        )
    if settings.updates_per_epoch is not None:
        raise Refusal(
            "`updates_per_epoch` has no place where settings are compared, which count passes through "
            "the samples; leave it out."
        )
    if (settings.devices or 1) > 1:
        raise Refusal(
            f"`devices` must be 1 where settings are compared, each on one device; got {settings.devices}."
        )
    if not process_group().alone:
        raise Refusal(
            f"settings are compared in one process; {process_group().count} train together here. "
            "Compare or advise first, in a process of its own."
        )
    base = prepare(model, data, replace(settings, evaluate_train=False))
    if base.streamed:
        raise Refusal(
            "comparing and advising train many times over and need the data in memory; got "
            f"{base.dataset.source}, which is streamed: give some of its rows, or `stream=False`."
        )
    return base


class TrialRunner:
    """Trains candidates on what all share, `base`; `store` keeps finished trials, `stop_signal` ends it."""

    def __init__(
        self, base: Prepared, store: Store | None = None, stop_signal: StopSignal | None = None
    ) -> None:
        self.base = base
        self._on_host = jax.default_backend() == "cpu"
        self.executor: Executor = Threads(
            self.train, [()] * (cores() if self._on_host else 1), lambda: self.stop_signal.stopped
        )
        """What trains."""
        self.store = Store(None) if store is None else store  # an empty one is false
        self.stop_signal = stop_signal or StopSignal()
        self.updates = 0  # of all jobs so far, those found in the store included
        self.trainings = 0  # trials handed out so far
        self.updates_made = 0  # for this runner, here or elsewhere
        self.baselines: dict[int, float] = {}  # in the monitored metric, by repeat, as far as looked up
        self._prepared: dict[str, Prepared] = {}
        self._known: list[tuple[Candidate, Prepared]] = []
        self._sources: OrderedDict[int, StackData] = OrderedDict()
        self._programs: dict[Any, int] = {}
        self._lock = threading.Lock()

    @property
    def monitor(self) -> str:
        """The metric that decides what is best."""
        return self.base.spec.monitor

    def described(self) -> dict[str, Any]:
        """What all settings have in common, as JSON holds it; enough to tell two comparisons apart."""
        values = self.base.order.values
        return describe_settings(self.base) | {
            "fingerprint": self.base.dataset.fingerprint,
            "program": program_digest(self.base),
            "order_values": None if values is None else SampleValues(values).fingerprint,
        }

    def add_updates(self, updates: int) -> None:
        """Take updates into account that were made outside of `run`."""
        self.updates += updates
        self.updates_made += updates

    def prepared(self, candidate: Candidate) -> Prepared:
        """A setting, settled on the shared samples; refused in one sentence if it cannot work."""
        if candidate.name in self._prepared:
            return self._prepared[candidate.name]
        stop = TrialStopping(self.monitor) if self.base.settings.stop is None else self.base.settings.stop
        settings = replace(self.base.settings, stop=stop, evaluate_every="1 update", **candidate.changes)
        found = self._at_another_rate(candidate, settings)
        if found is None:
            found = prepare(candidate.model, None, settings, reuse=self.base)
            found = replace(found, spec=replace(found.spec, halving=""))  # asked at every update
            self._known.append((candidate, found))
        self._prepared[candidate.name] = found
        return found

    def _at_another_rate(self, candidate: Candidate, settings: Settings) -> Prepared | None:
        """The same setting as one that was settled before, with another rate: nothing is checked again."""
        wanted = {**candidate.changes, "learning_rate": None}
        for other, found in self._known:
            if other.model is candidate.model and {**other.changes, "learning_rate": None} == wanted:
                spec = replace(found.spec, optimizer=chosen_optimizer(settings))
                return replace(found, settings=settings, spec=spec)
        return None

    def run(self, jobs: Sequence[Job]) -> Iterator[Trial]:
        """Yield the trial of each job, those in the store first, the others as they end.

        Raises:
            Interrupted: `stop_signal` was set.
        """
        todo = []
        for job in jobs:
            trial = self.store.find(job.key, job.candidate.name, job.repeat)
            if trial is None:
                todo.append(job)
            else:
                self.updates += trial.updates
                self.trainings += 1
                yield trial
        tasks = [
            self._task(stacked) for stacked in self._job_stacks(todo, 1 if self._on_host else MAX_VMAPPED)
        ]
        for task, trials in self.executor.map_unordered(tasks):
            for job, trial in zip(task.work, trials, strict=True):
                self.store.add(job.key, trial)
                self.add_updates(trial.updates)
                self.trainings += 1
                yield trial
        if self.stop_signal.stopped:
            raise Interrupted

    def _task(self, jobs: list[Job]) -> WorkItem:
        candidate = jobs[0].candidate
        program = self._programs.setdefault(self._program(jobs[0]), len(self._programs))
        return WorkItem(
            jobs, candidate.name, program, large=self._on_host and not self.prepared(candidate).small
        )

    def train(self, jobs: list[Job], devices: tuple[jax.Device, ...], stopped: Stopped) -> list[Trial] | None:
        """The trials of jobs with the same program, in their order; None if they were stopped."""
        stack = self.stack(jobs)
        if len(jobs) > 1 and not fits(stack):
            half = len(jobs) // 2
            parts = [self.train(part, devices, stopped) for part in (jobs[:half], jobs[half:])]
            return None if stopped() else [trial for part in parts for trial in part or []]
        evaluations: list[StackEvaluation] = []
        while not stack.done:
            evaluations += stack.advance()
            if stopped():
                return None
        evaluations += stack.finish()
        return self._trials(jobs, stack, evaluations)

    def _program(self, job: Job) -> tuple[Any, ...]:
        """What is compiled for a job: the same for jobs that differ in numbers only."""
        prepared = self.prepared(job.candidate)
        spec = replace(prepared.spec, optimizer=replace(prepared.spec.optimizer, learning_rate=None))
        return spec, prepared.plan.with_(epochs=1)

    def _job_stacks(self, jobs: Sequence[Job], together: int) -> list[list[Job]]:
        """Jobs that go through one program in step: the same plan, program and limits."""
        found: list[list[Job]] = []
        latest: dict[Any, list[Job]] = {}
        for job in jobs:
            same = self._program(job), job.updates, job.eval_interval
            if same not in latest or len(latest[same]) == together:
                latest[same] = []
                found.append(latest[same])
            latest[same].append(job)
        return found

    def _trials(self, jobs: list[Job], stack: RepeatStack, evaluations: list[StackEvaluation]) -> list[Trial]:
        rows = curves_of(stack.plan, stack.spec.metric_names, range(len(jobs)), evaluations)
        status = np.asarray(stack.train_state.repeat_states.status)
        found = []
        for place, job in enumerate(jobs):
            own = rows.of(place) if place in rows.repeats else Curves.empty(stack.spec.metric_names)
            curves = replace(own, repeat=np.full(len(own), job.repeat))
            last, seconds = (int(own.update[-1]), float(own.seconds[-1])) if len(own) else (0, 0.0)
            reason = _REASONS[int(status[place])]
            outputs: tuple[Any, ...] = ()
            if job.scored_parameters and reason != DIVERGED:
                prepared, repeat_states = self.prepared(job.candidate), stack.train_state.repeat_states
                one = jax.tree.map(lambda leaf, place=place: np.asarray(leaf[place]), repeat_states)
                learned = fitted_of(prepared, one, job.repeat)
                learned = replace(learned, best=learned.last) if job.scored_parameters == "last" else learned
                outputs = block_influences(prepared, learned, job.repeat)
            found.append(Trial(job.candidate.name, job.repeat, curves, last, seconds, reason, *outputs))
        return found

    def stack(self, jobs: Sequence[Job], fixed_updates_per_call: int | None = None) -> RepeatStack:
        """The stack of jobs with the same program, at its first update."""
        job, prepared = jobs[0], self.prepared(jobs[0].candidate)
        epochs = -(-job.updates // prepared.plan.batches_in(0))
        while (plan := prepared.plan.with_(epochs=epochs)).updates < job.updates:
            epochs += 1  # with carry an epoch may have one less
        stack = RepeatStack(
            spec=replace(prepared.spec, n_repeats=len(jobs)),
            plan=plan,
            data=self._source(jobs, plan.updates),
            eval_interval=job.eval_interval,
            last_update=job.updates,
            initial=prepared.initial.variables,
            fixed_updates_per_call=fixed_updates_per_call,
        )
        rule = prepared.spec.rule
        if isinstance(rule, TrialStopping):
            limits = [rule.limited(one.target_value, one.patience, one.min_delta) for one in jobs]
            stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *limits)
            cursor, repeat_states = stack.train_state
            stack.train_state = TrainState(cursor, repeat_states._replace(rule=stacked))
        return stack

    def _source(self, jobs: Sequence[Job], updates: int) -> StackData:
        singles = []
        for job in jobs:
            prepared = self.prepared(job.candidate)
            one = self._held(job.repeat)
            rates = prepared.spec.schedule.rates(prepared.spec.optimizer.learning_rate or 1.0, updates)
            rates = jax.tree.map(lambda number: np.full(1, number), rates)
            seeded = one if job.seed_repeat is None else self._held(job.seed_repeat)
            per_repeat = one.per_repeat._replace(
                rates=rates,
                order=seeded.per_repeat.order,
                dropout_keys=seeded.per_repeat.dropout_keys,
                order_arrays=jax.device_put(prepared.order_arrays([job.repeat])),
            )
            singles.append(one._replace(per_repeat=per_repeat, init_keys=seeded.init_keys))
        if len(singles) == 1:
            return singles[0]
        same_samples = self.base.same_samples or len({job.repeat for job in jobs}) == 1
        parts = singles[0].parts
        if not same_samples:
            parts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[one.parts for one in singles])
        per_repeat = jax.tree.map(
            lambda *leaves: jnp.concatenate(leaves), *[one.per_repeat for one in singles]
        )
        inverse_transform = tuple(one.inverse_transform[0] for one in singles)
        return StackData(
            parts,
            same_samples,
            per_repeat,
            jnp.concatenate([one.init_keys for one in singles]),
            inverse_transform,
        )

    def _held(self, repeat: int) -> StackData:
        """The samples and seeds of a repeat, on the device; those used last are kept."""
        with self._lock:
            if repeat in self._sources:
                self._sources.move_to_end(repeat)
                return self._sources[repeat]
        source = self.base.stack_data(range(repeat, repeat + 1))
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(source.parts))
        with self._lock:
            self._sources[repeat] = source
            while len(self._sources) > 1 and len(self._sources) * size > HELD_BYTES:
                self._sources.popitem(last=False)
        return source


_REASONS = {RUNNING: "", RULE: "rule", DIVERGED_UPDATE: DIVERGED, DIVERGED_EVALUATION: DIVERGED}


REMEDY = (
    "what is finished is kept where there is a folder: the same call goes on from there, with the cluster or "
    "without"
)


@contextmanager
def training_on(address: str | None, runner: TrialRunner) -> Iterator[None]:
    """Within, the jobs of a runner are trained on the Ray cluster at that address, if there is one."""
    if address is None:
        yield
        return
    here = runner.executor
    runner.executor = RayCluster(
        address, _trainer, runner.base, with_shared_refs, lambda: runner.stop_signal.stopped, REMEDY
    )
    try:
        yield
    finally:
        runner.executor.close()
        runner.executor = here


def notes_of(runner: TrialRunner) -> list[str]:
    """Notes on classes missing from validation, and on where trainings ran."""
    where = runner.executor.summary()
    notes = class_notes(runner.base.dataset, runner.base.splits)
    return [*notes, *([f"trained on {where}; update times are of this machine."] if where else [])]


def with_shared_refs(jobs: Sequence[Job], put: Callable[[Any], SharedRef]) -> list[Job]:
    """Jobs with references in place of models, and of other options that are no plain values.

    Sent with each job they would be other objects each time, and their programs compiled each time.
    """
    plain = bool | int | float | str | None
    return _each(jobs, lambda value: value if isinstance(value, plain) else put(value))


def with_refs_resolved(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the values that the references stand for."""
    return _each(jobs, lambda value: value.value if isinstance(value, SharedRef) else value)


def _each(jobs: Sequence[Job], change: Callable[[Any], Any]) -> list[Job]:
    def changed(one: Candidate) -> Candidate:
        return Candidate(one.name, change(one.model), {name: change(it) for name, it in one.changes.items()})

    return [replace(job, candidate=changed(job.candidate)) for job in jobs]


def _trainer(base: Prepared) -> Callable[..., list[Trial] | None]:
    runner = TrialRunner(base)
    return lambda jobs, devices, stopped: runner.train(with_refs_resolved(jobs), devices, stopped)
