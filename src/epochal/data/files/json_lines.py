"""JSON tables: one object per line, or a list of objects."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pa_json

from epochal.data.files.container import PACKING_ERRORS, unreadable
from epochal.data.files.reading import Content
from epochal.errors import Refusal, first_line

_SUFFIXES = (".json", ".jsonl", ".ndjson")


def is_json(content: Content) -> bool:
    """Whether a text is named, or begins, like JSON."""
    if any(Path(content.name).name.lower().endswith((one, f"{one}.gz")) for one in _SUFFIXES):
        return True
    try:
        with content.open() as file:
            head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except (*PACKING_ERRORS, RuntimeError):
        return False
    return head.startswith((b'{"', b'[{"', b"[\n", b"[ {"))


def read_json(content: Content) -> tuple[pa.Table, tuple[str, ...]]:
    """A table with a column for each name; absent names are missing values.

    Raises:
        Refusal: no JSON, or JSON that is no list of flat objects.
    """
    try:
        with content.open() as file:
            data = file.read()
    except (*PACKING_ERRORS, RuntimeError) as error:
        raise unreadable(content.name, error) from error
    try:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            rows = json.loads(data)
            if not all(isinstance(row, dict) for row in rows):
                raise Refusal(f"{content.name} must hold a list of objects; it holds other values.")
            if rows:  # columns are made from the first one
                rows[0] = dict.fromkeys(name for row in rows for name in row) | rows[0]
            table = pa.Table.from_pylist(rows)
        else:
            held = pa.BufferOutputStream()  # Arrow's own memory: its threads outlive this call
            held.write(data)
            table = pa_json.read_json(pa.BufferReader(held.getvalue()))
    except Refusal:
        raise
    except (pa.ArrowException, ValueError, TypeError, RecursionError) as error:
        raise Refusal(
            f"{content.name} can't be read as JSON, one object a line: {first_line(error)}."
        ) from error
    return table, (f"{content.name} is read as JSON, one object a row.",)
