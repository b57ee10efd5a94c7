"""Validation of the values in a run folder.

It may be damaged or untrusted: nothing that it names is imported, no number is used before it is checked, and
its text is shown without control characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from epochal.common.option_text import option
from epochal.data import Task
from epochal.data.records import Damaged
from epochal.errors import Refusal
from epochal.models import MLP, BuiltIn, Model, Pairwise, as_model, shapes_of
from epochal.models.convert import NamedModel
from epochal.runs.tensors import Tensors

_SCORED = ("validation", "test")
_MOST = 2**31
"""Most values of a sample, target or table, so that a header can't demand any amount of memory."""


def damaged(path: Path, what: str) -> Refusal:
    """The refusal of a damaged folder."""
    return Refusal(f'the run folder "{path}" is damaged: {what}.')


@contextmanager
def reading(path: Path, *kinds: type[BaseException]) -> Iterator[None]:
    """Within, errors of these kinds, by which libraries and constructors answer wrong values, are damage."""
    try:
        yield
    except Damaged as error:
        raise damaged(path, error.what) from error
    except Refusal:
        raise
    except kinds as error:
        raise damaged(path, f"{type(error).__name__}: {excerpt(error)}") from error


WRONG = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError)
"""How constructors answer wrong values."""


def excerpt(value: object) -> str:
    """Text from a file for a sentence: one line, no control characters, not long."""
    text = "".join(c if c.isprintable() else "?" for c in " ".join(str(value).split()))
    return (text if len(text) <= 300 else f"{text[:300]}...").rstrip(".")


def read_table(path: Path, name: str) -> Any:
    """A table, if not larger in memory than any run's: a short file may expand to many rows."""
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    with reading(path, OSError, ArrowException), pq.ParquetFile(path / name) as file:
        values = file.metadata.num_rows * file.metadata.num_columns
        if values > _MOST:
            raise damaged(path, f"{name} must hold at most 2^31 values; got {values:,}")
        return file.read()


def check_shape(shape: Any) -> None:
    """Refuse what is no shape of a sample, from run.json."""
    whole = isinstance(shape, list) and all(type(one) is int and 1 <= one <= _MOST for one in shape)
    if not whole or not 1 <= len(shape) <= 32 or math.prod(shape) > _MOST:
        raise Damaged(
            "data.shape must be 1 to 32 whole numbers, at least 1 each and at most 2^31 multiplied; "
            f"got {excerpt(shape)}"
        )


def custom_model(model: Any, shape: tuple[int, ...], dtype: np.dtype[Any], task: Task) -> Model:
    """The caller's model, checked for such samples; an error here is not the folder's."""
    try:
        if isinstance(model, str):
            chosen: Model = NamedModel.of(model, shape, task.outputs)
        else:
            chosen = as_model(model, task.outputs)
        shapes_of(chosen, shape, dtype)
        return chosen
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(f"the model does not fit the run: {type(error).__name__}: {excerpt(error)}.") from error


def network_class(kind: object) -> type[BuiltIn] | None:
    """The class of a built-in network by its kind; None for other models."""
    if kind not in ("cnn", "lstm", "gru", "text", "stateful"):
        return MLP if kind == "mlp" else None
    from epochal.nn import NETWORKS  # late: Flax is slow to import

    return NETWORKS[str(kind)]


def rebuilt_model(
    path: Path, settings: dict[str, Any], shape: tuple[int, ...], task: Task, tensors: Tensors
) -> Model:
    """The built-in model of the settings; a custom one has to be given."""
    kind = settings.get("kind")
    network = network_class(kind)
    if network is not None:
        with reading(path, *WRONG):
            model: Any = network.from_dict(settings).with_outputs(task.outputs)
        # Before tracing: the layers must match the file, however many the settings claim.
        if model.depth > len(tensors):
            raise damaged(
                path, f"the settings have {model.depth:,} layers; the file has {len(tensors):,} arrays"
            )
        if isinstance(model, MLP):
            sizes = (math.prod(shape), *model.hidden, model.outputs)
            for layer, size in enumerate(pairwise(sizes)):
                kernel = tensors.get(f"0/params/{layer}/kernel")
                if kernel is None or kernel.shape != size:
                    found = "none" if kernel is None else kernel.shape
                    raise damaged(
                        path,
                        f"layer {layer} must be {excerpt(size)} as the settings say; the file has {found}",
                    )
        return model
    if kind == "pairwise" and isinstance(settings.get("of"), dict) and len(shape) > 1:
        return Pairwise(rebuilt_model(path, settings["of"], shape[1:], task, tensors))
    if kind == "import":
        name = settings.get("path")
        if not isinstance(name, str) or not re.fullmatch(r"\w+(\.\w+)*:\w+", name):
            raise damaged(path, f'settings.model.path must be package.module:function; got "{excerpt(name)}"')
        raise Refusal(
            f"the run was trained with the model {name} of your own; name it again: "
            f"{option('model', name, of='ep.load')}."
        )
    raise Refusal(
        f"the run was trained with a model of your own ({excerpt(kind)}); give it: `ep.load(..., model=...)`."
    )


def predictions_file(folder: Path, part: str) -> Path:
    """The file with the predictions of a part, which is checked as part of the name."""
    if part not in _SCORED:
        raise Refusal(
            f'scores must be of {" or ".join(_SCORED)}; got "{excerpt(part)}". '
            "Save the run again with epochal."
        )
    return folder / f"predictions-{part}.parquet"
