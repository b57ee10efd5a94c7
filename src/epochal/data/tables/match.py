"""Columns of a new table matched to those of the training table, by name or by count."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from epochal.common.faces import option
from epochal.data.columns import default_name, plain_name, reference
from epochal.data.tables.frames import ROLES
from epochal.data.tables.schema import Column, Encoder
from epochal.errors import Refusal


def match_columns(
    encoder: Encoder, names: Sequence[str], beside: frozenset[str] = frozenset()
) -> tuple[list[int], int | None, int | None, list[str]]:
    """Indices of the inputs, the target and the weights in the new table, and notes on ignored columns."""
    numbered = list(names) == [default_name(index) for index in range(len(names))]
    if numbered:
        found = _match_by_count(encoder, len(names), beside)
        if found is not None:
            return found
        if not encoder.header:
            _refuse_count(encoder, len(names), beside)
    names, matched = _as_trained(encoder, names)
    at = {name: index for index, name in enumerate(names)}
    lacking = [column for column in encoder.columns if column.name not in at]
    if lacking:
        _refuse_lacking(encoder, lacking, names)
    target, weight = (
        None if index is None else at.get(encoder.names[index]) for index in (encoder.target, encoder.weight)
    )
    extra = [name for name in names if name not in encoder.names]
    said = matched
    if extra:
        shown = ", ".join(f'"{name}"' for name in extra[:5]) + (", …" if len(extra) > 5 else "")
        which = f"column {shown} was" if len(extra) == 1 else f"columns {shown} were"
        said.append(f"{which} not in the training table: ignored.")
    return [at[column.name] for column in encoder.columns], target, weight, said


def _as_trained(encoder: Encoder, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names as in the training table, if only capitals or blanks differ, with a note."""
    lacking = set(encoder.names) - set(names)
    written: dict[str, list[str]] = {}
    for name in lacking:
        written.setdefault(plain_name(name), []).append(name)
    found: list[str] = []
    changed: list[tuple[str, str]] = []
    for name in names:
        meant = written.get(plain_name(name), []) if name not in encoder.names else []
        if len(meant) == 1:
            changed.append((name, meant.pop()))
            found.append(changed[-1][1])
        else:
            found.append(name)
    if not changed:
        return found, []
    which = "1 column name differs" if len(changed) == 1 else f"{len(changed):,} column names differ"
    shown = ", ".join(f'"{new}" for "{old}"' for new, old in changed[:3]) + (", …" if changed[3:] else "")
    return found, [f"{which} from the training table's in capitals or blanks only ({shown}): matched."]


def _match_by_count(
    encoder: Encoder, count: int, beside: frozenset[str]
) -> tuple[list[int], int | None, int | None, list[str]] | None:
    """`match_columns` for columns without names: all, or without the target, or the weights as well."""
    said = ["columns are matched by position, having no names."] if encoder.header else []
    for left_out in _left_out(encoder, beside):
        kept = [index for index in range(len(encoder.names)) if index not in left_out]
        if len(kept) == count:
            at = {index: position for position, index in enumerate(kept)}
            target, weight = (None if i is None else at.get(i) for i in (encoder.target, encoder.weight))
            return [at[column.index] for column in encoder.columns], target, weight, said
    return None


def _left_out(encoder: Encoder, beside: frozenset[str]) -> list[set[int | None]]:
    """Training columns that a new table without names may lack, likeliest first."""
    given = {
        index for role, index in zip(ROLES, (encoder.target, encoder.weight), strict=True) if role in beside
    }
    return [given, given | {encoder.target}, given | {encoder.target, encoder.weight}]


def _refuse_count(encoder: Encoder, count: int, beside: frozenset[str]) -> None:
    full = len(encoder.names) - len(_left_out(encoder, beside)[0] - {None})
    bound = f"{full:,} columns"
    if encoder.target is not None:
        bound += " beside the target" if "target" in beside else f", or {full - 1:,} without the target,"
    raise Refusal(f"the new table must have {bound} as the training table had; got {count:,}.")


def _refuse_lacking(encoder: Encoder, lacking: Sequence[Column], names: Sequence[str]) -> None:
    shown = ", ".join(f'"{column.name}"' for column in lacking[:5])
    more = f" and {len(lacking) - 5:,} more" if len(lacking) > 5 else ""
    others = [name for name in names if name not in encoder.names]
    near = difflib.get_close_matches(lacking[0].name, others, n=1, cutoff=0.6)
    them = "it" if len(lacking) == 1 else "them"
    drop = option("drop", [reference(encoder.names, one.index) for one in lacking])
    hint = (
        f' Is "{near[0]}" the first of them? Rename it.'
        if near
        else f" Add {them}: a series is predicted from all the columns that it was trained on."
        if encoder.task is None
        else f" Add {them}, or train anew without {them}, with {drop}."
    )
    raise Refusal(
        f"the new table must have the {len(encoder.columns):,} input columns of the training table; "
        f"it lacks {shown}{more}.{hint}"
    )


def refuse_other_table(encoder: Encoder, names: Sequence[str], source: str) -> None:
    """Refuse a table whose header has no name of the training table.

    The first row of a file without a header may look like one; then its cells fit the columns.
    """
    numbers = [column.index for column in encoder.columns if column.kind == "numeric"]
    without = [index for index in range(len(encoder.names)) if index != encoder.target]
    if len(names) == len(encoder.names):
        cells = {index: names[index] for index in numbers}
    elif len(names) == len(without):
        cells = {index: names[without.index(index)] for index in numbers}
    else:
        return
    if not cells or any(cell[:1].isdigit() or cell[-1:].isdigit() for cell in cells.values()):
        return
    lacking, there = (
        ", ".join(f'"{name}"' for name in some[:5]) + ", …" * (len(some) > 5)
        for some in ([column.name for column in encoder.columns], list(names))
    )
    raise Refusal(
        f"{source} must have the {len(encoder.columns):,} input columns of the training table ({lacking}); "
        f"it has none of them, but {there}. Give the table that belongs to this run, or rename its columns."
    )
