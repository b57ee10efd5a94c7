"""Ranking of items by a trained scorer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.data import PairEncoder, encode_new
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.rankings.ranking import items_of
from epochal.errors import Refusal
from epochal.models import Pairwise
from epochal.runs.predict import (
    block_rows,
    blocks,
    check_parameters,
    compiled_forward,
    inputs_beside,
    padded_call,
    pointed,
    spread_of,
)
from epochal.runs.prediction import Ranking
from epochal.runs.record import Run


def rank(
    run: Run,
    data: Any,
    *,
    by: ArrayLike | None = None,
    parameters: str = "best",
    reading: Reading = AS_FOUND,
    with_inputs: bool = False,
    id: Any = (),
) -> Ranking:
    """See `Run.rank`; `reading` has the file options."""
    check_parameters(parameters)
    if not isinstance(run.model, Pairwise):
        raise Refusal(
            "only a Pairwise model scores items: train ep.Pairwise(ep.MLP(64, 64)) on ep.rank_pairs(...)."
        )
    groups: NDArray[np.int64] | None = None
    names, column = list[str](), "group"
    if isinstance(run.encoder, PairEncoder):
        items, groups, names = items_of(run.encoder, data, reading)
        column = run.encoder.by
    else:
        shape = tuple(run.data["shape"])[1:]
        items = encode_new(None, data, task=run.task, shape=shape, dtype=run.data["dtype"])
    if by is not None:
        labels, groups = np.unique(np.asarray(by).astype(str), return_inverse=True)
        names = labels.tolist()
        if groups.shape != (items.samples,):
            raise Refusal(
                f"by must have one value for each of the {items.samples:,} items; got {groups.shape}."
            )
    call, most = compiled_forward(run, run.model.model), block_rows(run.model.model, items.sample_bytes)
    scores = []
    for fitted in run.fitted:
        inputs = items.inputs if fitted.scaling is None else fitted.scaling.apply(items.inputs)
        each = blocks(np.arange(items.samples), most)
        found = [padded_call(call, getattr(fitted, parameters), inputs[block], most) for block in each]
        scores.append(np.concatenate(found).reshape(-1))
    own = np.zeros(items.samples, np.int64) if groups is None else groups
    sizes = np.maximum(np.bincount(own + 1), 1)
    per_repeat = np.stack([each - (np.bincount(own + 1, weights=each) / sizes)[own + 1] for each in scores])
    mean, spread = per_repeat.mean(axis=0), spread_of(per_repeat)
    named = None if groups is None else np.asarray([*names, ""], object)[groups]
    notes = [note for note in items.noticed if not note.endswith("the targets are not used.")]
    beside = inputs_beside(data, items.samples, with_inputs, id, None, reading)
    notes += pointed(beside)
    return Ranking(mean, spread, per_repeat, _places(mean, own), named, column, tuple(notes), beside)


def _places(scores: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places within groups, the highest score first.

    >>> _places(np.array([0.5, 2.0, 0.5, 1.0, 3.0]), np.array([0, 0, 0, 0, 1])).tolist()
    [3, 1, 3, 2, 1]
    """
    order = np.lexsort((-scores, groups))
    at = np.arange(len(order))
    opens = np.append(True, np.diff(groups[order]) != 0)[: len(order)]
    differs = opens | np.append(True, np.diff(scores[order]) != 0)[: len(order)]
    begin = np.maximum.accumulate(np.where(opens, at, 0))
    places = np.empty(len(order), np.int64)
    places[order] = np.maximum.accumulate(np.where(differs, at, 0)) - begin + 1
    return places
