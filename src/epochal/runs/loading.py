"""Reading a run folder, whose files docs/architecture.md lists.

Nothing in it can execute code, and reading it imports nothing that it names: a folder may be a stranger's.
What it says is checked before memory is taken for it. run.json is sealed and has the size and SHA-256 of
every other of these files: a folder that holds it is finished, and loads if nothing in it was changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import declare
from epochal.curves import Curves
from epochal.data import Scaling, TargetScaling, Vocabulary, encoder_from_dict
from epochal.data.records import code_sizes, fields_of
from epochal.data.standardize import LevelScaling
from epochal.errors import Refusal
from epochal.models import Pairwise, Variables, embedded, embedded_shape, shapes_of
from epochal.models.metrics import RESERVED
from epochal.models.wrappers import names_of
from epochal.plan import BatchSchedule, Plan, order_named
from epochal.runs.checks import WRONG, custom_model, damaged, excerpt, read_table, reading, rebuilt_model
from epochal.runs.forecast import Observed
from epochal.runs.outcome import Fitted
from epochal.runs.run import Run
from epochal.runs.run_files import OBSERVED, PARAMETERS, check_files
from epochal.runs.run_json import RunJson, check_run, read_run_json, read_scores
from epochal.runs.tensors import Tensors, read_tensors

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
    document = read_run_json(path)
    record = _record(path, document, parameters=True)
    shape, dtype = tuple(document.data["shape"]), np.dtype(document.data["dtype"])
    tensors = {name.partition(".")[0]: read_tensors(path / name)[0] for name in PARAMETERS}
    sizes = code_sizes(record.encoder)
    inner = embedded_shape(shape, sizes)
    if model is None:
        own = tensors["best"]
        if sizes:  # by the names that arrays have in a model without embeddings
            own = {name.replace("/params/model/", "/params/", 1): found for name, found in own.items()}
        chosen = rebuilt_model(path, record.settings["model"], inner, record.task, own)
    else:
        paired = record.settings["model"].get("kind") == "pairwise" and not isinstance(model, Pairwise)
        chosen = custom_model(model, inner[1:] if paired else inner, dtype, record.task)
        chosen = Pairwise(chosen) if paired else chosen
    chosen = embedded(chosen, sizes)
    fitted = _fitted(path, shapes_of(chosen, shape, dtype), tensors, record.repeats)
    for one in fitted:
        if sizes and (not isinstance(one.scaling, LevelScaling) or tuple(one.scaling.sizes) != sizes):
            raise damaged(path, "scaling.safetensors must know the levels of the categories in run.json")
    return replace(record, model=chosen, fitted=fitted)


def load_record(folder: str | Path) -> Run:
    """Read a run folder without parameters and model, for anything except predictions."""
    return _record(Path(folder), read_run_json(Path(folder)), parameters=False)


def _record(path: Path, document: RunJson, parameters: bool) -> Run:
    from pyarrow.lib import ArrowException

    check_files(path, document.files, parameters)
    split, curves = read_table(path, "split.parquet"), read_table(path, "metrics.parquet")
    history = None if document.history is None else read_table(path, OBSERVED)
    for name, direction in document.settings.get("own_metrics", {}).items():
        # Curves of the run use this direction, unless this process has declared another.
        if direction and name not in RESERVED:
            declare(name, str(direction).startswith("higher"))
    with reading(path, *WRONG, ArrowException):
        columns = {name: split.column(name) for name in split.column_names}
        split_codes = tuple(columns[f"repeat {k}"].to_numpy() for k in range(len(document.outcomes)))
        values = columns["order"].to_numpy() if "order" in columns else None
        own = None if values is None else values[split_codes[0] == PARTS.index("train")]
        plan = _plan(document.plan, own)
        encoder = None if document.encoder is None else encoder_from_dict(document.encoder)
        found: dict[str, Any] = {
            "curves": Curves.from_arrow(curves),
            "observed": None if document.history is None else Observed.from_arrow(document.history, history),
            "names": tuple(map(excerpt, columns["name"].to_pylist())) if "name" in columns else (),
            "rows": columns["row"].to_numpy(),
            **({"hashes": columns["hash"].to_numpy()} if "hash" in columns else {}),
        }
    found |= {
        "plan": plan,
        "model": None,
        "fitted": (),
        "scores": {part: read_scores(path, part, written) for part, written in document.scores.items()},
        "encoder": encoder,
        "baseline": {part: list(values) for part, values in document.baseline.items()},
        "forecasts": document.forecasts or {},
        "split_codes": split_codes,
        "order_values": values,
        "folder": path,
    }
    same = fields_of(Run).keys() & fields_of(RunJson).keys() - found.keys()
    run = Run(**{name: getattr(document, name) for name in same}, **found)
    with reading(path):
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


_SCALINGS = {"sizes": LevelScaling, "known": Vocabulary, "": Scaling}
"""By an array that only this kind has."""


def _fitted(path: Path, shapes: Variables, found: dict[str, Tensors], repeats: int) -> tuple[Fitted, ...]:
    shaped, structure = jax.tree.flatten(shapes)
    names, misfit = names_of(shapes), "the model does not fit the run:"
    for name in sorted(found["best"]):
        if name.startswith("0/") and name[2:] not in names:
            raise Refusal(f"{misfit} it has no {excerpt(name[2:])}, which the run has.")

    def variables(which: str, repeat: int) -> Variables:
        leaves = [found[which].get(f"{repeat}/{name}") for name in names]
        for name, leaf, wanted in zip(names, leaves, shaped, strict=True):
            if leaf is None:
                raise Refusal(f"{misfit} it has {name}, which {which}.safetensors has not.")
            if leaf.shape != wanted.shape:
                raise Refusal(f"{misfit} {name} must be {leaf.shape}; got {wanted.shape}.")
        one: Variables = jax.tree_util.tree_unflatten(structure, leaves)
        return one

    def scaling(kind: str, repeat: int, kinds: dict[str, Any]) -> Any:
        prefix, arrays = f"{repeat}/{kind}/", found["scaling"]
        own = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
        make = next(kind for name, kind in kinds.items() if name in own or not name)
        with reading(path, TypeError):
            return make(**own) if own else None

    return tuple(
        Fitted(
            variables("best", repeat),
            variables("last", repeat),
            scaling("scaling", repeat, _SCALINGS),
            scaling("target_scaling", repeat, {"": TargetScaling}),
        )
        for repeat in range(repeats)
    )
