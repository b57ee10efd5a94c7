"""How is a run kept on disk?

    run.json                   settings, seeds, plan, task, schema of the table, figures, verdict, conditions
    metrics.parquet            the curves, one row a repeat and evaluation
    best.safetensors           the best parameters of every repeat; last.safetensors: those it ended with
    scaling.safetensors        what the inputs (and regression targets) are scaled with, by repeat; of texts,
                               which tokens are known
    split.parquet              which row was for training, validation or test, by repeat; its name;
                               what the order knows of it (its class, weight or group), where it looks at that
    predictions-{part}.parquet of the samples of a part (validation, test): true and predicted targets, or
                               class ids and probabilities by repeat; several columns numbered from 1
    history.parquet            windows of a series: the forecast column, with the time of each row
    report.html                the page, if one was written

Nothing in it can execute code, and reading it imports nothing that it names: a folder may be a stranger's.
What it says is checked before memory is taken for it. A folder appears whole or not at all: it is written
beside its place, synced, and renamed.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves, Verdict
from epochal.data import Scaling, TargetScaling, Vocabulary, encoder_from_dict
from epochal.errors import Refusal
from epochal.models import Pairwise, Variables, shapes_of
from epochal.plan import BatchSchedule, Plan, order_named
from epochal.run.checks import (
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
from epochal.run.forecast import ForecastScores, History
from epochal.run.record import BrokenUpdate, Fitted, Outcome, Run
from epochal.run.scored import figures_of, read_scores, write_predictions
from epochal.run.threshold import Threshold

__all__ = ["FORMAT", "PARTS", "load", "load_record", "plain", "refuse_existing", "save"]

FORMAT = 1
_FILES = ("metrics.parquet", "split.parquet", "best.safetensors", "last.safetensors", "scaling.safetensors")
HISTORY = "history.parquet"
PARTS = ("", "train", "validation", "test")
"""What the numbers in split.parquet stand for; 0 is no part."""


def refuse_existing(folder: str | Path) -> Path:
    """The path of a new run folder; one that exists is refused."""
    path = Path(folder)
    if path.exists():
        raise Refusal(f'the run folder "{path}" exists already; name another one with --out, or remove it.')
    return path


def save(run: Run, folder: str | Path, report: bool = False) -> Path:
    """Write a run folder, whole or not at all; with `report` the page, too."""
    path = refuse_existing(folder)
    parent = path.parent
    made = [one for one in (parent, *parent.parents) if not one.exists()]
    temporary = parent / f".{path.name}-{uuid.uuid4().hex[:8]}"
    try:
        temporary.mkdir(parents=True)
        _write(run, temporary)
        if report:
            run.report(temporary / "report.html")
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        os.rename(temporary, path)
        _sync(parent)
    except OSError as error:
        _remove(temporary, made)
        if error.errno == errno.ENOSPC:
            raise Refusal(
                f'there is no space left for the run folder "{path}"; nothing was written.'
            ) from error
        raise Refusal(f'the run folder "{path}" can\'t be written: {error.strerror or error}.') from error
    except BaseException:
        _remove(temporary, made)
        raise
    return path


def _remove(temporary: Path, made: list[Path]) -> None:
    """Leave nothing behind: not the half-written folder, nor the folders made above it."""
    shutil.rmtree(temporary, ignore_errors=True)
    for folder in made:
        with suppress(OSError):
            folder.rmdir()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(run: Run, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for which in ("best", "last"):
        tensors: dict[str, NDArray[Any]] = {}
        for repeat, fitted in enumerate(run.fitted):
            tensors |= {f"{repeat}/{name}": value for name, value in _named(getattr(fitted, which)).items()}
        _write_tensors(tensors, folder / f"{which}.safetensors")
    _write_tensors(_scalings(run), folder / "scaling.safetensors")
    pq.write_table(run.curves.to_arrow(), folder / "metrics.parquet")
    columns: dict[str, Any] = {"row": pa.array(run.rows)}
    if run.names:
        columns["name"] = pa.array(run.names)
    if run.order_values is not None:
        columns["order"] = pa.array(run.order_values)
    columns |= {f"repeat {repeat}": pa.array(column) for repeat, column in enumerate(run.splits)}
    pq.write_table(pa.table(columns), folder / "split.parquet", compression="zstd")
    for part, scores in run.scores.items():
        write_predictions(scores, folder, part)
    if run.history is not None:
        pq.write_table(run.history.to_arrow(), folder / HISTORY, compression="zstd")
    text = json.dumps(plain(_document(run)), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "run.json").write_text(text + "\n", encoding="utf-8")


def _document(run: Run) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "plan": run.plan.to_dict(),
        "task": run.task.to_dict(),
        "settings": run.settings,
        "outcomes": [asdict(outcome) for outcome in run.outcomes],
        "order_seeds": list(run.order_seeds),
        "verdict": run.verdict.to_dict(),
        "scores": {
            part: figures_of(scores, run.per_class.get(part, {})) for part, scores in run.scores.items()
        },
        "baseline": run.baseline,
        "threshold": None if run.threshold is None else run.threshold.to_dict(),
        "forecasts": {part: found.to_dict() for part, found in run.forecasts.items()},
        "history": None if run.history is None else run.history.to_dict(),
        "data": run.data,
        "encoder": None if run.encoder is None else run.encoder.to_dict(),
        "conditions": run.conditions,
        "interrupted": run.interrupted,
        "failed": run.failed,
    }


def plain(value: Any) -> Any:
    """JSON has no NaN: what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, np.generic):
        return plain(value.item())
    return value


def _named(tree: Any) -> dict[str, NDArray[Any]]:
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in paths}


def _write_tensors(tensors: dict[str, NDArray[Any]], path: Path) -> None:
    from safetensors.numpy import save as to_bytes

    path.write_bytes(to_bytes({name: np.asarray(value, order="C") for name, value in tensors.items()}))


def _scalings(run: Run) -> dict[str, NDArray[Any]]:
    tensors: dict[str, NDArray[Any]] = {}
    for repeat, fitted in enumerate(run.fitted):
        for kind in ("scaling", "target_scaling"):
            scaling = getattr(fitted, kind)
            if scaling is not None:
                tensors |= {
                    f"{repeat}/{kind}/{name}": np.asarray(value) for name, value in vars(scaling).items()
                }
    return tensors


def load(folder: str | Path, model: Any = None) -> Run:
    """Read a run folder.

    Args:
        folder: what `save` wrote.
        model: the model of a run that was trained with one of the caller's own, as `fit` takes it: a model, a
            Flax module or class, a pair of functions; or "package.module:function", which is imported. What
            the folder itself names is never imported; built-in models are rebuilt from their settings.

    Raises:
        Refusal: no such folder, not a run, damaged, written by a later version, or the model is not known.
    """
    path = Path(folder)
    return _guarded(path, lambda document: _with_parameters(path, document, model))


def load_record(folder: str | Path) -> Run:
    """Read a run folder without its parameters: for all but predicting, and needing no model."""
    path = Path(folder)
    return _guarded(path, lambda document: _record(path, document))


def _read_document(path: Path) -> dict[str, Any]:
    file = path / "run.json"
    if not file.is_file():
        raise Refusal(
            f'"{path}" is not a run folder: it has no run.json. `epochal runs` lists the runs here.'
        )
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        format_ = document["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal(f'"{file}" is damaged: {one_line(error)}.') from error
    if format_ != FORMAT:
        raise Refusal(f'"{path}" has run format {one_line(format_)}; this version of epochal reads {FORMAT}.')
    return document


def _guarded(path: Path, read: Callable[[dict[str, Any]], Run]) -> Run:
    document = _read_document(path)
    try:
        return read(document)
    except Refusal as error:
        if str(error).isprintable():
            raise
        raise Refusal(f"{one_line(error)}.") from error
    except FileNotFoundError as error:
        # Arrow's error does not carry the name.
        lacking = [name for name in _FILES if not (path / name).is_file()]
        raise Refusal(f'the run folder "{path}" lacks {", ".join(lacking) or "a file"}.') from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_TOO_MUCH) as error:
        raise damaged(path, f"{type(error).__name__}: {one_line(error)}") from error
    except Exception as error:
        if type(error).__module__.startswith(("safetensors", "pyarrow")):
            raise damaged(path, one_line(error)) from error
        raise


_TOO_MUCH = (OverflowError, RecursionError, MemoryError)


def _with_parameters(path: Path, document: dict[str, Any], model: Any) -> Run:
    record = _record(path, document)
    shape, dtype = check_shape(path, document["data"]["shape"]), check_dtype(path, document["data"]["dtype"])
    tensors = {which: read_tensors(path, which) for which in ("best", "last", "scaling")}
    if model is None:
        chosen = rebuilt_model(path, record.settings["model"], shape, record.task, tensors["best"])
        shapes = shapes_of(chosen, shape, dtype)
    else:
        paired = record.settings["model"].get("kind") == "pairwise" and not isinstance(model, Pairwise)
        chosen, shapes = own_model(model, shape[1:] if paired else shape, dtype, record.task)
        chosen = Pairwise(chosen) if paired else chosen
    return replace(record, model=chosen, fitted=_fitted(shapes, tensors, record.repeats))


def _record(path: Path, document: dict[str, Any]) -> Run:
    check_shape(path, document["data"]["shape"])
    split = read_table(path, "split.parquet")
    splits = tuple(split.column(f"repeat {k}").to_numpy() for k in range(len(document["outcomes"])))
    values = split.column("order").to_numpy() if "order" in split.column_names else None
    plan = _plan(document["plan"], None if values is None else values[splits[0] == PARTS.index("train")])
    task = check_task(path, document["task"])
    outcomes = tuple(_outcome(value) for value in document["outcomes"])
    scores = {
        part: read_scores(path, part, value, document["settings"]["loss"])
        for part, value in document["scores"].items()
    }
    return Run(
        plan=plan,
        task=task,
        model=None,
        settings=document["settings"],
        curves=Curves.from_arrow(read_table(path, "metrics.parquet")),
        outcomes=outcomes,
        fitted=(),
        verdict=Verdict(**document["verdict"]),
        scores=scores,
        data=document["data"],
        encoder=None if document["encoder"] is None else encoder_from_dict(document["encoder"]),
        conditions=document["conditions"],
        baseline=document["baseline"],
        threshold=None if document.get("threshold") is None else Threshold.from_dict(document["threshold"]),
        forecasts={
            part: ForecastScores.from_dict(found) for part, found in document.get("forecasts", {}).items()
        },
        history=_history(path, document.get("history")),
        interrupted=document["interrupted"],
        failed=document["failed"],
        order_seeds=tuple(document["order_seeds"]),
        rows=split.column("row").to_numpy(),
        names=tuple(map(one_line, split.column("name").to_pylist())) if "name" in split.column_names else (),
        splits=splits,
        order_values=values,
        folder=path,
    )


def _plan(value: dict[str, Any], values: NDArray[Any] | None) -> Plan:
    """The plan of the first repeat; `values` is what its order knows of the training samples."""
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


def _outcome(value: dict[str, Any]) -> Outcome:
    broken = value.pop("broken", None)
    if broken is not None:
        broken = BrokenUpdate(**{**broken, "samples": tuple(broken["samples"])})
    numbers: dict[str, Any] = {name: float("nan") if item is None else item for name, item in value.items()}
    return Outcome(**numbers, broken=broken)


def _fitted(shapes: Variables, found: dict[str, Tensors], repeats: int) -> tuple[Fitted, ...]:
    paths, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [jax.tree_util.keystr(leaf, simple=True, separator="/") for leaf, _ in paths]
    for name in sorted(found["best"]):
        if name.startswith("0/") and name[2:] not in names:
            raise Refusal(
                f"the model does not fit the run: it has no {one_line(name[2:])}, which the run has."
            )

    def variables(which: str, repeat: int) -> Variables:
        leaves = []
        for name, (_, shape_) in zip(names, paths, strict=True):
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
            scaling(
                "scaling", repeat, Vocabulary if f"{repeat}/scaling/known" in found["scaling"] else Scaling
            ),
            scaling("target_scaling", repeat, TargetScaling),
        )
        for repeat in range(repeats)
    )
