"""Assembly of a `Run` from finished lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves, judge
from epochal.data import Split
from epochal.engine.fed import FedLane
from epochal.engine.lane import Lane
from epochal.engine.optimizers import averaged
from epochal.engine.spec import Spec
from epochal.engine.state import BROKEN_EVALUATION, BROKEN_UPDATE, RULE, Repeat
from epochal.engine.update import packing
from epochal.errors import DataFailed
from epochal.models import Variables, shapes_of
from epochal.models.wrappers import whole
from epochal.runs import BrokenUpdate, Fitted, History, Outcome, Run, Scores
from epochal.runs.concerns import concerns_of
from epochal.runs.overlap import hashes_of
from epochal.runs.threshold import decide
from epochal.stopping.rules import waited
from epochal.training.baselines import constant_figures
from epochal.training.describe import conditions, describe_data, describe_settings
from epochal.training.prepared import Prepared
from epochal.training.scoring import effective_samples, forecasts_of, gains_of, scores_of


class End(NamedTuple):
    """The last evaluation of a repeat."""

    epoch: float
    update: int
    seconds: float


@dataclass(frozen=True, eq=False)
class LaneResult:
    """The final state of a lane, on the host."""

    repeats: range
    state: Repeat
    update: int
    epoch: float
    seconds: float
    reason: str
    """Why the host ended it; empty for the plan or a rule."""
    spec: Spec
    failed: str = ""
    """Why the data could not be read, or empty."""
    samples: int | None = None
    """Number of samples, for a source without length."""

    @classmethod
    def of(cls, lane: Lane | FedLane, repeats: range, reason: str, failed: str = "") -> LaneResult:
        """Fetch the state of a lane."""
        state = jax.tree.map(np.asarray, lane.progress.repeats)
        epochs = lane.update / lane.per_epoch if lane.per_epoch else lane.plan.epochs_after(lane.update)
        samples = lane.samples if isinstance(lane, FedLane) and lane.source.take is not None else None
        return cls(repeats, state, lane.update, epochs, lane.seconds, reason, lane.spec, failed, samples)

    def of_repeat(self, row: int) -> Repeat:
        """The state of one repeat."""
        one: Repeat = jax.tree.map(lambda leaf: leaf[row], self.state)
        return one

    def outcomes(self, prepared: Prepared, ends: dict[int, End] | None = None) -> list[Outcome]:
        """The outcome of each repeat of the lane; `ends` has the last evaluations."""
        return [
            self._outcome(prepared, row, repeat, (ends or {}).get(repeat))
            for row, repeat in enumerate(self.repeats)
        ]

    def _outcome(self, prepared: Prepared, row: int, repeat: int, end: End | None) -> Outcome:
        one, plan = self.of_repeat(row), prepared.plan_of(repeat)
        passes = plan.passes
        status, broken = int(one.status), None
        epochs, updates = (end.epoch, end.update) if end is not None else (self.epoch, self.update)
        if status == RULE:
            stopped = self.spec.rule.reason(one.rule)
        elif status == BROKEN_UPDATE:
            update = passes.first_update(int(one.broken_epoch)) + int(one.broken_index)
            epoch, index = plan.locate(update)
            rows = prepared.rows_of(repeat, epoch, index)
            rows = rows if self.samples is None else rows[rows <= self.samples]
            broken = BrokenUpdate(update, epoch, index, tuple(int(number) for number in rows))
            stopped = f"the loss or the parameters were not finite at {broken}"
            epochs, updates = plan.epochs_after(update), update
        elif status == BROKEN_EVALUATION:
            stopped = f"the loss was not finite when evaluated after epoch {epochs:g}"
        else:
            stopped = self.reason or f"all {plan.epochs:,} epochs done"
        if not np.isfinite(one.best_value):
            stopped += f"; {self.spec.monitor} was never a number, so the first parameters count as the best"
        best_update = passes.first_update(int(one.best_epoch)) + int(one.best_index)
        return Outcome(
            repeat=repeat,
            seed=prepared.settings.seed + repeat,
            stopped=stopped,
            epochs=epochs,
            updates=updates,
            seconds=self.seconds if end is None else end.seconds,
            best_epoch=plan.epochs_after(best_update),
            best_update=best_update,
            broken=broken,
        )


def conclude(prepared: Prepared, results: Sequence[LaneResult], curves: Curves, interrupted: bool) -> Run:
    """The finished run: outcomes, curves, scores of the best parameters, verdict, conditions.

    `curves` has the rows of all repeats in order of arrival.
    """
    results = _begun(sorted(results, key=lambda result: result.repeats.start))
    repeats = [repeat for result in results for repeat in result.repeats]
    curves = _arranged(curves, repeats)
    ends = {}
    for number, repeat in enumerate(repeats):
        own = curves.of(number)
        if len(own):
            ends[repeat] = End(float(own.epoch[-1]), int(own.update[-1]), float(own.seconds[-1]))
    found = [outcome for result in results for outcome in result.outcomes(prepared, ends)]
    outcomes = tuple(replace(outcome, repeat=number) for number, outcome in enumerate(found))
    fitted = tuple(
        fitted_of(prepared, result.spec, result.of_repeat(row), repeat)
        for result in results
        for row, repeat in enumerate(result.repeats)
    )
    baseline = {name: [values[repeat] for repeat in repeats] for name, values in _baseline(prepared).items()}
    settings = describe_settings(prepared)
    data, came = describe_data(prepared), results[0].samples
    if came is not None:
        data["samples"] = data["sizes"]["train"] = came
    failed = next((result.failed for result in results if result.failed), "")
    gains, scores = gains_of(prepared, [result.state for result in results]), dict[str, Scores]()
    for name in ("validation", "test"):
        if prepared.part_size(name):
            try:
                scores[name] = scores_of(
                    prepared,
                    dict(zip(repeats, fitted, strict=True)),
                    name,
                    gains if name == "validation" else {},
                )
            except DataFailed as error:
                failed = failed or error.sentence.rstrip(".")
    threshold, asked = None, prepared.settings.threshold
    if asked is not None and (not isinstance(asked, str) or "validation" in scores):
        threshold, scores = decide(asked, scores, prepared.task.classes[1])
    forecasts = forecasts_of(prepared, repeats, scores, gains)
    confusions = {
        name: one.confusion if one.confusion_at_threshold is None else one.confusion_at_threshold
        for name, one in scores.items()
        if one.confusion is not None and prepared.task.is_classification
    }
    verdict = judge(
        curves,
        baseline=baseline | _training_baseline(prepared, repeats) if baseline else None,
        validation_samples=prepared.part_size("validation"),
        training_samples=data["sizes"]["train"],
        monitor="validation.loss",
        chosen_by=prepared.spec.monitor,
        stopped_early=2 * sum(_waited(result) for result in results) >= len(repeats),
        settings=settings
        | ({"loss": "one of its own"} if callable(prepared.settings.loss) else {})
        | {"unscaled": _unscaled(prepared), "ended_by": _ended_by(prepared, found)},
        same_samples=prepared.same_validation,
        effective_samples=effective_samples(prepared, repeats)
        if "validation" in prepared.spec.parts
        else None,
        interval=scores["validation"].metrics["loss"].ci95
        if "validation" in scores and scores["validation"].corrected
        else None,
        concerns=concerns_of(
            data["notes"],
            forecasts,
            confusions,
            prepared.task.classes,
            prepared.settings.class_weight is not None,
        ),
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
        conditions=conditions(prepared.lanes, prepared.settings.deterministic),
        baseline=baseline,
        threshold=threshold,
        forecasts=forecasts,
        observed=None if prepared.dataset.timeline is None else History.of(prepared.dataset.timeline),
        order_seeds=tuple(prepared.seed(repeat, "order") for repeat in repeats),
        rows=prepared.dataset.rows[: 0 if prepared.endless else None],
        hashes=hashes_of(prepared.dataset),
        names=prepared.dataset.names,
        splits=tuple(
            np.empty(0, np.uint8)
            if prepared.endless
            else _parts(prepared.splits[repeat], prepared.dataset.samples)
            for repeat in repeats
        ),
        order_values=prepared.order.values,
        interrupted=interrupted,
        failed=failed,
    )


def _unscaled(prepared: Prepared) -> bool:
    """Whether numeric inputs are not scaled."""
    floating = bool(np.issubdtype(prepared.dataset.dtype, np.floating))
    return prepared.settings.standardize is False and floating


def _begun(results: list[LaneResult]) -> list[LaneResult]:
    """The lanes with updates, or all if none has any."""
    return [result for result in results if result.update] or results


def _waited(result: LaneResult) -> int:
    """How many repeats of a lane were ended by a rule on the validation loss."""
    ended = np.flatnonzero(np.asarray(result.state.status) == RULE)
    return sum(waited(result.spec.rule, result.of_repeat(int(row)).rule) for row in ended)


def _ended_by(prepared: Prepared, outcomes: Sequence[Outcome]) -> str:
    """What ended most repeats before the planned epochs, in words, or empty."""
    early = [one.stopped for one in outcomes if one.epochs < float(prepared.plan.epochs)]
    return early[0] if 2 * len(early) >= len(outcomes) and early else ""


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
    return Curves(
        number[rows],
        curves.epoch[rows],
        curves.update[rows],
        curves.samples[rows],
        curves.seconds[rows],
        {name: column[rows] for name, column in curves.columns.items()},
    )


def fitted_of(prepared: Prepared, spec: Spec, state: Repeat, repeat: int) -> Fitted:
    """What one repeat has learned, from its state."""
    packed = packing(spec, shapes_of(spec.model, prepared.dataset.shape, prepared.dataset.dtype).params)

    def variables(params: Any, model: Any) -> Variables:
        return whole(spec.model, Variables(packed.unpack(params), model))

    return Fitted(
        best=variables(state.best_params, state.best_model),
        last=variables(averaged(state.optimizer, state.params), state.model),
        scaling=prepared.scalings[repeat],
        target_scaling=prepared.target_scalings[repeat],
    )


def _baseline(prepared: Prepared) -> dict[str, list[float]]:
    """The baseline on the validation samples of each repeat.

    Only figures known in every repeat.
    """
    if not prepared.part_size("validation"):
        return {}
    figures: dict[str, list[float]] = {}
    repeats = 1 if prepared.shared else prepared.settings.repeats
    for repeat in range(repeats):
        found = constant_figures(prepared, repeat)
        for name, value in found.items():
            figures.setdefault(f"validation.{name}", []).append(float(value))
    figures = {name: values for name, values in figures.items() if len(values) == repeats}
    if prepared.shared:
        figures = {name: values * prepared.settings.repeats for name, values in figures.items()}
    return figures


def _training_baseline(prepared: Prepared, repeats: Sequence[int]) -> dict[str, list[float]]:
    """The baseline's loss on the training samples of each repeat, if known."""
    known: dict[int, list[float]] = {}
    for repeat in repeats:
        place = 0 if prepared.shared else repeat
        if place not in known:
            found = constant_figures(prepared, place, {"loss"}, on="train")
            known[place] = [found["loss"]] if "loss" in found else []
    levels = [known[0 if prepared.shared else repeat] for repeat in repeats]
    return {"train.loss": [level for one in levels for level in one]} if all(levels) else {}
