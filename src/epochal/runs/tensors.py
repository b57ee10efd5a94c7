"""safetensors files, written array by array and read with every claim checked.

The format is safetensors: eight bytes with the length of a JSON header, the header, then the arrays. A large
state is written without a second copy in memory, byte for byte as the safetensors library does
(https://github.com/huggingface/safetensors#format). Every claim of a header is checked against the size of
the file before an array is made.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from epochal.errors import Refusal
from epochal.runs import disk
from epochal.runs.checksummed_json import parse
from epochal.runs.disk import Digest

Tensors = dict[str, NDArray[Any]]

_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
    "C64": np.dtype("<c8"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
}
"""By name, from the least to the most strictly aligned; arrays are stored in reverse order."""

_NAMES = {dtype: (rank, name) for rank, (name, dtype) in enumerate(_DTYPES.items())}
_HEADER = 100_000_000
"""Most bytes of a header in the format."""
_METADATA = "__metadata__"


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> Digest:
    """Write arrays by name to a new file, synced, with texts by name in its header.

    A dtype that the format does not have is a TypeError, a reserved name or too long a header a ValueError.
    """
    if _METADATA in tensors:
        raise ValueError(f"an array can't be called {_METADATA}")
    arrays = {name: np.asarray(value) for name, value in tensors.items()}
    kinds = {name: _NAMES.get(array.dtype.newbyteorder("<"), (0, "")) for name, array in arrays.items()}
    for name, (_, kind) in kinds.items():
        if not kind:
            raise TypeError(f"{name} must have a type that safetensors knows; got {arrays[name].dtype}")
    ordered = sorted(arrays, key=lambda name: (-kinds[name][0], name))
    header: dict[str, Any] = {} if metadata is None else {_METADATA: dict(metadata)}
    begin = 0
    for name in ordered:
        end = begin + arrays[name].nbytes
        shape = list(arrays[name].shape)
        header[name] = {"dtype": kinds[name][1], "shape": shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _HEADER:
        raise ValueError(f"the header must have at most {_HEADER:,} bytes; got {len(text):,}")
    pieces = (  # an array that is not contiguous is copied, one at a time
        np.ascontiguousarray(arrays[name], _DTYPES[kinds[name][1]]).reshape(-1).view(np.uint8)
        for name in ordered
        if arrays[name].size
    )
    return disk.write(path, itertools.chain([struct.pack("<Q", len(text)) + text], pieces))


def read_tensors(path: Path, expected: Digest | None = None) -> tuple[Tensors, dict[str, str]]:
    """The arrays and metadata of a safetensors file; one that is not as expected is refused."""
    from safetensors import SafetensorError, deserialize

    content = disk.read(path, expected)
    try:
        tensors = {
            name: np.frombuffer(one["data"], _DTYPES[one["dtype"]]).reshape(one["shape"])
            for name, one in deserialize(content)  # type: ignore[no-untyped-call]  # no stub
        }
        (length,) = struct.unpack("<Q", content[:8])
        header = parse(content[8 : 8 + length])
    except (SafetensorError, LookupError, ValueError) as error:
        raise Refusal(f'"{path}" is damaged: {" ".join(str(error).split()).rstrip(".")}.') from error
    metadata: dict[str, str] = header.pop(_METADATA, None) or {}
    return {name: tensors[name] for name in header}, metadata
