"""The data set of a ranked table: its samples are pairs of items."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import register_call
from epochal.common.text import counted
from epochal.data.arrays.arrays import inputs_of_array
from epochal.data.columns import ColumnReference, called, has_header, resolve, resolve_all
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.npy import ARRAY_SUFFIXES
from epochal.data.files.read import existing
from epochal.data.files.reading import Reading
from epochal.data.recipe import Recipe, option_types
from epochal.data.records import Damaged
from epochal.data.source import DataSource, TrainingContext, chosen
from epochal.data.tables.frames import is_frame, named_table
from epochal.data.tables.new_rows import new_rows, read_new
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import TableBased, TableEncoder
from epochal.data.tables.table import dataset_of_table
from epochal.data.task import Task
from epochal.errors import Refusal
from epochal.plan.permutation import permute

BEST = ("lowest", "highest")
"""The best target: the lowest of ranks, or the highest of scores."""
PAIR_STREAM = 2**62
"""The first permutation stream for the pairs of large groups, one per group, after those of epochs."""

Int64s = NDArray[np.int64]

_TASK = Task("binary", ("behind", "ahead"))
"""Class of the first item of a pair."""


@dataclass(frozen=True)
class Pairing:
    """Options for making pairs, as `load_rank_pairs` describes them."""

    best: str = "lowest"
    max_pairs: int | None = None
    per_group: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        best, most = self.best, self.max_pairs
        if best not in BEST:
            raise Refusal(f'best must be "lowest" (ranks) or "highest" (scores); got {best!r}.')
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise Refusal(f"max_pairs must be a whole number of pairs of a group, at least 1; got {most!r}.")


@dataclass(frozen=True)
class PairEncoder(TableBased):
    """The encoder of pairs: `table` encodes one row, `by` names the group column."""

    kind: ClassVar[str] = "pairs"
    loader: ClassVar[str] = "ep.load_rank_pairs"

    group_column: str
    pairing: Pairing

    def check(self) -> None:
        if self.group_column not in self.table.names:
            raise Damaged("what tells groups apart must be a column")


@register_call("ep.load_rank_pairs")
def load_rank_pairs(
    source: Any,
    *,
    by: Any,
    target: ColumnReference | None = None,
    best: str = "lowest",
    max_pairs: int | None = None,
    per_group: bool = True,
    seed: int = 0,
    keep: Sequence[ColumnReference] = (),
    drop: Sequence[ColumnReference] = (),
    categorical: Sequence[ColumnReference] = (),
    numeric: Sequence[ColumnReference] = (),
    decimal: str | None = None,
    date_format: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
) -> Dataset:
    """Pairs of ranked items as samples for `Pairwise`: horses of a race, documents of a query.

    Each pair of items of a group with different targets becomes two opposite samples, (ahead, behind) with
    the target 1 and (behind, ahead) with 0, one after the other; equal targets make no pair. Inputs are
    `(samples, 2, features)`. `fit` splits them by whole groups, so that no item is seen both in training and
    in validation, and all repeats share that split.

    Args:
        source: a path, "example:NAME", a data frame, or arrays `(inputs, targets)`, NaN where a target is
            missing.
        by: the column whose values name the groups; for arrays one value for each item.
        target: the column with ranks or scores, by name or number from 1; the last one by default.
        best: "lowest" for ranks, "highest" for scores.
        max_pairs: pairs of one group, at most, drawn by `seed`. n items make up to n (n - 1) / 2.
        per_group: whether every group has the same total weight.
        seed: of the random pairs.
        keep, drop, categorical, numeric, decimal, date_format: as for `load_data`.
        header, delimiter, missing, encoding, skip_rows, comment, sheet: as for `load_data`.

    Raises:
        Refusal: no pair, a column that is not there, ranks that are no numbers.

    >>> pairs = load_rank_pairs(([[1.0], [2.0], [3.0], [9.0]], [1, 2, 3, 1]), by=["a", "a", "a", "b"])
    >>> pairs.inputs[:2, :, 0].tolist(), pairs.targets[:2].tolist(), pairs.samples
    ([[1.0, 2.0], [2.0, 1.0]], [1, 0], 6)
    >>> pairs.notes
    ('1 group of one item makes no pair.', '3 pairs of 1 group, each as two opposite samples.')
    """
    arguments = locals().copy()
    reading = chosen(Reading, arguments)
    pairing = chosen(Pairing, arguments)
    if isinstance(source, (tuple, list)) and len(source) == 2 and not is_frame(source[0]):
        items, groups = _of_arrays(source[0], source[1], by)
        return _dataset(None, pairing, items, groups)
    if isinstance(source, str | Path) and Path(source).suffix.lower() in ARRAY_SUFFIXES:
        name = existing(source).name
        raise Refusal(f"pairs are made of a table; {name} has no named columns: give (inputs, ranks).")
    unused = functools.partial(resolve_all, drop, role="drop")
    if (read := named_table(source, reading, drop=unused)) is None:
        raise Refusal(
            f"load_rank_pairs needs a path, a data frame or (inputs, ranks); got {type(source).__name__}."
        )
    table, names = read.table, tuple(read.table.column_names)
    at = resolve(by, names, "ep.load_rank_pairs(..., by=...)")
    target_at = len(names) - 1 if target is None else resolve(target, names, "target")
    if at == target_at:
        raise Refusal(f"by must be another column than the target; got {called(names, at)} for both.")
    given = {**arguments, "target": target_at + 1, "task": "regression", "drop": (*drop, at + 1)}
    options = chosen(TableOptions, given)
    items = dataset_of_table(table, options, read.name, read.notes, header=has_header(names))
    groups = _groups_of(table.column(at))[0][items.row_numbers - 1]
    assert isinstance(items.encoder, TableEncoder)
    roles = (called(names, at), f"target {called(names, target_at)}")
    others = tuple(note for note in items.raw_notes if not note.startswith(roles))
    encoder = PairEncoder(replace(items.encoder, na_values=reading.na_values), names[at], pairing)
    found = _dataset(encoder, pairing, replace(items, raw_notes=others), groups)
    return replace(found, recipe=Recipe.of("load_rank_pairs", RANKINGS.options, source, arguments))


def items_of(
    encoder: PairEncoder, source: Any, reading: Reading
) -> tuple[Dataset, NDArray[np.int64] | None, list[str]]:
    """The rows of a new table as items; with groups, their ids (-1: none) and names."""
    read = read_new(encoder.table, source, reading, [encoder.group_column])
    found = new_rows(replace(read, notes=()), encoder.table)
    notes = tuple(note for note in found.raw_notes if f'"{encoder.group_column}"' not in note)
    found = replace(found, raw_notes=(*read.notes, *notes))
    if encoder.group_column not in read.table.column_names:
        return found, None, []
    return found, *_groups_of(read.table.column(encoder.group_column))


def new_pairs(encoder: PairEncoder, source: Any, context: TrainingContext) -> Dataset:
    """The pairs of a new table with ranks and groups."""
    found, groups, _ = items_of(encoder, source, context.reading)
    if groups is None:
        raise Refusal(f'{found.source} must have a column "{encoder.group_column}", whose groups are ranked.')
    if found.targets is None:
        raise Refusal(
            f'{found.source} must have the column "{encoder.table.target_name}" with all its ranks.'
        )
    return _dataset(encoder, encoder.pairing, found, groups)


def _dataset(
    encoder: PairEncoder | None, pairing: Pairing, items: Dataset, groups: NDArray[np.int64]
) -> Dataset:
    by = "group" if encoder is None else encoder.group_column
    assert items.targets is not None
    targets = items.targets.astype(np.float64)
    found = pairs_of(targets, groups, pairing, (items.target_name or "rank", by))
    both = np.stack([found.ahead, found.behind], axis=1)
    index = np.stack([both, both[:, ::-1]], axis=1).reshape(-1, 2)
    weights = np.repeat(found.weights, 2).astype(np.float32) if pairing.per_group else None
    labels = np.tile(np.array([1, 0], np.int32), len(found.ahead))
    with_pairs, of_pair = np.unique(found.group, return_inverse=True)
    best = f'the {pairing.best} "{items.target_name}" is ahead (`ep.load_rank_pairs(..., best=...)`)'
    note = (
        f"{counted(len(found.ahead), 'pair')} of {counted_groups(len(with_pairs), by)}, each as two "
        f"opposite samples{f'; {best}' if items.target_name else ''}."
    )
    return replace(
        items,
        inputs=items.inputs[index],
        targets=labels,
        task=_TASK,
        features=(),
        encoder=encoder,
        raw_notes=(*items.raw_notes, *found.notes, note),
        row_numbers=items.row_numbers[index[:, 0]],
        sample_weight=weights,
        groups=np.repeat(of_pair, 2),
        fingerprint=fingerprint((by, items.fingerprint), index, labels, weights),
    )


def _of_arrays(inputs: Any, targets: Any, by: Any) -> tuple[Dataset, NDArray[np.int64]]:
    values = inputs_of_array(np.asarray(inputs))
    try:
        ranks = np.asarray(targets, np.float64)
    except (TypeError, ValueError) as error:
        raise Refusal(f"ranks must be numbers; got {np.asarray(targets).dtype}.") from error
    for name, shape in (("ranks", ranks.shape), ("by", np.shape(np.asarray(by, object)))):
        if shape != (len(values),):
            raise Refusal(f"{name} must have one value for each of the {len(values):,} items; got {shape}.")
    if np.isinf(ranks).any():
        raise Refusal("ranks must be finite, or NaN where there is none; got an infinite one.")
    groups, _ = _groups_of(pa.chunked_array([pa.array(np.asarray(by), from_pandas=True)]))
    width = values.shape[-1] if values.ndim == 2 else 1
    items = Dataset(
        inputs=values,
        targets=ranks,
        task=None,
        continuous=np.ones(width, bool),
        source="arrays",
        row_numbers=np.arange(1, len(values) + 1, dtype=np.int64),
        fingerprint=fingerprint((), values, ranks),
    )
    return items, groups


def _groups_of(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """Group ids in the order of first appearance, -1 for none, and their names."""
    coded = pc.dictionary_encode(column.combine_chunks())
    numbers = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers, [str(name) for name in coded.dictionary.to_pylist()]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of items of one group with different targets.

    Args:
        ahead: (pairs,) the item with the better target.
        behind: (pairs,) the other.
        group: (pairs,) the group of both.
        weights: (pairs,) 1 / the number of pairs of its group.
        notes: what was left out, a sentence each.
    """

    ahead: Int64s
    behind: Int64s
    group: Int64s
    weights: NDArray[np.float64]
    notes: tuple[str, ...]


def pairs_of(
    targets: NDArray[np.float64], groups: Int64s, pairing: Pairing, names: Sequence[str] = ("rank", "group")
) -> Pairs:
    """All pairs of items of a group with different targets, or a random subset.

    Args:
        targets: (n,) ranks or scores; NaN where there is none.
        groups: (n,) whole numbers from 0; -1 where there is none.
        names: of targets and groups in sentences.

    >>> found = pairs_of(np.array([1.0, 2, 2, 1, 5]), np.array([0, 0, 0, 1, 1]), Pairing())
    >>> list(zip(found.ahead.tolist(), found.behind.tolist()))
    [(0, 1), (0, 2), (3, 4)]
    >>> found.weights.tolist(), found.notes
    ([0.5, 0.5, 1.0], ('1 pair of equal rank is left out.',))
    """
    most = pairing.max_pairs
    known = np.flatnonzero(np.isfinite(targets) & (groups >= 0))
    worth = targets[known] if pairing.best == "lowest" else -targets[known]
    order, begin, better = ranked(worth, groups[known])
    items, group = known[order], groups[known][order]
    ends = np.cumsum(better)  # pairs of all groups are numbered consecutively
    first = np.unique(begin)
    sizes = np.diff(np.append(first, len(items)))
    counts = np.add.reduceat(better, first) if len(first) else np.zeros(0, np.int64)
    notes = _notes(len(targets) - len(known), sizes, counts, names)
    if not counts.sum():
        raise Refusal(
            f"a ranking must have a group with two items of different {names[0]}; got none among "
            f"{len(targets):,} items in {counted_groups(len(first), names[1])}."
        )
    used = counts if most is None else np.minimum(counts, most)
    begins, before = np.cumsum(used) - used, np.cumsum(counts) - counts
    numbers = np.arange(int(used.sum())) + np.repeat(before - begins, used)
    for large in np.flatnonzero(used < counts):
        total, taken = int(counts[large]), int(used[large])
        drawn = permute(pairing.seed, PAIR_STREAM + int(group[first[large]]), total, np.arange(taken))
        numbers[begins[large] : begins[large] + taken] = before[large] + np.sort(drawn)
    second = np.searchsorted(ends, numbers, side="right")
    ahead = begin[second] + numbers - (ends[second] - better[second])
    if (used < counts).any():
        notes.append(f"{used.sum():,} of {counts.sum():,} pairs are drawn, at most {most:,} of one group.")
    weights = np.repeat(1 / np.maximum(used, 1), used)
    return Pairs(items[ahead], items[second], group[second], weights, tuple(notes))


def ranked(worth: NDArray[np.float64], groups: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """The order of items by group and, lowest first, by worth; for each place of it two numbers.

    They are the place where its group begins, and the items of the group that are ahead of it.

    >>> [one.tolist() for one in ranked(np.array([5.0, 2, 1, 1, 4]), np.array([1, 0, 0, 0, 1]))]
    [[2, 3, 1, 4, 0], [0, 0, 0, 3, 3], [0, 0, 2, 0, 1]]
    """
    order = np.lexsort((worth, groups))
    group, worth, at = groups[order], worth[order], np.arange(len(order))
    opens = np.append(True, group[1:] != group[:-1])[: len(order)]
    differs = opens | np.append(True, worth[1:] != worth[:-1])[: len(order)]
    begin = np.maximum.accumulate(np.where(opens, at, 0))
    return order, begin, np.maximum.accumulate(np.where(differs, at, 0)) - begin


def _notes(unknown: int, sizes: Int64s, counts: Int64s, names: Sequence[str]) -> list[str]:
    rank, group = names
    notes: list[str] = []
    if unknown:
        have = counted(unknown, "item has", "items have")
        notes.append(f"{have} no {rank} or no {group}: left out.")
    if single := int((sizes == 1).sum()):
        makes = "makes" if single == 1 else "make"
        notes.append(f"{counted_groups(single, group)} of one item {makes} no pair.")
    if ties := int((sizes * (sizes - 1) // 2).sum() - counts.sum()):
        are = counted(ties, f"pair of equal {rank} is", f"pairs of equal {rank} are")
        notes.append(f"{are} left out.")
    return notes


def counted_groups(count: int, name: str) -> str:
    """So many groups; the plural of their column's name is not known."""
    return counted(count, "group") + ("" if name == "group" else f' of "{name}"')


RANKINGS = DataSource(
    load=lambda source, arguments, progress: load_rank_pairs(source, **arguments),
    options={**option_types(load_rank_pairs), "by": ColumnReference},
    reader="load_rank_pairs",
    encoder=PairEncoder,
    transform=new_pairs,
)
