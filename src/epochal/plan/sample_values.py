"""`SampleValues`: a read-only value per sample, such as its class, hashed and compared by content."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from epochal.errors import Refusal


class SampleValues:
    """A read-only array of per-sample values, hashed and compared by content.

    >>> SampleValues(np.array([0, 1])) == SampleValues(np.array([0, 1]))
    True
    """

    def __init__(self, values: np.typing.NDArray[Any]) -> None:
        self.values = np.array(values)
        self.values.flags.writeable = False

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of type, shape and content, the same in every process."""
        kind = f"{self.values.dtype.str}{self.values.shape}".encode()
        import hashlib  # late: a plan needs none

        return hashlib.sha256(kind + self.values.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleValues) and (self is other or self.fingerprint == other.fingerprint)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<{len(self.values):,} values>"


def identified(values: np.typing.ArrayLike, name: str) -> np.typing.NDArray[np.int64]:
    """Ids from 0 for the values (names, numbers, dates), in sorted order.

    >>> identified(["b", "a", "b"], "groups").tolist()
    [1, 0, 1]
    """
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise Refusal(f"{name} must have one value for each sample; got an array of shape {array.shape}.")
    missing = missing_in(array)
    if missing.any():
        raise Refusal(
            f"{name} must have a value for each sample; {int(missing.sum()):,} of {len(array):,} are "
            f"missing, the first is number {int(np.argmax(missing)) + 1}. Fill them in, or leave them out."
        )
    if array.dtype == object:
        array = array.astype(str)
    return np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)


def missing_in(array: np.typing.NDArray[Any]) -> np.typing.NDArray[np.bool_]:
    """Where an array has None, NaN or NaT."""
    if array.dtype == object:
        return np.array([value is None or value != value for value in array], bool)
    return np.asarray(array != array)  # only NaN and NaT differ from themselves
