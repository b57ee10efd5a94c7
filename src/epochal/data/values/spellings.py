"""One spelling for words that differ only in capitals and blanks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from epochal.data.values.marks import counted


def spelling_key(words: Any) -> Any:
    """A key of equal spellings: small letters, single blanks, composed accents.

    >>> spelling_key(pa.array(["Yes ", "NEW  York", None])).to_pylist()
    ['yes', 'new york', None]
    """
    plain = pc.utf8_lower(pc.utf8_normalize(words, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))


def one_spelling(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """A text column with the most frequent spelling of each word, and a note.

    Other columns are unchanged. The note is empty if nothing changed.

    >>> column, said = one_spelling(pa.chunked_array([["Yes", "yes ", "YES", "No", "Yes"]]))
    >>> column.to_pylist(), said
    (['Yes', 'Yes', 'Yes', 'No', 'Yes'], '"Yes", "yes " and "YES" are one: "Yes"')
    """
    if not pa.types.is_string(column.type):
        return column, ""
    found = counted(column)
    words = pa.array(list(found), pa.string())
    same: dict[str, list[str]] = defaultdict(list)
    for word, key in zip(found, spelling_key(words).to_pylist(), strict=True):
        same[key].append(word)
    if len(same) == len(found):
        return column, ""
    instead = {word: group[0] for group in same.values() for word in group}
    chosen = pa.array([instead[word] for word in found], pa.string())
    changed = pa.chunked_array(
        [chosen.take(pc.index_in(chunk, value_set=words)) for chunk in column.chunks], pa.string()
    )
    merged = [group for group in same.values() if len(group) > 1]
    notes = []
    for group in merged[:3]:
        others = ", ".join(f'"{word}"' for word in group[:-1][:4])
        notes.append(f'{others} and "{group[-1]}" are one: "{group[0]}"')
    notes += [f"and {len(merged) - 3:,} more"] if len(merged) > 3 else []
    return changed, "; ".join(notes)
