"""Preparation of a training: everything is settled, and refused if need be, before the first update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal import models
from epochal.common.metric_names import declare
from epochal.data import Dataset, Task
from epochal.data.records import code_sizes
from epochal.data.streams.iterators import IteratorArray
from epochal.engine.memory import state_bytes
from epochal.engine.optimizers import Optimizer, optimizer_for
from epochal.engine.rules import Never, Rule
from epochal.engine.schedules import Schedule
from epochal.engine.spec import BatchLayout, Spec
from epochal.errors import Refusal, did_you_mean
from epochal.models.augment import Augmented, transforms_of
from epochal.models.initial import InitialVariables, initial_variables
from epochal.models.wrappers import Frozen, Pairwise, matching, names_of
from epochal.plan import BatchSchedule, Blocks, Order, Plan, order_named
from epochal.runs.run_files import check_initial
from epochal.settings import Settings
from epochal.stopping import without_budgets
from epochal.training.class_weights import by_class
from epochal.training.prepared import Prepared, SplitSamples
from epochal.training.repeat_stacks import check_devices
from epochal.training.samples import endless_plan, prepare_samples
from epochal.training.shapes import check_fit, traced, tried


def chosen_optimizer(settings: Settings) -> Optimizer:
    """The optimizer with its options."""
    options = dict(settings.optimizer_options)
    return optimizer_for(settings.optimizer, settings.learning_rate, options, settings.weight_decay)


def prepare(model: Any, data: Any, settings: Settings, reuse: Prepared | None = None) -> Prepared:
    """Prepare a training and refuse what cannot work, without touching a device.

    Samples, splits and scalings of a training to `reuse` are taken over: the data must be the same, and the
    settings that determine them (held-out parts, split, repeats, seed, vary, standardize, class_weight).
    """
    if jax.dtypes.canonicalize_dtype(np.int64) == np.int64:
        raise Refusal(
            "JAX must compute in 32 bits; got jax_enable_x64=True: unset JAX_ENABLE_X64, or call "
            'jax.config.update("jax_enable_x64", False).'
        )
    check_devices(settings.devices)
    settings = replace(settings, augment=transforms_of(settings.augment))
    if settings.metrics is not None:
        settings = replace(settings, metrics=models.metrics_asked(settings.metrics))
    schedule = settings.schedule
    if not isinstance(schedule, str | Schedule):
        raise Refusal(f"`schedule` must be a name or a Schedule; got {schedule!r}.")
    schedule = schedule if isinstance(schedule, Schedule) else Schedule(schedule)
    if not isinstance(settings.optimizer, str) and schedule != Schedule():
        raise Refusal("`schedule` has no effect on an Optax object, which has its own; leave it out.")

    def state(dataset: Dataset) -> int:
        """Bytes of one repeat's state."""
        outputs = 1 if dataset.task is None else dataset.task.outputs
        chosen = tried("the model", lambda: _chosen(model, dataset, outputs, [dataset.inputs]))
        shapes = tried("the model", lambda: models.shapes_of(chosen, dataset.shape, dataset.dtype))
        return state_bytes(shapes, chosen_optimizer(settings))

    samples: SplitSamples = prepare_samples(data, settings, state, model) if reuse is None else reuse
    settings = samples.settings if reuse is None else settings
    dataset, task, splits = samples.dataset, samples.task, samples.splits
    settings = replace(settings, class_weight=by_class(settings.class_weight, task))
    if settings.stateful:
        settings = _stateful(settings, samples)
    endless = isinstance(dataset.inputs, IteratorArray)
    order = order_for("sequential" if endless else settings.order, dataset, settings.class_weight)
    notes: tuple[str, ...] = ()
    if settings.batch_size is None:
        settings, notes = _default_batch(settings, order, None if endless else splits[0].train)
    assert settings.batch_size is not None
    if endless:
        plan = endless_plan(settings)
    else:
        plan = Plan(
            len(splits[0].train),
            settings.batch_size,
            settings.epochs,
            seed=settings.seed,
            order=order.take(splits[0].train),
            remainder=settings.remainder,
            updates_per_epoch=settings.updates_per_epoch,
        )
    if plan.epochs >= 2**31:
        raise Refusal(f"`epochs` must be less than 2^31 in a training; got {plan.epochs}.")
    if plan.updates_per_epoch is not None and plan.updates >= 2**31:
        raise Refusal(
            f"updates_per_epoch times epochs must be less than 2^31 in a training; got {plan.updates}."
        )
    has_validation = samples.validation is not None or len(splits[0].validation) > 0
    _check_threshold(settings.threshold, task, has_validation)
    inputs = [part.inputs for part in (dataset, samples.validation, samples.test) if part is not None]
    network = model
    if settings.stateful:
        from epochal.nn import Stateful  # late: Flax is slow to import

        network = Stateful(model, plan.batch_size)  # with a state for each slot of a batch
    chosen_model = tried("the model", lambda: _chosen(network, dataset, task.outputs, inputs))
    loss_name, loss = models.loss_for(settings.loss, task.kind)
    metrics = (
        _own_metrics(settings, samples) if settings.metrics is not None else models.default_metrics(task.kind)
    )
    if settings.label_smoothing and (callable(settings.loss) or task.is_regression):
        what = "a loss of your own" if callable(settings.loss) else f'the loss "{loss_name}"'
        raise Refusal(f"`label_smoothing` belongs to log_loss; got {settings.label_smoothing:g} for {what}.")
    evaluate_train = settings.evaluate_train
    if evaluate_train is None:
        evaluate_train = isinstance(dataset.inputs, np.ndarray) or not has_validation
    wanted = {"train": evaluate_train, "validation": has_validation}
    parts = tuple(name for name, one in wanted.items() if one)
    if not parts:
        raise Refusal("nothing would be evaluated: give validation samples or keep `evaluate_train=True`.")
    monitor = settings.monitor or ("validation.loss" if has_validation else "train.loss")
    if monitor == "train.running_loss":
        raise Refusal(
            "`monitor` can't be train.running_loss, whose value is older than the parameters that would "
            "be kept for it; use train.loss, the loss at fixed parameters (`evaluate_train=True`)."
        )
    rule = settings.stop if settings.stop is not None else Never()
    if isinstance(rule, type) or not isinstance(rule, Rule):
        raise Refusal(f"stop must be a rule such as ep.Patience(20), or None for all epochs; got {rule!r}.")
    rows = samples.validation.samples if samples.validation is not None else len(splits[0].validation)
    halving = ""  # how to halve the validation samples: neighbors in time or of a group stay together
    if monitor.startswith("validation.") and rows >= MIN_HALVED and not any(one.host for one in metrics):
        halving = "mixed" if settings.split == "random" else "ordered"
    trained, initial = _varied(chosen_model, settings, dataset, samples.scalings[0] is not None)
    micro_batch = settings.micro_batch  # an automatic one is chosen later
    if not isinstance(micro_batch, int) or micro_batch >= plan.batch_sizes[0]:
        micro_batch = None
    spec = Spec(
        model=trained,
        loss=loss,
        metrics=metrics,
        classes=len(task.classes),
        optimizer=chosen_optimizer(settings),
        schedule=schedule,
        rule=without_budgets(rule),
        monitor=monitor,
        layout=BatchLayout.of(plan.passes),
        n_repeats=1,
        parts=parts,
        evaluate_unit=settings.evaluation[1] if plan.updates_per_epoch is None else "updates",
        micro_batch=micro_batch,
        stateful=settings.stateful,
        deterministic=settings.deterministic,
        label_smoothing=settings.label_smoothing,
        clip_norm=settings.clip_norm,
        gradient_noise=settings.gradient_noise,
        halving=halving,
    )
    undirected = {metric.name for metric in metrics if metric.greater_is_better is None}
    for name in (monitor, *rule.metric_names()):
        own = name.partition(".")[2]
        if own in undirected:
            raise Refusal(
                f"whether a higher {own} is better must be said where it decides: metrics=[epochal.metric("
                f'function, "{own}", greater_is_better=False)], or True.'
            )
        if name not in spec.metric_names:
            lacking = "" if has_validation else " There are no validation samples (validation=0)."
            raise Refusal(did_you_mean("metric", name, spec.metric_names) + lacking)
    prepared = Prepared(
        **{one.name: getattr(samples, one.name) for one in fields(SplitSamples)} | {"settings": settings},
        plan=plan,
        order=order,
        model=chosen_model,
        model_argument=model,
        initial=initial,
        loss_name=loss_name,
        spec=spec,
        notes=notes,
    )
    _check_orders(prepared)
    check_fit(prepared, reuse)
    _check_weights(prepared)
    return prepared


MIN_HALVED = 10
"""Fewest validation samples to estimate the optimism of the epoch's choice on halves."""

DEFAULT_BATCH = 32
"""The default batch size."""


def _default_batch(
    settings: Settings, order: Order, train: NDArray[np.int64] | None
) -> tuple[Settings, tuple[str, ...]]:
    """The settings with the default batch size, and a note if there are fewer samples."""
    size = DEFAULT_BATCH
    if train is not None:
        own = order.take(train)
        positions = own.positions_per_epoch(len(train))
        size = min(size, positions)
        try:
            own.check_batches(size, settings.remainder)
        except Refusal:
            size = positions  # class orders need a sample of each class in a batch
    note = f"batch size {size:,} instead of the usual {DEFAULT_BATCH}: an epoch has no more samples"
    return replace(settings, batch_size=size), (note,) if size < DEFAULT_BATCH else ()


def _own_metrics(settings: Settings, samples: SplitSamples) -> tuple[models.Metric, ...]:
    """The requested metrics; directions of custom ones are declared."""
    dataset = samples.dataset
    assert dataset.targets is not None
    scaled = samples.target_scalings[0] is not None or dataset.timeline is not None
    found = models.metrics_of(settings.metrics or (), samples.task, dataset.targets, scaled)
    for metric in found:
        better = metric.greater_is_better
        if metric.custom and better is not None and not declare(metric.name, better):
            other = "lower" if better else "higher"
            raise Refusal(
                f'"{metric.name}" was said to be better {other} before in this process; give the other '
                "metric a name of its own."
            )
    return found


def _chosen(model: Any, dataset: Dataset, outputs: int, inputs: Sequence[Any]) -> models.Model:
    """The model for these samples, with outputs, vocabulary and embeddings."""
    tokens = getattr(dataset.encoder, "vocabulary_size", None)
    found = models.build_for_inputs(models.as_model(model, outputs), inputs, tokens)
    return models.embedded(found, code_sizes(dataset.encoder))


def _stateful(settings: Settings, samples: SplitSamples) -> Settings:
    """The settings with the order and remainder that a stateful network needs."""
    order = settings.order if isinstance(settings.order, str) else settings.order.name
    for name, given, usual, needed in (
        ("order", order, "shuffle", "contiguous"),
        ("remainder", settings.remainder, "keep", "drop"),
    ):
        if given not in (usual, needed):
            raise Refusal(f'`{name}` must be "{needed}" to carry a state; got "{given}". Leave it out.')
    if settings.micro_batch is not None:
        raise Refusal("`micro_batch` would cut the batch whose state is carried; leave it out, or stateful.")
    if isinstance(settings.batch_size, Mapping | BatchSchedule):
        raise Refusal("`batch_size` must stay the same where a state is carried from batch to batch.")
    line = samples.dataset.timeline
    parts = [part for split in samples.splits for part in (split.train, split.validation, split.test)]
    stretches = [] if line is None else [len(line.stretches(part)) for part in parts]
    if line is None or len(line.names) > 1 or max(stretches) > 1:
        gaps = line is not None and (own := line.interval) is not None and own.cuts(line.times[0])[0].any()
        raise Refusal(
            "`stateful` needs windows of one series that follow one another, split in the order of time: cut "
            "them with a `stride` as long as the `window`"
            + (", and let windows cross the gaps in time (`across_gaps=True`)." if gaps else ".")
        )
    return replace(settings, order="contiguous", remainder="drop")


def _check_threshold(threshold: Any, task: Task, has_validation: bool) -> None:
    """Check that there are two classes, and samples to choose a threshold on."""
    if threshold is None:
        return
    if task.kind != "binary":
        several = "labels" if task.is_multilabel else "classes"
        what = "a regression" if task.is_regression else f"{len(task.classes)} {several}"
        raise Refusal(f"`threshold` must be left out except for two classes; got {threshold!r} for {what}.")
    if isinstance(threshold, str) and not has_validation:
        raise Refusal(
            f'threshold "{threshold}" is chosen on validation samples, and `validation=0` leaves none. '
            "Hold some out, or give a number between 0 and 1."
        )


def _check_orders(prepared: Prepared) -> None:
    """Check that epochs have the same length in all repeats."""
    if prepared.order.values is None or prepared.same_samples:
        return
    positions = prepared.plan.positions_per_epoch
    for repeat in range(1, prepared.settings.repeats):
        own = prepared.plan_of(repeat).positions_per_epoch
        if own != positions:
            raise Refusal(
                f'order "{prepared.order.name}" must have as many uses per epoch in all repeats, whose '
                f"training samples differ; got {positions:,} in repeat 1 and {own:,} in repeat {repeat + 1}. "
                f"Give it a length, such as {positions}, or let the repeats share "
                "a split (vary without split)."
            )


def _check_weights(prepared: Prepared) -> None:
    """Check that each part of each repeat has a sample with a positive weight."""
    for repeat in range(1 if prepared.same_samples else prepared.settings.repeats):
        for name in ("train", "validation", "test"):
            if not prepared.part_size(name):
                continue
            weights = prepared.targets_and_weights(repeat, name)[1]
            if weights is not None and not weights.any():
                where = "" if prepared.same_samples else f" in repeat {repeat + 1}"
                raise Refusal(
                    f"the weights of the {name} samples must not all be 0; all {len(weights):,} are{where}. "
                    "Use other weights, or another share or seed."
                )


def _varied(
    plain: models.Model, settings: Settings, dataset: Dataset, standardized: bool
) -> tuple[models.Model, InitialVariables]:
    """The model in training (precision, augmentation, frozen parameters), and its initial parameters."""
    sample = jax.ShapeDtypeStruct(
        dataset.shape, models.model_input_dtype(np.float32 if standardized else dataset.dtype)
    )
    shapes = traced("the model's init", plain.init, jax.eval_shape(lambda: jax.random.key(0)), sample)
    if not isinstance(shapes, models.Variables):
        raise Refusal(f"the model's init must return Variables; got {type(shapes).__name__}.")
    check_initial(settings.initial, dataset.task)
    start, model = initial_variables(settings.initial, shapes), models.computing_in(plain, settings.precision)
    if settings.augment:
        windows = "" if dataset.timeline is None else "windows of a series"
        other = "pairs" if isinstance(plain, Pairwise) else windows
        if other or len(dataset.shape) not in (2, 3) or dataset.dtype == np.int32:
            raise Refusal(
                "`augment` varies images (height, width) or (height, width, channels); the inputs "
                f"{f'are {other}' if other else f'have the shape {dataset.shape}'}. Leave it out."
            )
        for transform in settings.augment:
            transform.check(*dataset.shape[:2])
        model = Augmented(model, settings.augment)
    if settings.freeze:
        names = names_of(shapes.params)
        frozen = matching(settings.freeze, names, "freeze")
        if len(frozen) == len(names):
            raise Refusal("`freeze` must leave parameters to be trained; it names all of them.")
        model = split = Frozen(model, frozen)
        if start.variables is not None:
            start = start._replace(variables=split.partition(start.variables))
    return model, start


_LACKING = {
    "classes": "classes, and this is a {kind} task: use shuffle, or blocks or groups",
    "lengths": "texts, whose padding it saves: use shuffle",
    "weights": "sample weights: name their column with `sample_weight=COLUMN`, or give "
    "data=(inputs, targets, weights)",
    "groups": "groups of samples: name their column with `groups=COLUMN`, or give order=Groups(values)",
}


def order_for(given: Any, dataset: Dataset, class_weight: Any) -> Order:
    """The requested order, with the values it needs of all samples."""
    order = given if isinstance(given, Order) else order_named(str(given))
    if order.needs == "weights" and class_weight is not None:
        raise Refusal(
            f'`class_weight` must be left out with order "{order.name}", which draws samples by their '
            "weights and does not weigh their losses; multiply the sample weights by those of the classes."
        )
    if order.needs == "weights" and order.values is not None and dataset.sample_weight is not None:
        raise Refusal(
            f'order "{order.name}" must draw by one set of weights, and the data has sample weights besides; '
            f'give `order="{order.name}"` to draw by those, or data without them.'
        )
    if order == Blocks() and dataset.timeline is not None:
        # By default, blocks of windows are as long as a window.
        order = Blocks(dataset.timeline.span - dataset.timeline.horizon)
    if order.values is not None and len(order.values) != dataset.samples:
        raise Refusal(
            f'order "{order.name}" must have one value for each of the {dataset.samples:,} samples of '
            f"the data, held-out ones too; got {len(order.values):,}."
        )
    if order.values is not None or not order.needs:
        return order
    column = {"classes": "strata", "weights": "sample_weight"}.get(order.needs, order.needs)
    values = getattr(dataset, column, None)
    if values is None:
        kind = "" if dataset.task is None else dataset.task.kind
        raise Refusal(f'order "{order.name}" needs {_LACKING[order.needs].format(kind=kind)}.')
    return order.bind(values)
