"""Arrays of other libraries as NumPy arrays: tensors of PyTorch, sparse matrices of SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from epochal.common.machine import free_memory
from epochal.data.lazy import MEMORY_SHARE
from epochal.errors import Refusal


def on_host(value: Any) -> Any:
    """A tensor in host memory, or a sparse matrix made dense if that fits; anything else unchanged."""
    if callable(getattr(value, "detach", None)) and callable(getattr(value, "cpu", None)):
        tensor = value.detach().cpu()
        if getattr(tensor, "is_sparse", False):
            tensor = tensor.to_dense()
        return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()
    if callable(getattr(value, "toarray", None)) and callable(getattr(value, "tocsr", None)):
        needed = 4 * int(np.prod(value.shape, dtype=np.float64))
        if needed > MEMORY_SHARE * free_memory():
            raise Refusal(
                f"a sparse matrix must fit into memory with its zeros; {value.shape} takes "
                f"{needed / 1e9:,.1f} GB. Select columns, or reduce them with TruncatedSVD."
            )
        dense = value.astype(np.float32) if value.dtype.kind == "f" else value
        return dense.toarray()
    return value


def parts_on_host(source: Any) -> Any:
    """`on_host` for an array, and for those of a tuple `(X, y)` or `(X, y, sample_weight)`."""
    if isinstance(source, tuple) and len(source) <= 3:
        return tuple(map(on_host, source))
    return on_host(source)
