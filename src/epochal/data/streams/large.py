"""The choice between loading inputs into memory and streaming them."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import free_memory
from epochal.data.rows import ArrayRows, FileRows, Rows
from epochal.data.values.rounding import FEW_VALUES, kept_float

MEMORY_SHARE = 0.25
"""Data above this share of the free memory is streamed, since training in memory needs it twice."""


def streams(size: int, stream: bool | None) -> bool:
    """Whether to stream inputs of this many bytes: as requested, or if they are large.

    >>> streams(10, None), streams(10, True), streams(1 << 60, False)
    (False, True, False)
    """
    return size > MEMORY_SHARE * free_memory() if stream is None else stream


def rows_of_array(array: NDArray[Any]) -> Rows:
    """The samples of an array; those of a memory map are read from its file."""
    mapped: Any = array
    plain = isinstance(array, np.memmap) and array.flags.c_contiguous and array.dtype.kind in "buif"
    image = array.dtype == np.uint8 and array.ndim > 2
    kept = array.dtype if image else kept_float(np.asarray(array), FEW_VALUES)
    if not plain or mapped.filename is None or mapped.mode == "c":
        return ArrayRows(np.asarray(array), kept)
    # A view has the offset of the whole map: what counts is where it begins in the map.
    within = mapped.__array_interface__["data"][0] - np.frombuffer(mapped._mmap, np.uint8).ctypes.data
    begin = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
    return FileRows(Path(mapped.filename), array.shape, array.dtype, begin + within, kept=kept)


def streams_note(rows: Rows, where: str) -> str:
    """A note on streamed inputs."""
    size = rows.sample_bytes * len(rows)
    unit, scale = ("GB", 1e9) if size >= 1e9 else ("MB", 1e6) if size >= 1e6 else ("kB", 1e3)
    return (
        f"the inputs ({size / scale:,.1f} {unit}) stay in {where} and are read batch by batch; "
        "`stream=False` takes them into memory."
    )
