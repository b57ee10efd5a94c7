"""Reading a run folder.

    run.json                   settings, seeds, plan, task, schema of the table, figures, verdict, conditions
    metrics.parquet            the curves, one row a repeat and evaluation
    best.safetensors           the best parameters of every repeat; last.safetensors: those it ended with
    scaling.safetensors        what the inputs (and regression targets) are scaled with, by repeat; of texts,
                               which tokens are known
    split.parquet              which row was for training, validation or test, by repeat; its name; a hash of
                               its inputs and target, by which it is found in other data;
                               what the order knows of it (its class, weight or group), where it looks at that
    predictions-{part}.parquet of the samples of a part (validation, test): true and predicted targets, or
                               class ids and probabilities by repeat; several columns numbered from 1
    history.parquet            windows of a series: the forecast column, with the time of each row
    report.html                the page, if one was written

Nothing in it can execute code, and reading it imports nothing that it names: a folder may be a stranger's.
What it says is checked before memory is taken for it. run.json is sealed and has the size and SHA-256 of
every other of these files: a folder that holds it is finished, and loads if nothing in it was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
from numpy.typing import NDArray

from epochal.common.metric_names import declare
from epochal.curves import Curves
from epochal.data import Scaling, TargetScaling, Vocabulary, encoder_from_dict
from epochal.data.encoder import code_sizes
from epochal.data.tables.levels import LevelScaling
from epochal.data.typed import Damaged
from epochal.errors import Refusal
from epochal.models import Pairwise, Variables, embedded, embedded_shape, shapes_of
from epochal.models.frozen import names_of
from epochal.models.metrics import RESERVED
from epochal.plan import BatchSchedule, Plan, order_named
from epochal.runs.checks import (
    Tensors,
    check_dtype,
    check_shape,
    check_task,
    damaged,
    one_line,
    own_model,
    read_table,
    read_tensors,
    rebuilt_model,
)
from epochal.runs.consistent import check_document, check_run, outcome_of, verdict_of
from epochal.runs.contents import FORMAT, HISTORY, check_files, read_run
from epochal.runs.forecast import ForecastScores, History
from epochal.runs.record import Fitted, Run
from epochal.runs.saving import plain, publish, refuse_existing, save
from epochal.runs.scored import read_scores
from epochal.runs.threshold import Threshold

__all__ = ["FORMAT", "PARTS", "load", "load_record", "plain", "publish", "refuse_existing", "save"]

PARTS = ("", "train", "validation", "test")
"""The numbers in split.parquet; 0 is no part."""


def load(folder: str | Path, model: Any = None) -> Run:
    """Read a run folder.

    Args:
        folder: from `save`.
        model: a custom model, as for `fit`: a model, a Flax module or class, a pair of functions; or
            "package.module:function", which is imported. Names in the folder are never imported; built-in
            models are rebuilt from their settings.

    Raises:
        Refusal: no such folder, not a run, damaged, written by a later version, or an unknown model.
    """
    path = Path(folder)
    return _guarded(path, lambda document: _with_parameters(path, document, model))


def load_record(folder: str | Path) -> Run:
    """Read a run folder without parameters and model, for anything except predictions."""
    path = Path(folder)
    return _guarded(path, lambda document: _record(path, document, parameters=False))


def _guarded(path: Path, read: Callable[[dict[str, Any]], Run]) -> Run:
    document = read_run(path)
    try:
        return read(document)
    except Damaged as error:
        raise damaged(path, error.what) from error
    except Refusal:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_TOO_MUCH) as error:
        raise damaged(path, f"{type(error).__name__}: {one_line(error)}") from error
    except Exception as error:
        if type(error).__module__.startswith(("safetensors", "pyarrow")):
            raise damaged(path, one_line(error)) from error
        raise


_TOO_MUCH = (OverflowError, RecursionError, MemoryError)


def _with_parameters(path: Path, document: dict[str, Any], model: Any) -> Run:
    record = _record(path, document, parameters=True)
    shape, dtype = check_shape(path, document["data"]["shape"]), check_dtype(path, document["data"]["dtype"])
    tensors = {which: read_tensors(path, which) for which in ("best", "last", "scaling")}
    sizes = code_sizes(record.encoder)
    inner = embedded_shape(shape, sizes)
    own = _within(tensors["best"]) if sizes else tensors["best"]
    if model is None:
        chosen = rebuilt_model(path, record.settings["model"], inner, record.task, own)
    else:
        paired = record.settings["model"].get("kind") == "pairwise" and not isinstance(model, Pairwise)
        chosen = own_model(model, inner[1:] if paired else inner, dtype, record.task)
        chosen = Pairwise(chosen) if paired else chosen
    chosen = embedded(chosen, sizes)
    shapes = shapes_of(chosen, shape, dtype)
    fitted = _fitted(shapes, tensors, record.repeats)
    for one in fitted:
        if sizes and (not isinstance(one.scaling, LevelScaling) or tuple(one.scaling.sizes) != sizes):
            raise damaged(path, "scaling.safetensors must know the levels of the categories in run.json")
    return replace(record, model=chosen, fitted=fitted)


def _within(tensors: Tensors) -> Tensors:
    """Arrays with the names of a model without embeddings."""
    return {name.replace("/params/model/", "/params/", 1): found for name, found in tensors.items()}


def _record(path: Path, document: dict[str, Any], parameters: bool) -> Run:
    check_files(path, document, parameters)
    check_document(document)
    check_shape(path, document["data"]["shape"])
    split = read_table(path, "split.parquet")
    splits = tuple(split.column(f"repeat {k}").to_numpy() for k in range(len(document["outcomes"])))
    values = split.column("order").to_numpy() if "order" in split.column_names else None
    plan = _plan(document["plan"], None if values is None else values[splits[0] == PARTS.index("train")])
    task = check_task(path, document["task"])
    outcomes = tuple(map(outcome_of, document["outcomes"]))
    for name, said in document["settings"].get("own_metrics", {}).items():
        # Curves of the run use this direction, unless this process has declared another.
        if said and name not in RESERVED:
            declare(name, str(said).startswith("higher"))
    scores = {part: read_scores(path, part, value) for part, value in document["scores"].items()}
    run = Run(
        plan=plan,
        task=task,
        model=None,
        settings=document["settings"],
        curves=Curves.from_arrow(read_table(path, "metrics.parquet")),
        outcomes=outcomes,
        fitted=(),
        verdict=verdict_of(document["verdict"]),
        scores=scores,
        data=document["data"],
        encoder=None if document["encoder"] is None else encoder_from_dict(document["encoder"]),
        conditions=document["conditions"],
        baseline=document["baseline"],
        threshold=None if document.get("threshold") is None else Threshold.from_dict(document["threshold"]),
        forecasts={
            part: ForecastScores.from_dict(found) for part, found in document.get("forecasts", {}).items()
        },
        observed=_history(path, document.get("history")),
        interrupted=document["interrupted"],
        failed=document["failed"],
        order_seeds=tuple(document["order_seeds"]),
        rows=split.column("row").to_numpy(),
        **({"hashes": split.column("hash").to_numpy()} if "hash" in split.column_names else {}),
        names=tuple(map(one_line, split.column("name").to_pylist())) if "name" in split.column_names else (),
        splits=splits,
        order_values=values,
        folder=path,
    )
    check_run(run)
    return run


def _plan(value: dict[str, Any], values: NDArray[Any] | None) -> Plan:
    """The plan of the first repeat; `values` are the order's per-sample values of the training samples."""
    order = order_named(value["order"], value.get("order_options"))
    schedule = value.get("batch_schedule")
    return Plan(
        value["samples"],
        value["batch_size"] if schedule is None else BatchSchedule.of_dict(schedule),
        value["epochs"],
        seed=value["seed"],
        order=order if values is None else order.bind(values),
        remainder=value["remainder"],
        updates_per_epoch=value.get("updates_per_epoch"),
    )


def _history(path: Path, described: dict[str, Any] | None) -> History | None:
    return None if described is None else History.from_arrow(described, read_table(path, HISTORY))


def _kind_of_scaling(found: Tensors, repeat: int) -> Callable[..., Any]:
    if f"{repeat}/scaling/sizes" in found:
        return LevelScaling
    return Vocabulary if f"{repeat}/scaling/known" in found else Scaling


def _fitted(shapes: Variables, found: dict[str, Tensors], repeats: int) -> tuple[Fitted, ...]:
    shaped, structure = jax.tree.flatten(shapes)
    names = names_of(shapes)
    for name in sorted(found["best"]):
        if name.startswith("0/") and name[2:] not in names:
            raise Refusal(
                f"the model does not fit the run: it has no {one_line(name[2:])}, which the run has."
            )

    def variables(which: str, repeat: int) -> Variables:
        leaves = []
        for name, shape_ in zip(names, shaped, strict=True):
            leaf = found[which].get(f"{repeat}/{name}")
            if leaf is None:
                raise Refusal(
                    f"the model does not fit the run: it has {name}, which {which}.safetensors has not."
                )
            if leaf.shape != shape_.shape:
                raise Refusal(
                    f"the model does not fit the run: {name} must be {leaf.shape}; got {shape_.shape}."
                )
            leaves.append(leaf)
        one: Variables = jax.tree_util.tree_unflatten(structure, leaves)
        return one

    def scaling(kind: str, repeat: int, make: Callable[..., Any]) -> Any:
        prefix = f"{repeat}/{kind}/"
        own = {
            name.removeprefix(prefix): value
            for name, value in found["scaling"].items()
            if name.startswith(prefix)
        }
        return make(**own) if own else None

    return tuple(
        Fitted(
            variables("best", repeat),
            variables("last", repeat),
            scaling("scaling", repeat, _kind_of_scaling(found["scaling"], repeat)),
            scaling("target_scaling", repeat, TargetScaling),
        )
        for repeat in range(repeats)
    )
