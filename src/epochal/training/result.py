"""Assembly of a `Run` from finished stacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves, judge
from epochal.data import Split
from epochal.engine.optimizers import eval_params
from epochal.engine.repeat_stack import BaseRepeatStack
from epochal.engine.state import DIVERGED_EVALUATION, DIVERGED_UPDATE, RULE, RepeatState
from epochal.engine.update import ParamRaveler
from epochal.errors import DataFailed
from epochal.models import Variables, shapes_of
from epochal.models.wrappers import inner_variables
from epochal.runs import DivergedUpdate, Fitted, Observed, Outcome, Run, Scores
from epochal.runs.overlap import hashes_of
from epochal.runs.run_warnings import not_beaten, warnings_of
from epochal.runs.threshold import apply_threshold
from epochal.stopping import waited
from epochal.training.baselines import baseline_metrics
from epochal.training.describe import describe_data, describe_settings, environment
from epochal.training.prepared import Prepared
from epochal.training.scoring import effective_samples, forecasts_of, optimism_of, scores_of


@dataclass(frozen=True, eq=False)
class StackResult:
    """The final state of a stack, on the host."""

    repeat_range: range
    state: RepeatState
    update: int
    epoch: float
    seconds: float
    reason: str
    """Why the host ended it; empty for the plan or a rule."""
    failed: str = ""
    """Why the data could not be read, or empty."""
    samples: int | None = None
    """Number of samples, for a source without length."""

    @classmethod
    def of(cls, stack: BaseRepeatStack, repeat_range: range, reason: str, failed: str = "") -> StackResult:
        """Fetch the state of a stack."""
        state = jax.tree.map(np.asarray, stack.train_state.repeat_states)
        samples = None if getattr(stack.data, "next_samples", None) is None else stack.samples
        return cls(repeat_range, state, stack.update, stack.epochs, stack.seconds, reason, failed, samples)

    def of_repeat(self, row: int) -> RepeatState:
        """The state of one repeat."""
        return jax.tree.map(lambda leaf: leaf[row], self.state)

    def outcomes(
        self, prepared: Prepared, ends: Mapping[int, tuple[float, int, float]] = MappingProxyType({})
    ) -> Iterator[Outcome]:
        """The outcome of each repeat; `ends` has epochs, updates, seconds of last evaluations."""
        for row, repeat in enumerate(self.repeat_range):
            epochs, updates, seconds = ends.get(repeat, (self.epoch, self.update, self.seconds))
            one, plan = self.of_repeat(row), prepared.plan_of(repeat)
            passes = plan.passes
            status, diverged = int(one.status), None
            if status == RULE:
                stopped = prepared.spec.rule.reason(one.rule)
            elif status == DIVERGED_UPDATE:
                update = passes.first_update(int(one.diverged_pass)) + int(one.diverged_index)
                epoch, index = plan.locate(update)
                rows = prepared.rows_of(repeat, epoch, index)
                rows = rows if self.samples is None else rows[rows <= self.samples]
                diverged = DivergedUpdate(update, epoch, index, tuple(int(number) for number in rows))
                stopped = f"the loss or the parameters were not finite at {diverged}"
                epochs, updates = plan.epochs_after(update), update
            elif status == DIVERGED_EVALUATION:
                stopped = f"the loss was not finite when evaluated after epoch {epochs:g}"
            else:
                stopped = self.reason or f"all {plan.epochs:,} epochs done"
            if not np.isfinite(one.best_value):
                monitor = prepared.spec.monitor
                stopped += f"; {monitor} was never a number, so the first parameters count as the best"
            best_update = passes.first_update(int(one.best_pass)) + int(one.best_index)
            yield Outcome(
                repeat=repeat,
                seed=prepared.settings.seed + repeat,
                stopped=stopped,
                epochs=epochs,
                updates=updates,
                seconds=seconds,
                best_epoch=plan.epochs_after(best_update),
                best_update=best_update,
                diverged=diverged,
            )


def conclude(prepared: Prepared, results: Sequence[StackResult], curves: Curves, interrupted: bool) -> Run:
    """The finished run; `curves` has the rows of all repeats in order of arrival."""
    results = sorted(results, key=lambda result: result.repeat_range.start)
    results = [result for result in results if result.update] or results
    repeats = [repeat for result in results for repeat in result.repeat_range]
    curves = _arranged(curves, repeats)
    ends = {}
    for number, repeat in enumerate(repeats):
        own = curves.of(number)
        if len(own):
            ends[repeat] = float(own.epoch[-1]), int(own.update[-1]), float(own.seconds[-1])
    found = [outcome for result in results for outcome in result.outcomes(prepared, ends)]
    outcomes = tuple(replace(outcome, repeat=number) for number, outcome in enumerate(found))
    fitted = tuple(
        fitted_of(prepared, result.of_repeat(row), repeat)
        for result in results
        for row, repeat in enumerate(result.repeat_range)
    )
    baseline = _baselines(prepared, repeats, "validation") if prepared.part_size("validation") else {}
    settings = describe_settings(prepared)
    data, came = describe_data(prepared), results[0].samples
    if came is not None:
        data["samples"] = data["sizes"]["train"] = came
    failed = next((result.failed for result in results if result.failed), "")
    optimism, scores = optimism_of(prepared, [result.state for result in results]), dict[str, Scores]()
    by_repeat = dict(zip(repeats, fitted, strict=True))
    for name in ("validation", "test"):
        if prepared.part_size(name):
            try:
                scores[name] = scores_of(prepared, by_repeat, name, optimism if name == "validation" else {})
            except DataFailed as error:
                failed = failed or error.sentence.rstrip(".")
    threshold, rule = None, prepared.settings.threshold
    if rule is not None and (not isinstance(rule, str) or "validation" in scores):
        threshold, scores = apply_threshold(rule, scores, prepared.task.classes[1])
    forecasts, worse = forecasts_of(prepared, repeats, scores, optimism), ""
    if "test" in scores:
        baseline |= _baselines(prepared, repeats, "test")
        worse = not_beaten(scores["test"], baseline, prepared.part_size("test"))
    confusions = {
        name: one.confusion if one.confusion_at_threshold is None else one.confusion_at_threshold
        for name, one in scores.items()
        if one.confusion is not None and prepared.task.is_classification
    }
    # How many repeats were ended by a rule on the validation loss, and what ended most before the last epoch.
    by_rule = sum(
        waited(prepared.spec.rule, result.of_repeat(row).rule)
        for result in results
        for row, status in enumerate(result.state.status)
        if status == RULE
    )
    early = [one.stopped for one in found if one.epochs < float(prepared.plan.epochs)]
    ended_by = early[0] if early and 2 * len(early) >= len(found) else ""
    weighted = prepared.settings.class_weight is not None
    floating = bool(np.issubdtype(prepared.dataset.dtype, np.floating))
    unscaled = prepared.settings.standardize is False and floating
    verdict = judge(
        curves,
        baseline=baseline | _baselines(prepared, repeats, "train", {"loss"}) if baseline else None,
        validation_samples=prepared.part_size("validation"),
        training_samples=data["sizes"]["train"],
        metric="validation.loss",
        monitor=prepared.spec.monitor,
        stopped_early=2 * by_rule >= len(repeats),
        settings=settings
        | ({"loss": "one of its own"} if callable(prepared.settings.loss) else {})
        | {"unscaled": unscaled, "ended_by": ended_by, "on_relative_targets": prepared.on_relative_targets},
        same_samples=prepared.same_validation,
        effective_samples=effective_samples(prepared, repeats)
        if "validation" in prepared.spec.parts
        else None,
        interval=_for_new_samples(scores, "loss"),
        roc_auc=_for_new_samples(scores, "roc_auc"),
        warnings=warnings_of(data["notes"], forecasts, confusions, prepared.task.classes, weighted, worse),
    )
    return Run(
        plan=prepared.plan,
        task=prepared.task,
        model=prepared.model,
        settings=settings,
        curves=curves,
        outcomes=outcomes,
        fitted=fitted,
        verdict=verdict,
        scores=scores,
        data=data,
        encoder=prepared.dataset.encoder,
        environment=environment(prepared.stacks, prepared.settings.deterministic),
        baseline=baseline,
        threshold=threshold,
        forecasts=forecasts,
        observed=None if prepared.dataset.timeline is None else Observed.of(prepared.dataset.timeline),
        order_seeds=tuple(prepared.seed(repeat, "order") for repeat in repeats),
        rows=prepared.dataset.row_numbers[: 0 if prepared.endless else None],
        hashes=hashes_of(prepared.dataset),
        names=prepared.dataset.names,
        split_codes=tuple(
            np.empty(0, np.uint8)
            if prepared.endless
            else _parts(prepared.splits[repeat], prepared.dataset.samples)
            for repeat in repeats
        ),
        order_values=prepared.order.values,
        interrupted=interrupted,
        failed=failed,
    )


def _parts(chosen: Split, samples: int) -> NDArray[np.uint8]:
    parts = np.zeros(samples, np.uint8)
    for number, name in enumerate(("train", "validation", "test"), start=1):
        parts[getattr(chosen, name)] = number
    return parts


def _arranged(curves: Curves, repeats: Sequence[int]) -> Curves:
    """The rows of some repeats, numbered from 0, sorted by repeat and time."""
    numbers = np.full(max([*repeats, *curves.repeat.tolist()], default=0) + 1, -1)
    numbers[list(repeats)] = np.arange(len(repeats))
    number = numbers[curves.repeat]
    rows = np.lexsort((curves.update, number))
    rows = rows[number[rows] >= 0]
    columns = {name: column[rows] for name, column in curves.columns.items()}
    rest = {name: getattr(curves, name)[rows] for name in ("epoch", "update", "samples", "seconds")}
    return Curves(number[rows], columns=columns, **rest)


def fitted_of(prepared: Prepared, state: RepeatState, repeat: int) -> Fitted:
    """What one repeat has learned, from its state."""
    spec = prepared.spec
    raveler = ParamRaveler(spec, shapes_of(spec.model, prepared.dataset.shape, prepared.dataset.dtype).params)

    def variables(params: Any, model: Any) -> Variables:
        return inner_variables(spec.model, Variables(raveler.unravel(params), model))

    return Fitted(
        best=variables(state.best_params, state.best_model),
        last=variables(eval_params(state.optimizer, state.params), state.model),
        scaling=prepared.scalings[repeat],
        target_scaling=prepared.target_scalings[repeat],
    )


def _for_new_samples(scores: Mapping[str, Scores], name: str) -> tuple[float, float] | None:
    """The validation interval of a metric for new samples, which allows for the choice of the epoch."""
    found = scores.get("validation")
    if found is None or not found.corrected or name not in found.metrics:
        return None
    return found.metrics[name].ci95


def _baselines(
    prepared: Prepared, repeats: Sequence[int], on: str, names: Collection[str] | None = None
) -> dict[str, list[float]]:
    """The baseline on a part in each repeat, by column: only metrics known in every repeat."""
    places = [0 if prepared.same_samples else repeat for repeat in repeats]
    known = {place: baseline_metrics(prepared, place, names, on=on) for place in dict.fromkeys(places)}
    figures = [known[place] for place in places]
    common = [name for name in figures[0] if all(name in one for one in figures)]
    return {f"{on}.{name}": [one[name] for one in figures] for name in common}
