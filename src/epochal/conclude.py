"""What is made of the lanes when they have ended?"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves, judge, summarize
from epochal.data import Split
from epochal.engine.lane import Lane
from epochal.engine.spec import Spec
from epochal.engine.state import BROKEN_EVALUATION, BROKEN_UPDATE, RULE, Repeat
from epochal.engine.update import packing
from epochal.models import Variables, bounds_of, metrics_for, shapes_of
from epochal.prepare import Prepared
from epochal.run import BrokenUpdate, Fitted, Outcome, Run, Scores
from epochal.run.predict import compiled_forward

__all__ = ["LaneResult", "conclude"]


class End(NamedTuple):
    """Where a repeat was evaluated for the last time."""

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
    """Why the host ended it; empty if the plan or a rule did."""
    spec: Spec

    @classmethod
    def of(cls, lane: Lane, repeats: range, reason: str) -> LaneResult:
        """Fetch what a lane has learned."""
        state = jax.tree.map(np.asarray, lane.progress.repeats)
        position = lane.progress.position
        epoch, index = int(position.epoch), int(position.index)
        share = index / lane.plan.batches_in(epoch) if index else 0.0
        return cls(repeats, state, lane.update, epoch + share, lane.seconds, reason, lane.spec)

    def of_repeat(self, row: int) -> Repeat:
        """The state of one repeat."""
        one: Repeat = jax.tree.map(lambda leaf: leaf[row], self.state)
        return one

    def outcomes(self, prepared: Prepared, ends: dict[int, End] | None = None) -> list[Outcome]:
        """How each repeat of the lane went; `ends` says where each was evaluated last."""
        return [
            self._outcome(prepared, row, repeat, (ends or {}).get(repeat))
            for row, repeat in enumerate(self.repeats)
        ]

    def _outcome(self, prepared: Prepared, row: int, repeat: int, end: End | None) -> Outcome:
        one, plan = self.of_repeat(row), prepared.plan_of(repeat)
        status, broken = int(one.status), None
        epochs, updates = (end.epoch, end.update) if end is not None else (self.epoch, self.update)
        if status == RULE:
            stopped = self.spec.rule.reason(one.rule)
        elif status == BROKEN_UPDATE:
            epoch, index = int(one.broken_epoch), int(one.broken_index)
            update = plan.first_update(epoch) + index
            rows = prepared.dataset.rows[prepared.splits[repeat].train[plan.batch(epoch, index)]]
            broken = BrokenUpdate(update, epoch, index, tuple(int(number) for number in rows))
            stopped = f"the loss or the parameters were not finite at {broken}"
            epochs, updates = epoch + index / plan.batches_in(epoch), update
        elif status == BROKEN_EVALUATION:
            stopped = f"the loss was not finite when evaluated after epoch {epochs:g}"
        else:
            stopped = self.reason or f"all {plan.epochs:,} epochs done"
        if not np.isfinite(one.best_value):
            stopped += f"; {self.spec.monitor} was never a number, so the first parameters count as the best"
        best_epoch, best_index = int(one.best_epoch), int(one.best_index)
        best_update = (
            plan.first_update(best_epoch) if best_epoch < plan.epochs else plan.updates
        ) + best_index
        return Outcome(
            repeat=repeat,
            seed=prepared.settings.seed + repeat,
            stopped=stopped,
            epochs=epochs,
            updates=updates,
            seconds=self.seconds if end is None else end.seconds,
            best_epoch=best_epoch + (best_index / plan.batches_in(best_epoch) if best_index else 0.0),
            best_update=best_update,
            broken=broken,
        )


def conclude(prepared: Prepared, results: Sequence[LaneResult], curves: Curves, interrupted: bool) -> Run:
    """The finished run: outcomes, curves, scores of the best parameters, verdict, conditions.

    `curves` has the rows of all repeats in the order in which they were heard of.
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
        _fitted(prepared, result.spec, result.of_repeat(row), repeat)
        for result in results
        for row, repeat in enumerate(result.repeats)
    )
    baseline = {name: [values[repeat] for repeat in repeats] for name, values in _baseline(prepared).items()}
    settings = _settings(prepared)
    verdict = judge(
        curves,
        baseline=baseline or None,
        validation_samples=prepared.part_size("validation"),
        training_samples=prepared.part_size("train"),
        monitor="validation.loss" if "validation" in prepared.spec.parts else prepared.spec.monitor,
        settings=settings,
    )
    scores = {
        name: _scores(prepared, dict(zip(repeats, fitted, strict=True)), name)
        for name in ("validation", "test")
        if prepared.part_size(name)
    }
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
        data=_describe(prepared),
        encoder=prepared.dataset.encoder,
        conditions=conditions(),
        baseline=baseline,
        order_seeds=tuple(prepared.seed(repeat, "order") for repeat in repeats),
        rows=prepared.dataset.rows,
        splits=tuple(_parts(prepared.splits[repeat], prepared.dataset.samples) for repeat in repeats),
        interrupted=interrupted,
    )


def _begun(results: list[LaneResult]) -> list[LaneResult]:
    """Without the lanes that an interrupt kept from their first update, unless none has made one."""
    return [result for result in results if result.update] or results


def _parts(chosen: Split, samples: int) -> NDArray[np.uint8]:
    parts = np.zeros(samples, np.uint8)
    for number, name in enumerate(("train", "validation", "test"), start=1):
        parts[getattr(chosen, name)] = number
    return parts


def _arranged(curves: Curves, repeats: Sequence[int]) -> Curves:
    """The rows of some repeats, numbered from 0, each repeat's together and in the order of time."""
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


def _fitted(prepared: Prepared, spec: Spec, state: Repeat, repeat: int) -> Fitted:
    packed = packing(spec, shapes_of(spec.model, prepared.dataset.shape).params)

    def variables(params: Any, model: Any) -> Variables:
        return Variables(packed.unpack(params), model)

    return Fitted(
        best=variables(state.best_params, state.best_model),
        last=variables(state.params, state.model),
        scaling=prepared.scalings[repeat],
        target_scaling=prepared.target_scalings[repeat],
    )


def _constant(prepared: Prepared, repeat: int) -> NDArray[np.float32]:
    """The output of the best constant prediction on training samples: what any model has to beat."""
    task, (targets, given) = prepared.task, prepared.labels(repeat, "train")
    weights = np.ones(len(targets)) if given is None else given.astype(np.float64)
    if not task.is_classification:
        middle = (
            np.median(targets, axis=0)
            if prepared.loss_name in ("absolute_error", "huber")
            else np.average(targets, axis=0, weights=weights)
        )
        return np.atleast_1d(np.asarray(middle, np.float32))
    counts = np.bincount(targets, weights=weights, minlength=len(task.classes))
    logs = np.log(np.maximum(counts, 1e-9) / counts.sum())
    return np.asarray([logs[1] - logs[0]] if task.outputs == 1 else logs, np.float32)


def _baseline(prepared: Prepared) -> dict[str, list[float]]:
    """What the constant prediction reaches on the validation samples of each repeat."""
    if not prepared.part_size("validation"):
        return {}
    loss = jax.jit(prepared.spec.loss)
    figures: dict[str, list[float]] = {}
    for repeat in range(1 if prepared.shared else prepared.settings.repeats):
        targets, weights = prepared.labels(repeat, "validation")
        outputs = np.tile(_constant(prepared, repeat), (len(targets), 1))
        losses = np.asarray(loss(outputs, targets), np.float64)
        found = {"validation.loss": np.average(losses, weights=weights)}
        for metric in prepared.spec.metrics:
            if metric.name in ("accuracy", "r2"):
                found[f"validation.{metric.name}"] = metric.function(
                    outputs, targets, prepared.spec.classes, np
                )
        for name, value in found.items():
            figures.setdefault(name, []).append(float(value))
    if prepared.shared:
        figures = {name: values * prepared.settings.repeats for name, values in figures.items()}
    return figures


def _scores(prepared: Prepared, fitted: Mapping[int, Fitted], name: str) -> Scores:
    """What the best parameters of each repeat reach on a part."""
    task, spec = prepared.task, prepared.spec
    call, loss = compiled_forward(prepared.model), jax.jit(spec.loss)
    wanted = metrics_for(task.kind)
    figures: dict[str, list[float]] = {"loss": [], **{metric.name: [] for metric in wanted}}
    confusion = np.zeros((len(task.classes),) * 2, np.int64)
    true, predicted = [], []
    for repeat, learned in fitted.items():
        part = prepared.part(repeat, name)
        outputs = call(learned.best, part.inputs)
        losses = np.asarray(loss(outputs, part.targets), np.float64)
        figures["loss"].append(float(np.average(losses, weights=part.weights)))
        scores, targets = np.asarray(outputs, np.float64), part.targets
        if not task.is_classification:
            targets = targets.astype(np.float64)
            scores = scores.reshape(targets.shape)
            if learned.target_scaling is not None:
                scores, targets = (
                    learned.target_scaling.restore(scores),
                    learned.target_scaling.restore(targets),
                )
            true.append(targets)
            predicted.append(scores)
        else:
            shaped = scores.reshape(len(targets), -1)
            chosen = (shaped[:, 0] > 0).astype(int) if shaped.shape[1] == 1 else shaped.argmax(axis=1)
            np.add.at(confusion, (targets, chosen), 1)
        for metric in wanted:
            figures[metric.name].append(float(metric.function(scores, targets, spec.classes, np)))
    summaries = {metric: summarize(values, bounds_of(metric)) for metric, values in figures.items()}
    if task.is_classification:
        return Scores(summaries, confusion)
    return Scores(summaries, None, np.concatenate(true), np.concatenate(predicted))


def _settings(prepared: Prepared) -> dict[str, Any]:
    """The settings as they were used, as JSON holds them."""
    settings, spec, optimizer = prepared.settings, prepared.spec, prepared.spec.optimizer
    every, unit = settings.evaluation
    described = getattr(prepared.model, "to_dict", None)
    return {
        "model": described() if described else {"kind": type(prepared.model).__name__},
        "batch_size": prepared.plan.batch_size,
        "epochs": prepared.plan.epochs,
        "optimizer": optimizer.name,
        "optimizer_options": dict(optimizer.options),
        "learning_rate": optimizer.learning_rate,
        "schedule": spec.schedule.describe(),
        "loss": prepared.loss_name,
        "monitor": spec.monitor,
        "stop": prepared.rule.describe(),
        "order": prepared.plan.order.name,
        "remainder": prepared.plan.remainder,
        "repeats": settings.repeats,
        "seed": settings.seed,
        "vary": list(settings.vary),
        "validation": settings.validation
        if isinstance(settings.validation, int | float)
        else "data of its own",
        "test": settings.test if isinstance(settings.test, int | float) else "data of its own",
        "class_weight": settings.class_weight
        if isinstance(settings.class_weight, str | None)
        else dict(settings.class_weight),
        "standardize": prepared.scalings[0] is not None,
        "evaluate_every": f"{every} {unit}",
    }


def _describe(prepared: Prepared) -> dict[str, Any]:
    dataset = prepared.dataset
    described = dataset.to_dict()
    described.pop("encoder", None)
    described["shape"] = list(dataset.shape)
    described["sizes"] = {name: prepared.part_size(name) for name in ("train", "validation", "test")}
    described["rows"] = dataset.samples
    return described


def conditions() -> dict[str, Any]:
    """What figures are measured under."""
    device = jax.devices()[0]
    versions = {}
    for package in ("epochal", "jax", "jaxlib", "optax", "numpy", "flax"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": f"{device.platform}: {device.device_kind}",
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }
