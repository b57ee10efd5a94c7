"""What has to be settled before the first update?

Everything that can be refused is refused here: the split of each repeat, the plan, the program's spec, and
the samples of each repeat as the model will see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from epochal.data import (
    Dataset,
    Scaling,
    Split,
    TargetScaling,
    Task,
    Timeline,
    Vocabulary,
    chronological,
    encode_new,
    first_missing,
    fit_scaling,
    fit_target_scaling,
    fit_vocabulary,
    load,
    split,
    split_groups,
    time_notes,
)
from epochal.data.endless import EndlessRows, dataset_of_iterator, is_iterator
from epochal.data.large import streams_note
from epochal.data.rows import ArrayRows
from epochal.engine.rules import Never, Rule
from epochal.engine.spec import Layout, Spec
from epochal.errors import MissingExtra, Refusal, did_you_mean
from epochal.models import (
    Model,
    Variables,
    as_model,
    default_metrics,
    loss_for,
    metrics_for,
    seen_dtype,
    settled,
)
from epochal.models.augment import Augmented
from epochal.models.frozen import Frozen, matching, names_of
from epochal.models.pairwise import Pairwise
from epochal.models.starts import Start, start_of
from epochal.ordering import order_for
from epochal.plan import BatchSchedule, Plan
from epochal.plan.sizes import bounded
from epochal.prepared import Prepared, by_class
from epochal.settings import Settings
from epochal.stopping import without_budgets

__all__ = ["SAMPLES", "as_dataset", "prepare"]


def as_dataset(
    data: Any, task: str | None = None, stream: bool | None = None, workers: int | None = None
) -> Dataset:
    """What `fit` was given as data, as a `Dataset`; a ready one must be of that task, if any."""
    if not isinstance(data, Dataset):
        return load(data, task=task, stream=stream, workers=workers)
    kind = None if data.task is None else data.task.kind
    if task not in (None, kind) and (task != "classification" or kind == "regression"):
        raise Refusal(
            f'task must be that of the Dataset, {kind}; got "{task}": load the Dataset with task="{task}".'
        )
    return data


def placed(dataset: Dataset, stream: bool | None) -> Dataset:
    """The data set with its inputs in memory or not, as asked; by default streamed if the device is small."""
    inputs = dataset.inputs
    if not isinstance(inputs, np.ndarray):
        return dataset if stream is not False else replace(dataset, inputs=inputs[:])
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit") if stream is None else None
    if stream or (limit is not None and inputs.nbytes > limit / 2):
        rows = ArrayRows(inputs, inputs.dtype)
        return replace(dataset, inputs=rows, notes=(*dataset.notes, streams_note(rows, "host memory")))
    return dataset


ENDLESS_EPOCH = 100
"""Updates that count as an epoch of a source without length, unless `updates_per_epoch` says another."""


def _endless_plan(settings: Settings) -> Plan:
    """The plan for a source without length: one pass through all the samples that it would take."""
    most = "between 1 and 2^31 - 1"
    given = settings.updates_per_epoch
    per = bounded("updates_per_epoch", ENDLESS_EPOCH if given is None else given, 1, 2**31 - 1, most)
    size = bounded("batch_size", settings.batch_size, 1, 2**31 - 1, most)
    epochs = bounded("epochs", settings.epochs, 1, (2**31 - 1) // per, f"between 1 and 2^31 / {per}")
    return Plan(
        per * epochs * size,
        size,
        epochs,
        seed=settings.seed,
        order="sequential",
        remainder=settings.remainder,
        updates_per_epoch=per,
    )


def _check_endless(settings: Settings) -> None:
    """A source without length is read once, in its order, and all of it is trained on."""
    for name, value in (("validation", settings.validation), ("test", settings.test)):
        if isinstance(value, int | float) and (value or name == "validation"):
            raise Refusal(
                f"{name} must be data of its own, such as (X, y), for a source without length; got {value:g}."
            )
    wrong: tuple[tuple[str, bool, str], ...] = (
        ("repeats", settings.repeats > 1, "must be 1 for a source that can be read once"),
        (
            "batch_size",
            isinstance(settings.batch_size, str | Mapping | BatchSchedule),
            "must be a number for a source without length",
        ),
        ("order", settings.order not in ("shuffle", "sequential"), "must be that in which samples come"),
        ("split", settings.split == "chronological", "must be left out where nothing is held out"),
        ("remainder", settings.remainder not in ("keep", "drop"), "must be keep or drop where none is known"),
        ("class_weight", settings.class_weight is not None, "needs all targets, which are not known before"),
        ("standardize", bool(settings.standardize), "needs a look at all samples; scale them in the source"),
        ("evaluate_train", bool(settings.evaluate_train), "needs the samples again, which are gone"),
        ("stream", settings.stream is False, "must be True or None for a source without length"),
    )
    for name, is_wrong, why in wrong:
        if is_wrong:
            raise Refusal(f"{name} {why}; got {getattr(settings, name)!r}.")


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
            dtype=dataset.dtype,
            finite=finite,
        )
    except MissingExtra:
        raise
    except Refusal as error:
        raise Refusal(f"{name}: {error}") from error
    if other.targets is None:
        raise Refusal(f'the {name} data has no target column "{dataset.target_name}".')
    return 0.0, other


SAMPLES = (
    *("task", "validation", "test", "split", "gap"),
    *("repeats", "seed", "vary", "standardize", "class_weight"),
)
"""The settings that decide which samples each repeat sees, and how they are scaled and weighed."""


_PLAIN = (int, float, str, tuple, dict, type(None))


@dataclass(frozen=True)
class _Samples:
    """The samples of all repeats, before anything is said about the training."""

    dataset: Dataset
    task: Task
    validation: Dataset | None
    test: Dataset | None
    splits: tuple[Split, ...]
    scalings: tuple[Scaling | Vocabulary | None, ...]
    target_scalings: tuple[TargetScaling | None, ...]
    settings: Settings
    """With the split settled, and without varying it where that can't be."""

    @classmethod
    def like(cls, other: Prepared, settings: Settings) -> _Samples:
        """Those of another training."""
        pairs = {name: (getattr(settings, name), getattr(other.settings, name)) for name in SAMPLES}
        # Data frames and arrays, given as validation data, are compared by identity.
        differing = [
            name
            for name, (mine, its) in pairs.items()
            if mine is not its and not (isinstance(mine, _PLAIN) and mine == its)
        ]
        assert not differing, differing
        return cls(
            other.dataset,
            other.task,
            other.validation,
            other.test,
            other.splits,
            other.scalings,
            other.target_scalings,
            settings,
        )

    @classmethod
    def of(cls, data: Any, settings: Settings) -> _Samples:
        """Read, split and scale the data."""
        if is_iterator(data):
            _check_endless(settings)
            dataset = dataset_of_iterator(data, settings.validation, settings.task)
        else:
            dataset = as_dataset(data, settings.task, settings.stream, settings.workers)
        dataset = placed(dataset, settings.stream)
        settings = _settled_split(settings, dataset)
        task = dataset.task
        if task is None or dataset.targets is None:
            raise Refusal(
                "the training data has no target; give (inputs, targets), or name the target column."
            )
        standardize = dataset.standardize if settings.standardize is None else settings.standardize
        if standardize and dataset.dtype == np.int32:
            raise Refusal("standardize must be False for tokens, which are no quantities; got True.")
        in_memory = isinstance(dataset.inputs, np.ndarray)
        if not standardize and in_memory and first_missing(dataset.inputs) is not None:
            raise Refusal("the inputs have missing values (NaN), which only standardize=True can fill.")
        share, validation = _other(settings.validation, dataset, "validation", finite=not standardize)
        test_share, test = _other(settings.test, dataset, "test", finite=not standardize)
        splits: list[Split] = []
        tokens = getattr(dataset.encoder, "vocabulary_size", None)
        scalings: list[Scaling | Vocabulary | None] = []
        target_scalings: list[TargetScaling | None] = []
        numbers = standardize and not task.is_classification
        for repeat in range(settings.repeats):
            if repeat and "split" not in settings.vary:
                splits.append(splits[0])
                scalings.append(scalings[0])
                target_scalings.append(target_scalings[0])
                continue
            if settings.split == "chronological":
                line = dataset.timeline or Timeline.of_rows(dataset.rows)
                chosen = chronological(line, validation=share, test=test_share, gap=settings.gap)
            elif settings.split == "groups":
                assert dataset.groups is not None
                chosen = split_groups(dataset.groups, validation=share, test=test_share, seed=settings.seed)
            else:
                chosen = split(
                    dataset.samples,
                    validation=share,
                    test=test_share,
                    seed=settings.seed + repeat,
                    strata=dataset.strata,
                    classes=task.classes,
                )
            splits.append(chosen)
            if tokens is not None:
                scalings.append(fit_vocabulary(dataset.inputs, tokens, chosen.train))
            else:
                scalings.append(
                    fit_scaling(dataset.inputs, dataset.continuous, chosen.train) if standardize else None
                )
            target_scalings.append(fit_target_scaling(dataset.targets, chosen.train) if numbers else None)
        told = time_notes(dataset.timeline, dataset.samples, splits[0], settings.split, settings.gap)
        if told:
            dataset = replace(dataset, notes=(*dataset.notes, *told))
        return cls(
            dataset,
            task,
            validation,
            test,
            tuple(splits),
            tuple(scalings),
            tuple(target_scalings),
            settings,
        )


def _settled_split(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with a kind of split; one by time or by groups is the same in all repeats."""
    usual = "random" if dataset.groups is None else "groups"
    kind = settings.split or (usual if dataset.timeline is None else "chronological")
    if kind == "groups" and dataset.groups is None:
        raise Refusal(
            'split="groups" needs groups, and here are none: name their column with groups (--groups).'
        )
    if kind != "chronological" and settings.gap:
        raise Refusal('gap belongs to a split in the order of time: use split="chronological".')
    if kind == "random":
        return replace(settings, split=kind)
    vary = tuple(part for part in settings.vary if part != "split")
    if not vary and settings.repeats > 1:
        raise Refusal(
            f"vary must name init or order for {settings.repeats} repeats, which share a split "
            f"{'by groups' if kind == 'groups' else 'in the order of time'}; got split alone."
        )
    return replace(settings, split=kind, vary=vary)


def prepare(model: Any, data: Any, settings: Settings, like: Prepared | None = None) -> Prepared:
    """Settle everything, refuse what cannot work, and touch no device yet.

    Args:
        model: what `fit` takes.
        data: what `fit` takes.
        settings: what is asked for.
        like: a training on the same data whose samples, splits and scalings are shared, instead of being
            made once more; the settings that decide on them (`SAMPLES`) must be the same.
    """
    if jax.dtypes.canonicalize_dtype(np.int64) == np.int64:
        raise Refusal(
            "JAX must compute in 32 bits; got jax_enable_x64=True: unset JAX_ENABLE_X64, or call "
            'jax.config.update("jax_enable_x64", False).'
        )
    samples = _Samples.of(data, settings) if like is None else _Samples.like(like, settings)
    dataset, task, splits, settings = samples.dataset, samples.task, samples.splits, samples.settings
    settings = replace(settings, class_weight=by_class(settings.class_weight, task))
    if settings.stateful:
        settings = _stateful(settings, samples)
    endless = isinstance(dataset.inputs, EndlessRows)
    order = order_for("sequential" if endless else settings.order, dataset, settings.class_weight)
    plan = (
        _endless_plan(settings)
        if endless
        else Plan(
            len(splits[0].train),
            settings.batch_size,
            settings.epochs,
            seed=settings.seed,
            order=order.take(splits[0].train),
            remainder=settings.remainder,
            updates_per_epoch=settings.updates_per_epoch,
        )
    )
    _check_length(plan)
    has_validation = samples.validation is not None or len(splits[0].validation) > 0
    _check_threshold(settings.threshold, task, has_validation)
    parts_given = [part.inputs for part in (dataset, samples.validation, samples.test) if part is not None]
    chosen_model = _attempt(
        "the model",
        lambda: settled(
            as_model(_carrying(model, plan) if settings.stateful else model, task.outputs),
            parts_given,
            getattr(dataset.encoder, "vocabulary_size", None),
        ),
    )
    loss_name, loss = loss_for(settings.loss, task.is_classification)
    metrics = (
        metrics_for(task.kind, settings.metrics)
        if settings.metrics is not None
        else default_metrics(task.kind)
    )
    evaluate_train = settings.evaluate_train
    if evaluate_train is None:
        evaluate_train = isinstance(dataset.inputs, np.ndarray) or not has_validation
    parts = tuple(
        name for name, wanted in (("train", evaluate_train), ("validation", has_validation)) if wanted
    )
    if not parts:
        raise Refusal("nothing would be evaluated: give validation samples or keep evaluate_train=True.")
    monitor = settings.monitor or ("validation.loss" if has_validation else "train.loss")
    rule = settings.stop if settings.stop is not None else Never()
    if isinstance(rule, type) or not isinstance(rule, Rule):
        raise Refusal(f"stop must be a rule such as Patience(20), or None for all epochs; got {rule!r}.")
    trained, start = _varied(chosen_model, settings, dataset, samples.scalings[0] is not None)
    spec = Spec(
        model=trained,
        loss=loss,
        metrics=metrics,
        classes=len(task.classes),
        optimizer=settings.chosen_optimizer(),
        schedule=settings.chosen_schedule(),
        rule=without_budgets(rule),
        monitor=monitor,
        layout=Layout.of(plan.passes),
        repeats=1,
        parts=parts,
        evaluate_unit=settings.evaluation[1] if plan.updates_per_epoch is None else "updates",
        micro_batch=_micro_batch(settings.micro_batch, plan),
        carries=settings.stateful,
    )
    for column in (monitor, *rule.columns()):
        if column not in spec.columns:
            lacking = "" if has_validation else " There are no validation samples (validation=0)."
            raise Refusal(did_you_mean("column", column, spec.columns) + lacking)
    prepared = Prepared(
        settings=settings,
        dataset=dataset,
        validation=samples.validation,
        test=samples.test,
        plan=plan,
        order=order,
        model=chosen_model,
        start=start,
        loss_name=loss_name,
        spec=spec,
        splits=splits,
        scalings=samples.scalings,
        target_scalings=samples.target_scalings,
    )
    _check_orders(prepared)
    _check_shapes(prepared)
    _check_weights(prepared)
    return prepared


def _carrying(model: Any, plan: Plan) -> Any:
    """The network with a state for each slot of a batch."""
    from epochal.nn import Stateful  # late: Flax takes time to import

    return Stateful(model, plan.batch_size)


def _stateful(settings: Settings, samples: _Samples) -> Settings:
    """The settings with the order and the remainder in which a state can be carried; checked on the data."""
    order = settings.order if isinstance(settings.order, str) else settings.order.name
    for name, given, usual, needed in (
        ("order", order, "shuffle", "tracks"),
        ("remainder", settings.remainder, "keep", "drop"),
    ):
        if given not in (usual, needed):
            raise Refusal(f'{name} must be "{needed}" to carry a state; got "{given}". Leave it out.')
    if settings.micro_batch is not None:
        raise Refusal("micro_batch would cut the batch whose state is carried; leave it out, or stateful.")
    if isinstance(settings.batch_size, Mapping | BatchSchedule):
        raise Refusal("batch_size must stay the same where a state is carried from batch to batch.")
    line = samples.dataset.timeline
    follow = [] if line is None else [line.follow(split.train) for split in samples.splits]
    if line is None or len(line.names) > 1 or not all(follow):
        raise Refusal(
            "stateful needs windows of one series that follow one another, split in the order of time: cut "
            "them with stride = lags (--stride as --window)."
        )
    return replace(settings, order="tracks", remainder="drop")


def _check_length(plan: Plan) -> None:
    """What the compiled program counts must fit into 31 bits."""
    if plan.epochs >= 2**31:
        raise Refusal(f"epochs must be less than 2^31 in a training; got {plan.epochs}.")
    if plan.updates_per_epoch is None:
        return
    if plan.updates >= 2**31:
        raise Refusal(
            f"updates_per_epoch times epochs must be less than 2^31 in a training; got {plan.updates}."
        )


def _micro_batch(asked: Any, plan: Plan) -> int | None:
    """The micro-batch, where it is smaller than the largest batch; one that is to be chosen comes later."""
    return asked if isinstance(asked, int) and asked < plan.batch_sizes[0] else None


def _check_threshold(threshold: Any, task: Task, has_validation: bool) -> None:
    """A threshold is for two classes, and chosen where there are samples to choose it on."""
    if threshold is None:
        return
    if task.kind != "binary":
        what = f"{len(task.classes)} classes" if task.is_classification else "a regression"
        raise Refusal(f"threshold must be left out except for two classes; got {threshold!r} for {what}.")
    if isinstance(threshold, str) and not has_validation:
        raise Refusal(
            f'threshold "{threshold}" is chosen on validation samples, and validation=0 leaves none. '
            "Hold some out, or give a number between 0 and 1."
        )


def _check_orders(prepared: Prepared) -> None:
    """What the order knows of the samples must make an epoch of one length in all repeats."""
    if prepared.order.values is None or prepared.shared:
        return
    turns = prepared.plan.turns
    for repeat in range(1, prepared.settings.repeats):
        own = prepared.plan_of(repeat).turns
        if own != turns:
            raise Refusal(
                f'order "{prepared.order.name}" must make as many turns of an epoch in all repeats, whose '
                f"training samples differ; got {turns:,} in repeat 1 and {own:,} in repeat {repeat + 1}. "
                f"Give it a length, such as {turns}, or let the repeats share a split (vary without split)."
            )


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


def _varied(plain: Model, settings: Settings, dataset: Dataset, standardized: bool) -> tuple[Model, Start]:
    """The model as it is trained: augmented, with some of its parameters frozen; and where it starts."""
    sample = jax.ShapeDtypeStruct(dataset.shape, seen_dtype(np.float32 if standardized else dataset.dtype))
    shapes = _traced("the model's init", plain.init, jax.eval_shape(lambda: jax.random.key(0)), sample)
    if not isinstance(shapes, Variables):
        raise Refusal(f"the model's init must return Variables; got {type(shapes).__name__}.")
    start, model = start_of(settings.initial, shapes), plain
    if settings.augment:
        windows = "" if dataset.timeline is None else "windows of a series"
        other = "pairs" if isinstance(plain, Pairwise) else windows
        if other or len(dataset.shape) not in (2, 3) or dataset.dtype == np.int32:
            raise Refusal(
                "augment varies images (height, width) or (height, width, channels); the inputs "
                f"{f'are {other}' if other else f'have the shape {dataset.shape}'}. Leave it out."
            )
        for transform in settings.augment:
            transform.check(*dataset.shape[:2])
        model = Augmented(model, settings.augment)
    if settings.freeze:
        names = names_of(shapes.params)
        frozen = matching(settings.freeze, names, "freeze")
        if len(frozen) == len(names):
            raise Refusal("freeze must leave parameters to be trained; it names all of them.")
        part = Frozen(model, frozen)
        model, start = (
            part,
            start._replace(variables=None if start.variables is None else part.parted(start.variables)),
        )
    return model, start


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
    size = prepared.plan.batch_sizes[0]
    scaling = prepared.scalings[0]
    dtype = seen_dtype(dataset.dtype if scaling is None else scaling.dtype)
    sample = jax.ShapeDtypeStruct(dataset.shape, dtype)
    batch = jax.ShapeDtypeStruct((size, *dataset.shape), dtype)
    assert dataset.targets is not None
    targets = jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), dataset.targets.dtype)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = _traced("the model's init", spec.model.init, key, sample)
    outputs = _check_outputs(spec, task, variables, batch, key)
    for length in spec.layout.order.trims:
        _check_cut(spec, variables, jax.ShapeDtypeStruct((size, length), dtype), outputs, key)
    losses = _traced("the loss", spec.loss, outputs, targets)
    shape = getattr(losses, "shape", type(losses).__name__)
    if shape != (size,):
        raise Refusal(f"the loss must give one value for each sample, shape ({size},); got {shape}.")

    def mean_loss(params: Any, state: Any, inputs: Any, wanted: Any, key: Any) -> Any:
        return spec.loss(spec.model.apply(Variables(params, state), inputs, key, True)[0], wanted).mean()

    _traced("the gradient of the loss", jax.grad(mean_loss), *variables, batch, targets, key)
    _check_optimizer(spec, variables.params)


def _check_cut(spec: Spec, variables: Variables, batch: Any, outputs: Any, key: Any) -> None:
    """The model must take samples that were cut as it takes whole ones."""
    try:
        found = jax.eval_shape(lambda v, x, k: spec.model.apply(v, x, k, True)[0], variables, batch, key)
        wrong = "" if found.shape == outputs.shape else f"gives the shape {found.shape} there"
    except Exception as error:
        wrong = f"raised {type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(".: ")
    if wrong:
        raise Refusal(
            f'order "{spec.layout.order.name}" needs a model that takes samples of any length, such as '
            f"TextClassifier(); this one {wrong} (length {batch.shape[1]})."
        )


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
