"""Labels of new samples matched to the training classes: other spellings, unseen labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.data.tables.encode import as_text
from epochal.data.task import Task

UNKNOWN = -1
"""The class id of a label unseen in training."""
_NO, _YES = ("0", "false", "no", "f", "n"), ("1", "true", "yes", "t", "y")


def known_ids(column: pa.ChunkedArray, task: Task, said: str) -> tuple[NDArray[np.int32], list[str]]:
    """Class ids `(n,)` of the labels of new samples, -1 for unseen ones, with notes.

    `true` is understood as 1, `1.0` as 1 and `Yes` as yes, unless ambiguous.
    """
    words = as_text(column)
    found = pc.index_in(words, value_set=pa.array(task.classes, pa.string()))
    ids: NDArray[np.int32] = np.asarray(found.fill_null(UNKNOWN).to_numpy()).astype(np.int32)
    if not found.null_count:
        return ids, []
    others = pc.value_counts(words.filter(pc.is_null(found)))
    counts = dict(zip(others.field("values").to_pylist(), others.field("counts").to_pylist(), strict=True))
    same = spellings(tuple(counts), task.classes)
    notes = []
    if same:
        places = pc.index_in(words, value_set=pa.array(list(same), pa.string()))
        meant = np.array([task.classes.index(name) for name in same.values()], np.int32)
        there = np.asarray(pc.is_valid(places).to_numpy())
        ids[there] = meant[np.asarray(places.fill_null(0).to_numpy())[there]]
        shown = ", ".join(f'"{word}" as "{name}"' for word, name in list(same.items())[:5])
        more = ", …" if len(same) > 5 else ""
        notes.append(f"labels of {said} are other spellings of classes, and read so: {shown}{more}.")
    left = {word: count for word, count in counts.items() if word not in same}
    if left:
        shown = ", ".join(f'"{word}"' for word in list(left)[:5]) + (", …" if len(left) > 5 else "")
        rows = sum(left.values())
        training = ", ".join(f'"{name}"' for name in task.classes[:5]) + (
            ", …" if len(task.classes) > 5 else ""
        )
        label = "the label" if len(left) == 1 else f"{len(left):,} labels"
        notes.append(
            f"{said} has {label} {shown} in {rows:,} of {len(words):,} rows, which training did not have "
            f"(it had {training}): they count in no figure."
        )
    return ids, notes


def spellings(words: tuple[str, ...], classes: tuple[str, ...]) -> Mapping[str, str]:
    """Classes of words in another spelling, without unknown and ambiguous words.

    >>> spellings(("1.0", "2.5"), ("0", "1")), spellings(("True", "False"), ("0", "1"))
    ({'1.0': '1'}, {'True': '1', 'False': '0'})
    >>> spellings(("YES", "maybe"), ("no", "yes")), spellings(("<=50K.",), ("<=50K", ">50K"))
    ({'YES': 'yes'}, {})
    """
    plain = _by(_plain, classes)
    found = {word: plain[_plain(word)] for word in words if _plain(word) in plain}
    truth = _by(_truth, classes)
    if len(classes) == 2 and set(truth) == {"0", "1"}:
        found |= {word: truth[_truth(word)] for word in words if word not in found and _truth(word) in truth}
    return found


def _by(spelled: Callable[[str], str], classes: tuple[str, ...]) -> dict[str, str]:
    """The class of each spelling, without ambiguous ones."""
    each = [spelled(name) for name in classes]
    return {word: name for word, name in zip(each, classes, strict=True) if each.count(word) == 1}


def _plain(word: str) -> str:
    """A label without differences of case, blanks or number format."""
    bare = " ".join(word.split()).casefold()
    try:
        number = float(bare)
    except ValueError:
        return bare
    return str(as_text(pa.array([number]))[0].as_py())


def _truth(word: str) -> str:
    """0 or 1 for words such as no and yes, otherwise the word."""
    plain = _plain(word)
    return "0" if plain in _NO else "1" if plain in _YES else plain
