"""Ranking of items by a trained scorer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.common.faces import of_new_data
from epochal.data import PairEncoder, encode_new
from epochal.data.files.reading import AS_FOUND, Reading
from epochal.data.rankings.ranking import items_of
from epochal.errors import Refusal
from epochal.models import Pairwise
from epochal.runs.blocks import block_rows, blocks, padded_call
from epochal.runs.csv_file import write_table
from epochal.runs.predict import compiled_forward, inputs_beside, pointed
from epochal.runs.prediction import table_beside

if TYPE_CHECKING:
    from epochal.runs.record import Run

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Items with their scores and places.

    Args:
        scores: (n,) the mean over repeats; the difference of two items of a group is the logit that the first
            is ahead. Only differences matter, so each group's mean is 0.
        spread: (n,) their standard deviation over repeats; NaN with one repeat.
        per_repeat: (repeats, n).
        places: (n,) the place of each item in its group by its score, from 1; equal scores share the best.
        groups: (n,) the group of each item by name, "" for none; None if the data names no groups, so
            that all items are ranked together.
        by: the name of the group column.
        noticed: notes on the data, with options as code; `notes` has them as shown.
        inputs: an Arrow table with requested columns of the source.
    """

    scores: NDArray[np.float64]
    spread: NDArray[np.float64]
    per_repeat: NDArray[np.float64]
    places: NDArray[np.int64]
    groups: NDArray[Any] | None
    by: str
    noticed: tuple[str, ...] = ()
    inputs: Any = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the data, one sentence each."""
        return tuple(map(of_new_data, self.noticed))

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        repeats = len(self.per_repeat)
        return f"Ranking({len(self)} items, the mean of {repeats} repeat{'s' if repeats > 1 else ''})"

    def to_arrow(self) -> Any:
        """A table with one row an item: its row in the data, its group, place, score and spread."""
        import pyarrow as pa

        rows = {"row": pa.array(range(1, len(self) + 1), pa.int64())}
        columns: dict[str, Any] = {}
        if self.groups is not None:
            columns[self.by] = pa.array(self.groups.tolist(), pa.string())
        columns |= {"place": self.places, "score": np.round(self.scores, 6)}
        if len(self.per_repeat) > 1:
            columns["sd of score"] = np.round(self.spread, 6)
        return table_beside(rows, self.inputs, columns)

    def to_dict(self) -> dict[str, Any]:
        """Rows (as in `to_arrow`) and notes as JSON."""
        return {"rows": self.to_arrow().to_pylist(), "notes": list(self.notes)}

    def write(self, path: str | Path, guard_formulas: bool = False) -> Path:
        """Write CSV, or Parquet if the name ends so.

        With `guard_formulas`, a single quote is put before each text cell or column name that a spreadsheet
        would run as a formula: those that begin with = + - @, tab or line break. Numbers are unchanged.
        """
        return write_table(self.to_arrow(), path, guard_formulas)


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
    if parameters not in ("best", "last"):
        raise Refusal(f'`parameters` must be "best" or "last"; got "{parameters}".')
    if not isinstance(run.model, Pairwise):
        raise Refusal(
            "only a Pairwise model scores items: train ep.Pairwise(ep.MLP(64, 64)) on ep.rank_pairs(...)."
        )
    groups: NDArray[np.int64] | None = None
    names: list[str] = []
    if isinstance(run.encoder, PairEncoder):
        items, groups, names = items_of(run.encoder, data, reading)
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
    call = compiled_forward(run, run.model.model)
    scores = []
    most = block_rows(run.model.model, items.sample_bytes)
    for fitted in run.fitted:
        inputs = items.inputs if fitted.scaling is None else fitted.scaling.apply(items.inputs)
        variables = getattr(fitted, parameters)
        found = [
            padded_call(call, variables, inputs[block], most)
            for block in blocks(np.arange(items.samples), most)
        ]
        scores.append(np.concatenate(found).reshape(-1))
    own = np.zeros(items.samples, np.int64) if groups is None else groups
    per_repeat = np.stack([each - _mean_of_group(each, own) for each in scores])
    mean = per_repeat.mean(axis=0)
    spread = per_repeat.std(axis=0, ddof=1) if len(scores) > 1 else np.full(len(mean), np.nan)
    named = None if groups is None else np.asarray([*names, ""], object)[groups]
    name = run.encoder.by if isinstance(run.encoder, PairEncoder) else "group"
    notes = tuple(note for note in items.noticed if not note.endswith("the targets are not used."))
    beside = inputs_beside(data, items.samples, with_inputs, id, None, reading)
    return Ranking(
        mean, spread, per_repeat, _places(mean, own), named, name, (*notes, *pointed(beside)), beside
    )


def _mean_of_group(scores: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.bincount(groups + 1)
    means: NDArray[np.float64] = np.bincount(groups + 1, weights=scores) / np.maximum(counts, 1)
    return means[groups + 1]


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
