"""What has to be settled before the first update?

Everything that can be refused is refused here: the split of each repeat, the plan, the program's spec, and
the samples of each repeat as the model will see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.data import (
    Dataset,
    Scaling,
    Split,
    TargetScaling,
    Task,
    class_words,
    encode_new,
    first_missing,
    fit_scaling,
    fit_target_scaling,
    load,
    split,
)
from epochal.engine.lane import Source
from epochal.engine.rules import Never, Rule
from epochal.engine.spec import Layout, Spec
from epochal.engine.state import Part, Seeds
from epochal.errors import MissingExtra, Refusal, did_you_mean
from epochal.models import Model, Variables, as_model, default_metrics, loss_for, metrics_for
from epochal.plan import Plan
from epochal.plan.threefry import threefry2x32, words
from epochal.settings import Settings, plain_number
from epochal.stopping import Budget, budgets, without_budgets

__all__ = ["Prepared", "Samples", "as_dataset", "prepare"]

_INIT, _NOISE = 1, 2
"""Purposes of random numbers; the order and the split are keyed by the seed itself."""


@dataclass(frozen=True)
class Samples:
    """The samples of one part of one repeat, as the model sees them."""

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    weights: NDArray[np.float32] | None

    @property
    def part(self) -> Part:
        """As the engine takes them."""
        return Part(self.inputs, self.targets, self.weights)


def as_dataset(data: Any, task: str | None = None) -> Dataset:
    """What `fit` was given as data, as a `Dataset`; a ready one must be of that task, if any."""
    if not isinstance(data, Dataset):
        return load(data, task=task)
    kind = None if data.task is None else data.task.kind
    if task not in (None, kind) and (task != "classification" or kind == "regression"):
        raise Refusal(
            f'task must be that of the Dataset, {kind}; got "{task}": load the Dataset with task="{task}".'
        )
    return data


@dataclass(frozen=True)
class Prepared:
    """A training, ready to start: `parts(repeat)` and `source(repeats)` hand out its samples."""

    settings: Settings
    dataset: Dataset
    validation: Dataset | None
    test: Dataset | None
    plan: Plan
    model: Model
    loss_name: str
    spec: Spec
    """For one repeat; a lane of several replaces `repeats`."""
    splits: tuple[Split, ...]
    scalings: tuple[Scaling | None, ...]
    target_scalings: tuple[TargetScaling | None, ...]

    @property
    def task(self) -> Task:
        """What is predicted."""
        assert self.dataset.task is not None
        return self.dataset.task

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known before training."""
        sizes = [size for _, size in self.plan.segments]
        if getattr(self.model, "batch_norm", False) and min(sizes) == 1:
            return (
                "batch normalization sees a batch of 1 sample in each epoch, whose variance is 0; "
                "--remainder spread avoids it",
            )
        return ()

    @property
    def rule(self) -> Rule:
        """When a repeat stops, budgets included; the compiled program knows nothing of those."""
        return self.settings.stop if self.settings.stop is not None else Never()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What the host counts."""
        return budgets(self.rule)

    @property
    def shared(self) -> bool:
        """Whether all repeats see the same samples."""
        return self.settings.repeats == 1 or "split" not in self.settings.vary

    def seed(self, repeat: int, purpose: str) -> int:
        """The seed of one repeat for "split", "init" or "order"."""
        return self.settings.seed + (repeat if purpose in self.settings.vary else 0)

    def plan_of(self, repeat: int) -> Plan:
        """The plan of one repeat: the same batches in number and size, in an order of its own."""
        return self.plan.with_(seed=self.seed(repeat, "order"))

    @cached_property
    def class_weights(self) -> NDArray[np.float64] | None:
        """The weight of each class, or None."""
        return _class_weights(self.settings.class_weight, self.dataset)

    def _where(self, repeat: int, name: str) -> tuple[Dataset, NDArray[np.int64]]:
        """The data set of a part, and the numbers of its samples there."""
        own = {"train": None, "validation": self.validation, "test": self.test}[name]
        if own is not None:
            return own, np.arange(own.samples, dtype=np.int64)
        index: NDArray[np.int64] = getattr(self.splits[repeat], name)
        return self.dataset, index

    def part(self, repeat: int, name: str) -> Samples:
        """The samples of "train", "validation" or "test" in one repeat."""
        dataset, index = self._where(repeat, name)
        inputs, scaling = dataset.inputs[index], self.scalings[repeat]
        if scaling is not None:
            inputs = scaling.apply(inputs, out=inputs)
        return Samples(inputs, *self.labels(repeat, name))

    def labels(self, repeat: int, name: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """The targets of a part as the loss sees them, and the weights of its samples."""
        dataset, index = self._where(repeat, name)
        assert dataset.targets is not None
        targets, scaling = dataset.targets[index], self.target_scalings[repeat]
        if scaling is not None:
            targets = scaling.apply(targets)
        return targets, self._weights(dataset, index, self.splits[repeat])

    def _weights(
        self, dataset: Dataset, index: NDArray[np.int64], chosen: Split
    ) -> NDArray[np.float32] | None:
        if self.class_weights is None and dataset.sample_weight is None:
            return None

        def raw(of: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
            weights = np.ones(len(rows))
            if of.sample_weight is not None:
                weights *= of.sample_weight[rows]
            if self.class_weights is not None:
                assert of.targets is not None
                weights *= self.class_weights[of.targets[rows]]
            return weights

        mean = raw(self.dataset, chosen.train).mean()
        if not mean > 0:
            raise Refusal("the weights of the training samples must not all be 0.")
        weights: NDArray[np.float32] = (raw(dataset, index) / mean).astype(np.float32)
        return weights

    def source(self, repeats: range) -> Source:
        """The samples, seeds and rates of a lane of repeats."""
        names = [name for name in ("train", "validation") if self.part_size(name)]
        if self.shared:
            parts = tuple(self.part(repeats[0], name).part for name in names)
        else:
            stacked = [[self.part(repeat, name).part for repeat in repeats] for name in names]
            parts = tuple(
                samples[0] if len(repeats) == 1 else jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
                for samples in stacked
            )
        rates = self.spec.schedule.rates(self.spec.optimizer.learning_rate or 1.0, self.plan.updates)
        outputs = self.task.targets if self.task.kind == "regression" else 1
        units = np.ones((len(repeats), outputs), np.float32)
        for row, repeat in enumerate(repeats):
            scaling = self.target_scalings[repeat]
            if scaling is not None:
                units[row] = 1 / scaling.scale
        seeds = Seeds(
            order=np.stack([words(self.seed(repeat, "order")) for repeat in repeats]),
            noise=self._keys(repeats, _NOISE),
            rates=jax.tree.map(lambda number: np.full(len(repeats), number), rates),
            units=units,
        )
        put = jax.device_put((parts, seeds))
        return Source(put[0], self.shared or len(repeats) == 1, put[1], self._keys(repeats, _INIT))

    def _keys(self, repeats: range, purpose: int) -> jax.Array:
        counter = (np.zeros(1, np.uint32), np.full(1, purpose, np.uint32))
        data = []
        for repeat in repeats:
            key = words(self.seed(repeat, "init"))
            data.append(np.concatenate(threefry2x32((key[:1], key[1:]), counter)))
        return jax.random.wrap_key_data(jax.numpy.asarray(np.stack(data)), impl="threefry2x32")

    def part_size(self, name: str) -> int:
        """How many samples a part has; the same in every repeat."""
        return len(self._where(0, name)[1])


def _class_weights(class_weight: Any, dataset: Dataset) -> NDArray[np.float64] | None:
    if class_weight is None:
        return None
    task = dataset.task
    assert task is not None
    assert dataset.targets is not None
    if not task.is_classification:
        raise Refusal("class_weight needs classes; this is a regression task. Use sample weights.")
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise Refusal(
                f'class_weight must be "balanced" or a mapping from class to weight; got "{class_weight}".'
            )
        counts = np.bincount(dataset.targets, minlength=len(task.classes))
        return np.asarray(counts.sum() / (len(counts) * np.maximum(counts, 1)))
    if not isinstance(class_weight, Mapping):
        raise Refusal(f'class_weight must be "balanced" or a mapping; got {type(class_weight).__name__}.')
    weights = np.ones(len(task.classes))
    for name, weight in _by_class(class_weight, task).items():
        if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise Refusal(f'the weight of class "{name}" must be at least 0 and finite; got {weight}.')
        weights[task.classes.index(name)] = float(weight)
    return weights


def _by_class(class_weight: Any, task: Task) -> Any:
    """A mapping from class to weight with the classes as the task writes them."""
    if not isinstance(class_weight, Mapping) or not task.is_classification:
        return class_weight
    found = {}
    for given, weight in class_weight.items():
        known = [word for word in class_words(given) if word in task.classes]
        if not known:
            raise Refusal(did_you_mean("class in class_weight", class_words(given)[0], task.classes))
        found[known[0]] = plain_number(weight)
    return found


def _other(data: Any, dataset: Dataset, name: str, finite: bool) -> tuple[float | int, Dataset | None]:
    """A share of the samples, or data of its own, encoded as the training data is."""
    if isinstance(data, bool) or data is None:
        raise Refusal(f"{name} must be a share of the samples in [0, 1) or data of its own; got {data!r}.")
    if isinstance(data, int | float):
        return data, None
    try:
        other = encode_new(
            dataset.encoder,
            data,
            task=dataset.task,
            shape=dataset.shape,
            target_name=dataset.target_name,
            finite=finite,
        )
    except MissingExtra:
        raise
    except Refusal as error:
        raise Refusal(f"{name}: {error}") from error
    if other.targets is None:
        raise Refusal(f'the {name} data has no target column "{dataset.target_name}".')
    return 0.0, other


def prepare(model: Any, data: Any, settings: Settings) -> Prepared:
    """Settle everything, refuse what cannot work, and touch no device yet."""
    if jax.dtypes.canonicalize_dtype(np.int64) == np.int64:
        raise Refusal(
            "JAX must compute in 32 bits; got jax_enable_x64=True: unset JAX_ENABLE_X64, or call "
            'jax.config.update("jax_enable_x64", False).'
        )
    dataset = as_dataset(data, settings.task)
    task = dataset.task
    if task is None or dataset.targets is None:
        raise Refusal("the training data has no target; give (inputs, targets), or name the target column.")
    settings = replace(settings, class_weight=_by_class(settings.class_weight, task))
    standardize = dataset.encoder is not None if settings.standardize is None else settings.standardize
    if not standardize and first_missing(dataset.inputs) is not None:
        raise Refusal("the inputs have missing values (NaN), which only standardize=True can fill.")
    share, validation = _other(settings.validation, dataset, "validation", finite=not standardize)
    test_share, test = _other(settings.test, dataset, "test", finite=not standardize)
    splits: list[Split] = []
    for repeat in range(settings.repeats):
        seed = settings.seed + (repeat if "split" in settings.vary else 0)
        if repeat and "split" not in settings.vary:
            splits.append(splits[0])
            continue
        splits.append(
            split(
                dataset.samples,
                validation=share,
                test=test_share,
                seed=seed,
                strata=dataset.strata,
                classes=task.classes,
            )
        )
    plan = Plan(
        len(splits[0].train),
        settings.batch_size,
        settings.epochs,
        seed=settings.seed,
        order=settings.order,
        remainder=settings.remainder,
    )
    if plan.epochs >= 2**31:
        raise Refusal(f"epochs must be less than 2^31 in a training; got {plan.epochs}.")
    has_validation = validation is not None or len(splits[0].validation) > 0
    scalings: list[Scaling | None] = []
    target_scalings: list[TargetScaling | None] = []
    for repeat, chosen in enumerate(splits):
        if repeat and chosen is splits[0]:
            scalings.append(scalings[0])
            target_scalings.append(target_scalings[0])
            continue
        fitted = fit_scaling(dataset.inputs, dataset.continuous, chosen.train) if standardize else None
        scalings.append(fitted)
        numbers = standardize and not task.is_classification
        target_scalings.append(fit_target_scaling(dataset.targets, chosen.train) if numbers else None)

    chosen_model = _attempt("the model", lambda: as_model(model, task.outputs))
    loss_name, loss = loss_for(settings.loss, task.is_classification)
    metrics = (
        metrics_for(task.kind, settings.metrics)
        if settings.metrics is not None
        else default_metrics(task.kind)
    )
    parts = tuple(
        name
        for name, wanted in (("train", settings.evaluate_train), ("validation", has_validation))
        if wanted
    )
    if not parts:
        raise Refusal("nothing would be evaluated: give validation samples or keep evaluate_train=True.")
    monitor = settings.monitor or ("validation.loss" if has_validation else "train.loss")
    rule = settings.stop if settings.stop is not None else Never()
    if isinstance(rule, type) or not isinstance(rule, Rule):
        raise Refusal(f"stop must be a rule such as Patience(20), or None for all epochs; got {rule!r}.")
    spec = Spec(
        model=chosen_model,
        loss=loss,
        metrics=metrics,
        classes=len(task.classes),
        optimizer=settings.chosen_optimizer(),
        schedule=settings.chosen_schedule(),
        rule=without_budgets(rule),
        monitor=monitor,
        layout=Layout.of(plan),
        repeats=1,
        parts=parts,
        evaluate_unit=settings.evaluation[1],
    )
    for column in (monitor, *rule.columns()):
        if column not in spec.columns:
            lacking = "" if has_validation else " There are no validation samples (validation=0)."
            raise Refusal(did_you_mean("column", column, spec.columns) + lacking)
    prepared = Prepared(
        settings=settings,
        dataset=dataset,
        validation=validation,
        test=test,
        plan=plan,
        model=chosen_model,
        loss_name=loss_name,
        spec=spec,
        splits=tuple(splits),
        scalings=tuple(scalings),
        target_scalings=tuple(target_scalings),
    )
    _check_shapes(prepared)
    _check_weights(prepared)
    return prepared


def _check_weights(prepared: Prepared) -> None:
    """Each part of each repeat must have a sample that counts."""
    for repeat in range(1 if prepared.shared else prepared.settings.repeats):
        for name in ("train", "validation", "test"):
            if not prepared.part_size(name):
                continue
            weights = prepared.labels(repeat, name)[1]
            if weights is not None and not weights.any():
                where = "" if prepared.shared else f" in repeat {repeat + 1}"
                raise Refusal(
                    f"the weights of the {name} samples must not all be 0; all {len(weights):,} are{where}. "
                    "Use other weights, or another share or seed."
                )


def _check_initial(initial: Any, wanted: Variables) -> None:
    """Variables to start from must be those of the model."""
    if initial is None:
        return
    if not isinstance(initial, Variables):
        raise Refusal(f"initial must be Variables(params, state); got {type(initial).__name__}.")
    found, shapes = str(jax.tree.structure(initial)), str(jax.tree.structure(wanted))
    if found != shapes:
        raise Refusal(f"initial must be built as the variables of the model are, {shapes}; got {found}.")
    for (path, leaf), shape in zip(
        jax.tree_util.tree_leaves_with_path(initial), jax.tree.leaves(wanted), strict=True
    ):
        if np.shape(leaf) != shape.shape:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise Refusal(f"initial must have {name} of shape {shape.shape}; got {np.shape(leaf)}.")
        if jax.eval_shape(jax.numpy.asarray, leaf).dtype != shape.dtype:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            got = getattr(leaf, "dtype", type(leaf).__name__)
            raise Refusal(f"initial must have {name} of type {shape.dtype}; got {got}.")


def _attempt(what: str, call: Callable[[], Any]) -> Any:
    """What `call` returns; an error of a function that the user brought is refused with its name."""
    try:
        return call()
    except Refusal:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        said = (said if len(said) <= 200 else f"{said[:200]}…").rstrip(".: ")
        raise Refusal(f"{what} must be a function that JAX can trace; it raised {said}.") from error


def _traced(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The shapes of what a function returns; nothing is computed."""
    return _attempt(what, lambda: jax.eval_shape(function, *arguments))


def _check_shapes(prepared: Prepared) -> None:
    """Model, loss and optimizer must work on abstract samples of the task, before anything runs."""
    spec, dataset, task = prepared.spec, prepared.dataset, prepared.task
    size = prepared.plan.segments[0][1]
    sample = jax.ShapeDtypeStruct(dataset.shape, np.float32)
    batch = jax.ShapeDtypeStruct((size, *dataset.shape), np.float32)
    assert dataset.targets is not None
    targets = jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), dataset.targets.dtype)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = _traced("the model's init", spec.model.init, key, sample)
    if not isinstance(variables, Variables):
        raise Refusal(f"the model's init must return Variables; got {type(variables).__name__}.")
    _check_initial(prepared.settings.initial, variables)
    outputs = _check_outputs(spec, task, variables, batch, key)
    losses = _traced("the loss", spec.loss, outputs, targets)
    shape = getattr(losses, "shape", type(losses).__name__)
    if shape != (size,):
        raise Refusal(f"the loss must give one value for each sample, shape ({size},); got {shape}.")

    def mean_loss(params: Any, state: Any, inputs: Any, wanted: Any, key: Any) -> Any:
        return spec.loss(spec.model.apply(Variables(params, state), inputs, key, True)[0], wanted).mean()

    _traced("the gradient of the loss", jax.grad(mean_loss), *variables, batch, targets, key)
    _check_optimizer(spec, variables.params)


def _check_outputs(spec: Spec, task: Task, variables: Variables, batch: Any, key: Any) -> Any:
    """The model's outputs for a batch, which must have the shape that the task needs."""
    size = batch.shape[0]
    for training in (False, True):
        said = f"the model's apply in {'training' if training else 'evaluation'}"
        found = _traced(
            said, lambda v, x, k, on=training: spec.model.apply(v, x, k, on), variables, batch, key
        )
        if not isinstance(found, tuple) or len(found) != 2:
            raise Refusal(f"{said} must return (outputs, state); got {type(found).__name__}.")
    wanted = [(size, task.outputs), *([(size,)] if task.outputs == 1 else [])]
    if task.kind == "binary":
        wanted.append((size, 2))
    shape = getattr(found[0], "shape", type(found[0]).__name__)
    if shape not in wanted:
        raise Refusal(
            f"the model's outputs must have shape (batch, {task.outputs}) for this {task.kind} task; "
            f"got {shape} for a batch of {size}."
        )
    return found[0]


def _check_optimizer(spec: Spec, params: Any) -> None:
    """An Optax object must make its updates of gradients and parameters alone."""
    if spec.optimizer.given is None:
        return
    optimizer = spec.optimizer.given
    state = _traced("the optimizer's init", optimizer.init, params)
    try:
        jax.eval_shape(optimizer.update, params, state, params)
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(".: ")
        raise Refusal(
            "optimizer must be an Optax object that updates from gradients and parameters alone; its update "
            f"raised {said}. Choose another, or name one."
        ) from error
