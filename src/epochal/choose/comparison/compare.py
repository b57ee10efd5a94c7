"""`compare`: a grid of settings, each trained on the same splits and seeds.

Differences are therefore paired. First the time of an update is measured, then the learning rate of each
setting is tuned on separate repeats, then the repeats run in rounds, after each of which settings that are
clearly worse are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax

from epochal.choose.comparison.comparison import Comparison
from epochal.choose.comparison.grid import GRID_AXES, TUNE, Axis, Entry, as_json, axes_of, entries
from epochal.choose.comparison.rates import MAX_TRAININGS, REPEATS, tune
from epochal.choose.comparison.result_table import ComparisonState, concluded
from epochal.choose.statistics.race import race
from epochal.choose.trials import fairness
from epochal.choose.trials.fairness import EqualBudget, TrainingLength, score_trials
from epochal.choose.trials.progress import OnStep, ProgressSteps
from epochal.choose.trials.store import Store
from epochal.choose.trials.target_values import check_target_value
from epochal.choose.trials.timing import left_out, measure
from epochal.choose.trials.trial import Candidate, Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner, notes_of, prepare_shared, training_on
from epochal.common.machine import cores
from epochal.common.metric_names import higher_is_better
from epochal.common.text import duration
from epochal.common.version import VERSION
from epochal.data import named_columns, source_from_xy, y_or_target
from epochal.errors import Refusal
from epochal.models import check_model
from epochal.plan import Plan
from epochal.runs.studies import write_study
from epochal.settings import COMPARE_DEFAULTS, Settings
from epochal.stopping import budgets
from epochal.training.loop import StopSignal
from epochal.training.resume_fingerprint import program_digest
from epochal.training.signatures import settings_of, takes_options

CONFIRM_SECONDS = 3600.0  # seconds that a comparison may take without being confirmed
ALGORITHM = 2  # of the search and the race: trainings of another one are not continued


@takes_options(
    without=("evaluate_every", "evaluate_train", "updates_per_epoch"),
    defaults=COMPARE_DEFAULTS,
    several=GRID_AXES,
)
def compare(
    model: Any,
    data: Any = None,
    y: Any = None,
    *,
    sample_weight: Any = None,
    budget: str = "epochs",
    target: str | None = None,
    target_value: float | None = None,
    margin: float | None = None,
    folder: str | Path | None = None,
    stop_signal: StopSignal | None = None,
    watch: OnStep | None = None,
    progress: bool | None = None,
    yes: bool = False,
    ray: str | None = None,
    **options: Any,
) -> Comparison:
    """Train all combinations of the given options on the same samples and seeds, and say which is best.

    A list of values, or a mapping from labels to values, makes an option an axis of the comparison: of
    batch_size, learning_rate, optimizer, schedule, order, remainder, epochs, and of `model`. Batch sizes are
    1, 8, 32, 128 and "full" unless given, or 32 where something else is an axis. Learning rates are tuned for
    each setting unless given.

    Settings are compared by the monitored metric, in each repeat at the moment that the next one chooses:
    at its own best one, the curve that jumps most would upto best. Settings that are equal in epochs are read
    after whole epochs, others at up to 100 evenly spaced points of their training, and at the start. The
    updates to the target are read from all evaluations.

    Args:
        model: what `fit` takes, or several in a list or by label.
        data: what `fit` takes; needs validation samples.
        y: what `fit` takes.
        sample_weight: what `fit` takes.
        budget: what all settings get alike: "epochs", "samples", "updates" or "seconds", with an amount such
            as "50epochs" or "2s". Without one it is what batch size 32 takes for the given epochs.
        target: the column of the targets, if not in `y`.
        target_value: the value of the monitored metric that counts as reached. By default each repeat has its
            own: 90 % of the way from the baseline to the best value that any setting reached there.
        margin: the smallest difference of the monitored metric that matters: settings that are shown to
            differ by less are called practically the same. By default a fifth of the standard deviation over
            the repeats of the best setting; 0 for none.
        folder: keeps each finished training, so that the same call continues, or answers at once.
        stop_signal: ends it from outside.
        watch: called after each training.
        progress: whether to show progress, as in `fit`; the default is yes unless `watch` is given.
        yes: start even if it would take more than an hour.
        ray: address of a Ray cluster on whose nodes the trainings are made ("auto": the one this machine
            belongs to). Trainings of a node that dies are made again on others.
        **options: those of a training, by name; 10 repeats unless given:

    Returns:
        The comparison: `answer`, `rows`, `plot()`, `report()`.

    Raises:
        Refusal: what cannot work, in one sentence, before anything is trained.
        Interrupted: `stop_signal` was set; what was finished is in the folder.
        ProcessLost: no node of the cluster is left; what was finished is in the folder.

    >>> from epochal.models import MLP
    >>> sizes = [8, "full"]
    >>> found = compare(MLP(4), "example:iris", batch_size=sizes, learning_rate=0.02, epochs=3, repeats=3)
    >>> found.best, [row.updates for row in found.rows]
    ('batch 8', [45, 3])
    """
    stop_signal = stop_signal or StopSignal()
    steps = ProgressSteps(watch, progress, stop_signal)
    if not isinstance(model, list | Mapping):
        check_model(model, data)
    y = y_or_target(y, target)
    check_target_value(target_value)
    if margin is not None and not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
        raise Refusal(
            f"`margin` must be a finite number, at least 0; got {margin!r}. Leave it out to have one chosen."
        )
    axes, common = axes_of(model, options)
    reading = {name: options[name] for name in ("task", "stream", "workers") if name in options}
    columns, data = named_columns(y, sample_weight), source_from_xy(data, y, sample_weight, **reading)
    equal = fairness.parse_budget(budget)
    settled = _settle(axes, common, data, equal, "batch_size" in options, stop_signal)
    run = _ComparisonRun(*settled, common, target_value, equal=equal, steps=steps, margin=margin)
    steps.opening(run.runner.base.dataset)
    steps.where = lambda: run.runner.executor.where
    with closing(steps), training_on(ray, run.runner):
        if folder is not None:
            run.runner.store = Store(Path(folder), run.request())
        run.measure()
        if not yes:
            run.refuse_long()
        run.tune()
        run.train()
        run.notes += notes_of(run.runner)
    found = concluded(run, steps.seconds)
    rows = tuple(replace(row, options={**columns, **row.options}) for row in found.rows)
    found = replace(found, rows=rows)
    if found.folder is not None:
        write_study(found.folder, found.to_dict())
    return found


def _settle(
    axes: Mapping[str, Axis],
    common: Mapping[str, Any],
    data: Any,
    budget: EqualBudget,
    chosen_sizes: bool,
    stop_signal: StopSignal,
) -> tuple[TrialRunner, list[Entry], dict[str, Plan], int, list[str]]:
    """All refusals, and what needs no training: settings with their plans, repeats, notes."""
    axes = {**axes, "epochs": _epochs(axes["epochs"], budget)}
    first = {name: axis.values[0][1] for name, axis in axes.items()}
    repeats = Settings(repeats=common.get("repeats", COMPARE_DEFAULTS["repeats"])).repeats
    tuned = any(rate == TUNE for _, rate in axes["learning_rate"].values) and any(
        isinstance(optimizer, str) for _, optimizer in axes["optimizer"].values
    )
    shared = {name: first[name] for name in ("schedule", "order", "remainder", "epochs")}
    base = settings_of(
        {"monitor": None, **common, **shared}
        | {"batch_size": "full", "repeats": repeats + (REPEATS if tuned else 0)}
    )
    if isinstance(base.validation, int | float) and base.validation == 0:
        raise Refusal(
            "`validation` must be greater than 0 to compare settings; got 0, and the training loss says "
            "nothing about new samples. Give a share such as 0.2, or data of its own."
        )
    if base.stop is not None and budgets(base.stop):
        raise Refusal(
            "stop must not hold a Budget in a comparison, where budget= says how far each setting trains; "
            'use `budget="2s"` or `budget="1000updates"`.'
        )
    shared_by_all = prepare_shared(first["model"], data, replace(base, optimizer=first["optimizer"]))
    runner = TrialRunner(shared_by_all, stop_signal=stop_signal)
    grid, notes = entries(axes, runner.base.plan.positions_per_epoch, chosen_sizes)
    plans = {entry.name: runner.prepared(_named(entry, "plan")).plan for entry in grid}
    return runner, grid, plans, repeats, notes


def _epochs(axis: Axis, budget: EqualBudget) -> Axis:
    if budget.unit != "epochs" and axis.varies:
        raise Refusal(
            f"`epochs` must be one number where settings are equal in {budget.unit}; "
            f'got {len(axis.values)} values. Use `budget="epochs"`.'
        )
    if budget.unit == "epochs" and budget.amount is not None:
        wanted = int(budget.amount)
        if any(value not in (wanted, COMPARE_DEFAULTS["epochs"]) for _, value in axis.values):
            raise Refusal(
                f'`budget="{wanted}epochs"` and `epochs={axis.values[0][1]}` contradict each other; give one.'
            )
        return Axis("epochs", (("", wanted),))
    return axis


def _named(entry: Entry, purpose: str) -> Candidate:
    """The setting under another name: under its own it has its rate, which may not be known yet."""
    return entry.candidate.with_(f"{entry.name} | {purpose}")


@dataclass(kw_only=True)
class _ComparisonRun(ComparisonState):
    equal: EqualBudget
    steps: ProgressSteps
    margin: float | None

    def request(self) -> dict[str, Any]:
        """All that decides the results, as JSON holds it."""
        return {
            "kind": "comparison",
            "algorithm": ALGORITHM,
            "epochal": VERSION,
            "data": self.runner.base.dataset.fingerprint,
            "budget": [self.equal.unit, self.equal.amount],
            "target_value": self.target_value,
            "margin": self.margin,
            "repeats": self.repeats,
            "common": {name: as_json(value) for name, value in sorted(self.common.items())},
            "settings": {
                entry.name: {name: as_json(value) for name, value in entry.candidate.changes.items()}
                | {"model": as_json(entry.candidate.model), "tuned": entry.tuned}
                | {"program": program_digest(self.runner.prepared(_named(entry, "plan")))}
                for entry in self.entries
            },
        }

    def measure(self) -> None:
        """Time an update of each model and optimizer at each batch size, and see how far settings train."""
        phase = "measuring the time of an update"
        timed: dict[tuple[str, int], Candidate] = {}
        for entry in self.entries:
            family, size = self._timed_as(entry)
            timed.setdefault((family, size), entry.candidate.with_(f"time of an update | {family} | {size}"))
        for key, reason in left_out(self.runner, timed).items():
            del timed[key]
            self.entries = [one for one in self.entries if self._timed_as(one) != key]
            self.notes.append(f"{reason}.")
        if not self.entries:
            raise Refusal(f"no setting fits into memory: {self.notes[-1]} Give smaller batch sizes.")
        self.plans = {entry.name: self.plans[entry.name] for entry in self.entries}
        done = 0
        for family in dict.fromkeys(family for family, _ in timed):
            self.steps.on_progress(phase, done, len(timed))
            candidates = [one for (own, _), one in timed.items() if own == family]
            self.timing[family] = measure(self.runner, candidates)
            done += len(candidates)
        self.steps.on_progress(phase, done, len(timed))
        first, plan = next(iter(self.timing.values())), next(iter(self.plans.values()))
        amount = fairness.amount_of(self.equal, plan, lambda size: float(first.seconds(size)))
        for entry in self.entries:
            family, size = self._timed_as(entry)
            self.update_seconds[entry.name] = float(self.timing[family].seconds(size))
        self.lengths = fairness.lengths(self.equal, amount, self.plans, self.update_seconds)
        epochs = [plan.epochs for plan in self.plans.values()]
        self.budget = fairness.budget_in_words(self.equal, amount, epochs)

    def _timed_as(self, entry: Entry) -> tuple[str, int]:
        """Model and optimizer where they vary, and batch size: what an update takes follows from these."""
        return ", ".join(filter(None, entry.family)), self.plans[entry.name].segments[0][1]

    def refuse_long(self) -> None:
        """Refuse what would take more than an hour."""
        seconds, trainings, updates = 0.0, 0, 0
        for entry in self.entries:
            each = self.lengths[entry.name].updates
            count = self.repeats + (MAX_TRAININGS if entry.tuned else 0)
            small = jax.default_backend() == "cpu" and self.runner.prepared(_named(entry, "plan")).small
            seconds += count * each * self.update_seconds[entry.name] / (cores() if small else 1)
            trainings, updates = trainings + count, updates + count * each
        if seconds > CONFIRM_SECONDS:
            raise Refusal(
                f"the comparison would take about {duration(seconds)} ({trainings:,} trainings, "
                f"{updates:,} updates, {duration(seconds / updates)} each on average); give "
                "`yes=True` to start it, or fewer batch sizes, epochs or repeats."
            )

    def tune(self) -> None:
        """Find the learning rates that were not given."""
        self.tuned = tune(
            [entry for entry in self.entries if entry.tuned],
            {entry.name: self._timed_as(entry)[1] for entry in self.entries},
            self.lengths,
            range(self.repeats, self.repeats + REPEATS),
            self._values,
            higher_is_better(self.runner.monitor),
        )
        for entry in self.entries:
            rate: dict[str, Any] = {"learning_rate": self.tuned[entry.name].rate} if entry.tuned else {}
            self.candidates[entry.name] = entry.candidate.with_(**rate)

    def train(self) -> None:
        """Train the repeats in rounds, and give up the settings that are clearly behind."""
        self.trials = {entry.name: [] for entry in self.entries}
        self.outcome = race(
            list(self.trials),
            self.repeats,
            self._round,
            higher_is_better=higher_is_better(self.runner.monitor),
            margin=self.margin,
            on_drop=lambda lost: self.steps.on_progress("comparing", 0, 0, str(lost)),
        )

    def _round(self, live: Sequence[str], done: int, upto: int) -> dict[str, list[float]]:
        """Train further repeats of some settings: the monitored metric in all their repeats."""
        # Where all validate on the same samples, these tell how much others would differ.
        scored = "best" if self.runner.base.same_validation else ""
        jobs = [
            Job(self.candidates[name], repeat, length.updates, length.eval_interval, scored_parameters=scored)
            for repeat in range(done, upto)
            for name, length in self.lengths.items()
            if name in live
        ]
        for trial in self._trained(jobs, f"comparing, repeats {done + 1} to {upto}"):
            self.trials[trial.candidate_name].append(trial)
        for name in live:
            self.trials[name].sort(key=lambda trial: trial.repeat)
        return {
            name: [one.value for one in score_trials(self.trials[name], self.monitor, self.lengths[name])]
            for name in live
        }

    def _values(self, wanted: Sequence[tuple[Job, TrainingLength]], what: str) -> dict[str, dict[int, float]]:
        for trial in self._trained([job for job, _ in wanted], f"tuning learning rates: {what}"):
            self.tuning.setdefault(trial.candidate_name, []).append(trial)
        found = {}
        for name, length in {job.candidate.name: length for job, length in wanted}.items():
            trials = sorted(self.tuning[name], key=lambda trial: trial.repeat)
            scores = score_trials(trials, self.monitor, length)
            found[name] = {trial.repeat: one.value for trial, one in zip(trials, scores, strict=True)}
        return found

    def _trained(self, jobs: Sequence[Job], phase: str) -> Iterator[Trial]:
        self.steps.on_progress(phase, 0, len(jobs))
        for done, trial in enumerate(self.runner.run(jobs), start=1):
            self.updates += trial.updates
            self.steps.on_progress(phase, done, len(jobs), self.runner.executor.news())
            yield trial
