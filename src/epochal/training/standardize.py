"""The default of standardization for each kind of data, and its notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from epochal.data import Dataset, first_missing
from epochal.data.images.pixel_arrays import in_fractions
from epochal.data.lazy import sampled
from epochal.data.streams.iterators import IteratorArray
from epochal.data.values.rounding import loses_differences
from epochal.errors import Refusal
from epochal.models import as_model, model_input_dtype, shapes_of
from epochal.models.initial import Initial
from epochal.runs.run_files import RUN, read_run
from epochal.settings import Settings
from epochal.training.shapes import parts_of_program


def standardized(settings: Settings, dataset: Dataset, model: Any) -> tuple[bool, bool, tuple[str, ...]]:
    """Whether inputs and regression targets are standardized, and notes.

    By default regression targets are. So are the inputs of tables and arrays; but not bytes and numbers from
    0 to 1 that look like images, tokens, samples of an object, arrays that the model reads as whole numbers,
    such as ids for an embedding, and arrays for initial parameters trained without standardization.
    """
    chosen, notes = _inputs(settings, dataset, model)
    if chosen and dataset.dtype == np.int32:
        raise Refusal("standardize must be False for tokens, which are no quantities; got True.")
    if not chosen and isinstance(dataset.inputs, np.ndarray) and first_missing(dataset.inputs) is not None:
        raise Refusal(
            "the inputs have missing values (NaN), which standardizing fills: leave out `standardize=False`."
        )
    targets = settings.standardize
    if dataset.task is None or not dataset.task.is_regression or isinstance(dataset.inputs, IteratorArray):
        targets = False
    elif targets is None:
        targets = dataset.encoder is not None or _before(settings.initial) is not False
    if targets and callable(settings.loss):
        notes += (
            "the loss sees standardized targets; `standardize=False` hands it targets and inputs as they "
            "are.",
        )
    return chosen, targets, (*notes, *_blurred(dataset, chosen, targets))


def _inputs(settings: Settings, dataset: Dataset, model: Any) -> tuple[bool, tuple[str, ...]]:
    arrays = dataset.encoder is None and dataset.dtype.kind == "f"
    if settings.standardize is not None or not (arrays and dataset.standardize):
        chosen = dataset.standardize if settings.standardize is None else settings.standardize
        pixels = arrays and settings.standardize is None and in_fractions(dataset.inputs)
        return chosen, (
            "the inputs look like images with pixels from 0 to 1, which stay as they are.",
        ) * pixels
    before = _before(settings.initial)
    if before is False:
        return False, (
            "the inputs are taken as they are, as those of the parameters to start from were; "
            "standardize=True scales them.",
        )
    if before is None and _reads_whole_numbers(model, dataset):
        return False, (
            "the model makes whole numbers of its inputs, so they are taken as they are, not standardized.",
        )
    each = "each channel" if len(dataset.continuous) > 1 else "all values together"
    each = "each column" if len(dataset.shape) == 1 else each
    return True, (
        f"the inputs are standardized, {each} to mean 0 and variance 1 over the training samples; "
        "`standardize=False` takes them as they are.",
    )


def _before(initial: Any) -> bool | None:
    """Whether the initial parameters were trained on standardized inputs; None if unknown."""
    path = initial.path if isinstance(initial, Initial) else initial
    if not isinstance(path, str | Path):
        return None
    place = Path(path).expanduser()
    if place.suffix.lower() in (".h5", ".hdf5", ".keras"):
        return False
    folder = place if place.is_dir() else place.parent
    if not (folder / RUN).is_file():
        return None
    return read_run(folder).get("settings", {}).get("standardize") is True


def _reads_whole_numbers(model: Any, dataset: Dataset) -> bool:
    """Whether a custom model casts its inputs to integers, which must not be scaled."""
    if type(model).__module__.startswith("epochal.") and not hasattr(model, "apply_function"):
        return False
    try:
        chosen = as_model(model, 1 if dataset.task is None else dataset.task.outputs)
        dtype = model_input_dtype(dataset.dtype)
        batch = jax.ShapeDtypeStruct((2, *dataset.shape), dtype)
        key = jax.eval_shape(lambda: jax.random.key(0))
        variables = shapes_of(chosen, dataset.shape, dataset.dtype)
        traced = jax.make_jaxpr(lambda v, x, k: chosen.apply(v, x, k, False)[0])(variables, batch, key)
    except Exception:
        return False  # errors are reported by the checks of the model
    return any(
        part.primitive.name == "convert_element_type"
        and np.issubdtype(part.params["new_dtype"], np.integer)
        and np.issubdtype(part.invars[0].aval.dtype, np.floating)
        for part in parts_of_program(traced)
        if not hasattr(part, "eqns")
    )


def _blurred(dataset: Dataset, inputs: bool, targets: bool) -> tuple[str, ...]:
    """A note on numbers whose differences float32 loses, if nothing scales them before."""
    names: list[str] = []
    if not inputs and dataset.dtype == np.float64:
        seen = dataset.inputs if isinstance(dataset.inputs, np.ndarray) else sampled(dataset.inputs, 1024)
        lost = np.flatnonzero(loses_differences(seen))
        flat = len(dataset.features) == seen.shape[-1]
        names += [f'"{dataset.features[at]}"' for at in lost] if flat else ["the inputs"]
    if not targets and dataset.targets is not None and dataset.targets.dtype == np.float64:
        numbers = dataset.targets.reshape(len(dataset.targets), -1)
        names += [f'the target "{dataset.target_name}"'] if loses_differences(numbers).any() else []
    if not names:
        return ()
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    lose = "lose" if len(names) > 1 else "loses"
    return (
        f"without standardizing, {shown} {lose} digits that tell values apart (float32 has 7): leave "
        "out `standardize=False`.",
    )
