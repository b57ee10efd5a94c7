"""Columns of a new table matched to those of the training table, by name or by count."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from epochal.common.faces import option
from epochal.common.printable import shortlist
from epochal.data.columns import default_name, plain_name, reference
from epochal.data.tables.frames import ROLES
from epochal.data.tables.schema import Column, Encoder
from epochal.errors import Refusal


def match_columns(
    encoder: Encoder, names: Sequence[str], beside: frozenset[str] = frozenset()
) -> tuple[list[int], int | None, int | None, list[str]]:
    """Indices of the inputs, the target and the weights in the new table, and notes on ignored columns."""
    notes: list[str] = []
    if list(names) == [default_name(index) for index in range(len(names))]:
        at = _by_count(encoder, len(names), beside)
        if at is None and not encoder.header:
            raise _wrong_count(encoder, len(names), beside)
        if at is not None:
            notes = ["columns are matched by position, having no names."] if encoder.header else []
            return _positions(encoder, at, notes)
    names, notes = _as_trained(encoder, names)
    lacking = [column for column in encoder.columns if column.name not in names]
    if lacking:
        raise _lacking(encoder, lacking, names)
    if extra := [name for name in names if name not in encoder.names]:
        which = f"column {shortlist(extra)} was" if len(extra) == 1 else f"columns {shortlist(extra)} were"
        notes.append(f"{which} not in the training table: ignored.")
    trained = {name: index for index, name in enumerate(encoder.names)}
    found = enumerate(names)
    return _positions(encoder, {trained[name]: at for at, name in found if name in trained}, notes)


def _positions(
    encoder: Encoder, at: Mapping[int | None, int], notes: list[str]
) -> tuple[list[int], int | None, int | None, list[str]]:
    inputs = [at[column.index] for column in encoder.columns]
    return inputs, at.get(encoder.target), at.get(encoder.weight), notes


def _as_trained(encoder: Encoder, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names as in the training table, if only capitals or blanks differ, with a note."""
    written: dict[str, list[str]] = {}
    for name in set(encoder.names) - set(names):
        written.setdefault(plain_name(name), []).append(name)
    found: list[str] = []
    changed: list[str] = []
    for name in names:
        meant = written.get(plain_name(name), []) if name not in encoder.names else []
        if len(meant) == 1:
            found.append(meant.pop())
            changed.append(f'"{name}" for "{found[-1]}"')
        else:
            found.append(name)
    if not changed:
        return found, []
    which = "1 column name differs" if len(changed) == 1 else f"{len(changed):,} column names differ"
    shown = shortlist(changed, 3, quote="")
    return found, [f"{which} from the training table's in capitals or blanks only ({shown}): matched."]


def _by_count(encoder: Encoder, count: int, beside: frozenset[str]) -> Mapping[int | None, int] | None:
    """Positions of training columns in a table without names: all, or without the target, or the weights."""
    for left_out in _left_out(encoder, beside):
        present = [index for index in range(len(encoder.names)) if index not in left_out]
        if len(present) == count:
            return {index: position for position, index in enumerate(present)}
    return None


def _left_out(encoder: Encoder, beside: frozenset[str]) -> list[set[int | None]]:
    """Training columns that a new table without names may lack, likeliest first."""
    roles = zip(ROLES, (encoder.target, encoder.weight), strict=True)
    given = {index for role, index in roles if role in beside}
    return [given, given | {encoder.target}, given | {encoder.target, encoder.weight}]


def _wrong_count(encoder: Encoder, count: int, beside: frozenset[str]) -> Refusal:
    full = len(encoder.names) - len(_left_out(encoder, beside)[0] - {None})
    bound = f"{full:,} columns"
    if encoder.target is not None:
        bound += " beside the target" if "target" in beside else f", or {full - 1:,} without the target,"
    return Refusal(f"the new table must have {bound} as the training table had; got {count:,}.")


def _lacking(encoder: Encoder, lacking: Sequence[Column], names: Sequence[str]) -> Refusal:
    shown = ", ".join(f'"{column.name}"' for column in lacking[:5])
    more = f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
    others = [name for name in names if name not in encoder.names]
    near = difflib.get_close_matches(lacking[0].name, others, n=1, cutoff=0.6)
    them = "it" if len(lacking) == 1 else "them"
    drop = option("drop", [reference(encoder.names, one.index) for one in lacking])
    if near:
        hint = f'Is "{near[0]}" the first of them? Rename it.'
    elif encoder.task is None:
        hint = f"Add {them}: a series is predicted from all the columns that it was trained on."
    else:
        hint = f"Add {them}, or train anew without {them}, with {drop}."
    return Refusal(
        f"the new table must have the {len(encoder.columns):,} input columns of the training table; "
        f"it lacks {shown}{more}. {hint}"
    )


def refuse_other_table(encoder: Encoder, names: Sequence[str], source: str) -> None:
    """Refuse a table whose header has no name of the training table.

    The first row of a file without a header may look like one; then its cells fit the columns.
    """
    trained = list(range(len(encoder.names)))
    if len(names) == len(trained) - 1:
        trained = [index for index in trained if index != encoder.target]
    if len(names) != len(trained):
        return
    numeric = {column.index for column in encoder.columns if column.kind == "numeric"}
    cells = [name for name, index in zip(names, trained, strict=True) if index in numeric]
    if not cells or any(cell[:1].isdigit() or cell[-1:].isdigit() for cell in cells):
        return
    raise Refusal(
        f"{source} must have the {len(encoder.columns):,} input columns of the training table "
        f"({shortlist(column.name for column in encoder.columns)}); it has none of them, but "
        f"{shortlist(names)}. Give the table that belongs to this run, or rename its columns."
    )
