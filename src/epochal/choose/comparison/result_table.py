"""Summary rows of all settings of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from epochal.choose.comparison.comparison import Comparison, Regime, Row, Tuned, Usage
from epochal.choose.comparison.grid import Entry
from epochal.choose.comparison.recommend import recommended
from epochal.choose.comparison.sentences import answer, join_names, too_few
from epochal.choose.search.final_estimate import Criteria, final_of
from epochal.choose.search.final_step import LATE, criteria_of
from epochal.choose.search.search import Point
from epochal.choose.statistics.hyperbola import Hyperbola, bootstrap_hyperbola, fit_hyperbola
from epochal.choose.statistics.paired_statistics import MIN_PAIRS
from epochal.choose.statistics.race import RaceResult
from epochal.choose.statistics.time_to_target import ExpectedRunningTime, Reached, expected_running_time
from epochal.choose.trials.fairness import TrainingLength, TrialScore, jitter, score_trials, seen_after
from epochal.choose.trials.target_values import baselines, reached_in, target_values
from epochal.choose.trials.timing import TimingCurve
from epochal.choose.trials.trial import Candidate, Trial
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.common.metric_names import higher_is_better, label_of
from epochal.common.text import counted
from epochal.curves import Curves, Summary, summarize
from epochal.errors import Refusal
from epochal.models import bounds_of
from epochal.plan import Plan
from epochal.stopping import Budget, any_of
from epochal.training.describe import describe_data, describe_settings, environment
from epochal.training.scoring import effective_samples

TARGET_SHARE = 0.1
"""How far from the best value one may be to have reached the target, as a share of the way back to a constant
prediction. With less than a tenth most settings of a grid never get there, and little is learned of them."""

REGIMES = ("batch", "mini-batch", "stochastic")


@dataclass
class ComparisonState:
    """The settings of a comparison and what was measured of them; see `Comparison` for the terms."""

    runner: TrialRunner
    entries: list[Entry]
    plans: dict[str, Plan]
    repeats: int
    notes: list[str]
    common: Mapping[str, Any]
    target_value: float | None
    budget: str = ""
    candidates: dict[str, Candidate] = field(default_factory=dict)
    lengths: dict[str, TrainingLength] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    tuned: dict[str, Tuned] = field(default_factory=dict)
    timing: dict[str, TimingCurve] = field(default_factory=dict)
    update_seconds: dict[str, float] = field(default_factory=dict)
    updates: int = 0
    tuning: dict[str, list[Trial]] = field(default_factory=dict)
    outcome: RaceResult = field(init=False)

    @property
    def monitor(self) -> str:
        """The monitored metric, by which settings are compared."""
        return self.runner.monitor


def concluded(found: ComparisonState, seconds: float) -> Comparison:
    """The comparison that the trainings make."""
    monitor, higher = found.monitor, higher_is_better(found.monitor)
    scores = {
        name: score_trials(trials, monitor, found.lengths[name]) for name, trials in found.trials.items()
    }
    values = {name: [one.value for one in several] for name, several in scores.items()}
    outcome = found.outcome
    per_repeat, target_text = _targets(found, values)
    reached = {
        name: [_reached(trial, monitor, per_repeat.get(trial.repeat)) for trial in trials]
        for name, trials in found.trials.items()
    }
    criteria = criteria_of(found.runner)
    rows = [_row(found, entry, scores[entry.name], criteria) for entry in found.entries]
    if per_repeat:
        rows = [replace(row, updates_to_target=expected_running_time(reached[row.name])) for row in rows]
    chosen: str | None = None
    same: tuple[str, ...] = ()
    tied = outcome.tied
    by_name = {row.name: row for row in rows}
    not_beaten = _baseline_not_beaten(found, outcome.best, criteria)
    if any(math.isfinite(row.quality.mean) for row in rows):
        perfect = bounds_of(monitor.partition(".")[2], found.runner.base.loss_name)[higher]
        constant = baselines(found.runner, [trial.repeat for trial in found.trials[outcome.best]])
        baseline = float(np.mean(list(constant.values())))
        if found.repeats >= MIN_PAIRS:
            away = abs(baseline - perfect) if math.isfinite(perfect) else abs(baseline)
            useless = baseline + (0.0 if not_beaten is None else -away if higher else away)
            tied = _without_failures(tied, by_name, by_name[outcome.best], useless)
        chosen, same = recommended(by_name, outcome, tied, values, higher, (perfect, baseline))
    rows = _sorted(rows, chosen, tied, higher)
    hyperbola, remark = _hyperbola(rows, reached) if per_repeat else (None, "")
    target_value = float(np.mean(list(per_repeat.values()))) if per_repeat else None
    comparison = Comparison(
        answer="",
        monitor=monitor,
        higher_is_better=higher,
        budget=found.budget,
        rows=tuple(rows),
        recommended=chosen,
        same=same,
        best=outcome.best,
        tied=tied,
        margin=outcome.margin,
        baseline_not_beaten=not_beaten,
        target_value=target_value,
        target_text=target_text,
        hyperbola=hyperbola,
        critical_batch_size_ci95=None if hyperbola is None else hyperbola.critical_batch_size_ci95,
        regimes=tuple(
            Regime(one, next((row.name for row in rows if row.regime == one), None)) for one in REGIMES
        ),
        curves={row.name: Curves.concatenate([one.curves for one in found.trials[row.name]]) for row in rows},
        timing=found.timing,
        notes=_notes(found, rows, remark),
        usage=Usage(found.runner.trainings, found.updates, seconds),
        data=describe_data(found.runner.base),
        settings=_common(found),
        environment=environment(deterministic=found.runner.base.settings.deterministic),
        same_split=found.runner.base.same_validation,
        folder=found.runner.store.folder,
    )
    return replace(comparison, answer=answer(comparison))


def _reached(trial: Trial, monitor: str, target_value: float | None) -> Reached:
    if target_value is None or not len(trial.curves):
        return Reached(float(trial.updates), False)
    return reached_in(trial, monitor, target_value, spent=max(trial.updates, 1))


def _row(found: ComparisonState, entry: Entry, scores: Sequence[TrialScore], criteria: Criteria) -> Row:
    """The row of a setting; a rule may have ended its trainings before their full length."""
    name = entry.name
    plan, trials, length = found.plans[name], found.trials[name], found.lengths[name]
    made = [trial.updates for trial in trials if not trial.diverged] or [length.updates]
    updates = round(float(np.mean(made)))
    epochs, samples = seen_after(plan, updates)

    def summary(metric: str, values: list[float]) -> Summary:
        influences = [trial.influences.get(metric, np.zeros(0)) for trial in trials]
        bounds = bounds_of(metric.partition(".")[2], found.runner.base.loss_name)
        return criteria.summary(values, influences, bounds, metric)

    on_relative_targets = found.runner.base.on_relative_targets
    others = [metric for metric in scores[0].metrics if metric.partition(".")[2] not in on_relative_targets]
    return Row(
        name=name,
        axes=entry.axes,
        batch_size=plan.segments[0][1],
        regime=plan.regime,
        learning_rate=found.runner.prepared(found.candidates[name]).spec.optimizer.learning_rate,
        repeats=len(trials),
        quality=summary(found.monitor, [one.value for one in scores]),
        metrics={metric: summary(metric, [one.metrics[metric] for one in scores]) for metric in others},
        best_epoch=summarize([one.epoch for one in scores], interval=False),
        epochs=epochs,
        updates=updates,
        samples=samples,
        update_seconds=found.update_seconds[name],
        seconds=updates * found.update_seconds[name],
        updates_to_target=None,
        noise=jitter(trials, found.monitor, length),
        diverged=sum(trial.diverged for trial in trials),
        difference=found.outcome.differences.get(name),
        dropped=found.outcome.dropped.get(name),
        tuned=found.tuned.get(name),
        model=found.candidates[name].model,
        options=_options(found, name),
    )


def _options(found: ComparisonState, name: str) -> dict[str, Any]:
    options = {**found.common, **found.candidates[name].changes}
    options.pop("repeats", None)
    updates = found.lengths[name].updates
    if updates == found.plans[name].updates:
        return options
    rule, given = Budget(updates=updates), options.get("stop")
    stop = rule if given is None else any_of(given, rule)
    return {**options, "epochs": math.ceil(seen_after(found.plans[name], updates)[0]), "stop": stop}


def _sorted(rows: Sequence[Row], first: str | None, tied: Sequence[str], higher: bool) -> list[Row]:
    """The recommended one first, then those that are tied with it, then the others by their means."""

    def key(row: Row) -> tuple[bool, bool, float]:
        mean = row.quality.mean
        worth = math.inf if math.isnan(mean) else -mean if higher else mean
        return row.name != first, row.name not in tied, worth

    return sorted(rows, key=key)


def _targets(found: ComparisonState, values: Mapping[str, Sequence[float]]) -> tuple[dict[int, float], str]:
    """The target of each repeat, and how it was set."""
    if found.target_value is not None:
        return dict.fromkeys(range(found.repeats), float(found.target_value)), "given"
    sign = -1.0 if higher_is_better(found.monitor) else 1.0
    reached: dict[int, float] = {}
    for several in values.values():
        for repeat, value in enumerate(several):
            if math.isfinite(value) and sign * value < sign * reached.get(repeat, sign * math.inf):
                reached[repeat] = value
    constant = baselines(found.runner, reached)
    text = (
        f"in each repeat within {100 * TARGET_SHARE:.0f} % of the best value of any setting"
        if any(map(math.isnan, constant.values()))
        else f"in each repeat {100 * (1 - TARGET_SHARE):.0f} % of the way from the baseline to the best "
        "value that any setting reached there"
    )
    by_repeat = target_values(reached, constant, TARGET_SHARE, higher_is_better(found.monitor))
    return by_repeat, text if reached else ""


def _baseline_not_beaten(found: ComparisonState, best: str, criteria: Criteria) -> float | None:
    """The baseline, if the best setting is not significantly better on new rows, not only with new seeds.

    Each repeat is read at the evaluation that the others choose: its own best one is the luckiest.
    """
    trials = {trial.repeat: trial for trial in found.trials[best] if not trial.diverged}
    constant = baselines(found.runner, trials)
    if len(trials) < MIN_PAIRS or not all(map(math.isfinite, constant.values())):
        return None
    point = Point(found.plans[best].segments[0][1], None)
    final = final_of(point, found.lengths[best].updates, trials, constant, criteria, kept=True)
    baseline, reached = float(np.mean(list(constant.values()))), float(np.mean(final.values))
    if criteria.one_class:
        return baseline
    return None if final.beats_baseline or _likely(found, list(trials), baseline, reached) else baseline


def _without_failures(
    tied: Sequence[str], rows: Mapping[str, Row], best: Row, useless: float
) -> tuple[str, ...]:
    """The tied settings without those that diverge in some repeats, or are worse than `useless`.

    That is the baseline, if it is beaten, or else a value as far beyond it as it is from perfect (or from 0).
    A loss of 10^9 in one repeat has so large a spread that no test over repeats tells it from any other; one
    that is not finite is in no mean.
    """

    def failed(row: Row) -> bool:
        beyond = (row.quality.mean - useless) * (best.quality.mean - useless) < 0
        return beyond or row.diverged > best.diverged

    return tuple(name for name in tied if not failed(rows[name]))


def _likely(found: ComparisonState, repeats: Sequence[int], baseline: float, reached: float) -> bool:
    """Whether a log loss is so far below the baseline that the validation samples alone show it.

    As in the verdict on a training, by a likelihood ratio of 20, here for each setting and both sides.
    """
    base, monitor = found.runner.base, found.runner.monitor
    if base.same_validation or monitor != "validation.loss" or base.loss_name != "log_loss":
        return False
    return effective_samples(base, repeats) * (baseline - reached) > math.log(20 * 2 * len(found.plans))


def _hyperbola(rows: Sequence[Row], reached: Mapping[str, Sequence[Reached]]) -> tuple[Hyperbola | None, str]:
    """The updates to the target against the batch size, where nothing but rate and batch size varies."""
    if any(axis not in ("batch_size", "learning_rate") for row in rows for axis in row.axes):
        return None, ""
    sizes: dict[int, Row] = {}
    times = {row.name: row.updates_to_target.expected if row.updates_to_target else math.inf for row in rows}
    for row in sorted(rows, key=lambda row: (-row.repeats, times[row.name])):
        sizes.setdefault(row.batch_size, row)
    if len(sizes) < 3:
        return None, ""
    most = max(row.repeats for row in sizes.values())
    whole = [row for row in sizes.values() if row.repeats == most]
    used = sorted(whole if len(whole) >= 3 else sizes.values(), key=lambda row: row.batch_size)
    repeats = min(row.repeats for row in used)
    table = [[reached[row.name][repeat] for row in used] for repeat in range(repeats)]
    try:
        curve = bootstrap_hyperbola(
            [row.batch_size for row in used],
            [[one.updates for one in line] for line in table],
            [[one.reached for one in line] for line in table],
        )
        curve = _with_misfit(curve, used, [expected_running_time(one) for one in zip(*table, strict=True)])
    except Refusal as refusal:
        return None, f"no curve was fitted to the updates to the target: {refusal.sentence}"
    left_out = [row.name for row in sizes.values() if row not in used]
    if left_out:
        return (
            curve,
            f"the fit of updates to the target leaves out {join_names(left_out)}, with fewer repeats.",
        )
    if repeats < most:
        return curve, f"the fit of updates to the target rests on the {repeats} repeats that all sizes have."
    return curve, ""


def _with_misfit(curve: Hyperbola, used: Sequence[Row], times: Sequence[ExpectedRunningTime]) -> Hyperbola:
    """The curve with intervals that also cover how far the batch sizes lie from it.

    Resampled repeats only tell how sure the updates of each size are. That a rate was tuned a little too low
    at one size, or that no hyperbola fits, is in the scatter around the curve, which its profile covers.
    """
    missed = [not math.isfinite(one.expected) for one in times]
    steps = [one.low if miss else one.expected for one, miss in zip(times, missed, strict=True)]
    other = fit_hyperbola([row.batch_size for row in used], steps, censored=missed)
    wider: dict[str, Any] = {}
    for name in ("steps_ci95", "samples_ci95", "critical_batch_size_ci95"):
        lows, highs = zip(getattr(curve, name), getattr(other, name), strict=True)
        wider[name] = min(lows), max(highs)
    return replace(curve, **wider)


def _notes(found: ComparisonState, rows: Sequence[Row], remark: str) -> tuple[str, ...]:
    notes = [*found.notes]
    if len(rows) == 1:
        notes.append("there is only one setting, and nothing to compare it with; give a list of values.")
    if found.repeats < MIN_PAIRS:
        notes.append(f"{too_few(found.repeats)}; at least {MIN_PAIRS} are needed, and 10 are better.")
    notes += [f"{row.dropped}." for row in rows if row.dropped is not None]
    notes += [f"{row.name}: {row.tuned.edge}." for row in rows if row.tuned is not None and row.tuned.edge]
    notes += [
        f"{row.name}: the loss was not finite in {row.diverged} of {counted(row.repeats, 'repeat')}."
        for row in rows
        if row.diverged
    ]
    notes += [
        f"{row.name} was best near its last epoch: more epochs may do better."
        for row in rows
        if row.dropped is None and row.best_epoch.mean >= LATE * row.epochs
        if not any(trial.reason for trial in found.trials[row.name])  # that diverged, or that a rule ended
    ]
    if found.runner.base.same_validation:
        notes.append(
            "all repeats validate on the same samples: a significant difference holds for other seeds, not "
            "surely for other samples."
        )
    if found.tuned and any(row.updates_to_target and row.updates_to_target.reached for row in rows):
        notes.append(
            f"learning rates were tuned for the best {label_of(found.monitor)}, not for few updates "
            "to the target; higher rates may reach it sooner."
        )
    return (*notes, remark) if remark else tuple(notes)


def _common(found: ComparisonState) -> dict[str, Any]:
    left_out = {axis for entry in found.entries for axis in entry.axes} | {"evaluate_every", "evaluate_train"}
    settings = describe_settings(found.runner.prepared(found.candidates[found.entries[0].name]))
    settings |= {"repeats": found.repeats} | ({"learning_rate": "tuned"} if found.tuned else {})
    if found.runner.base.settings.stop is None:
        left_out.add("stop")
    return {name: value for name, value in settings.items() if name not in left_out}
