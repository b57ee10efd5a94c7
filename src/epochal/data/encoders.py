"""What is kept of the data, so that new samples are encoded as the training samples were?

Tables have a schema (`Encoder`); plain arrays have nothing. Each further kind of data has an encoder of its
own with the methods of `SampleEncoder`, and a line in `_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from epochal.data.dataset import Dataset
from epochal.data.images import ImageEncoder
from epochal.data.ranking import PairEncoder
from epochal.data.reading import AS_FOUND, Reading
from epochal.data.schema import Encoder
from epochal.data.texts import TextEncoder
from epochal.data.windows import WindowEncoder
from epochal.errors import Refusal

__all__ = ["SampleEncoder", "code_sizes", "encoder_from_dict"]


class SampleEncoder(Protocol):
    """Encodes new samples of one kind of data, without any statistics of them."""

    @property
    def loader(self) -> str:
        """The function that reads such data, as Python code calls it."""
        ...

    @property
    def standardize(self) -> bool:
        """Whether inputs (and regression targets) of this kind are standardized unless the user says."""
        ...

    def encode_new(
        self,
        source: Any,
        reading: Reading = AS_FOUND,
    ) -> Dataset:
        """New samples, with targets if they have any; `reading` says how a file is read."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """A JSON object with its "kind", and all that is needed to encode other data in the same way."""
        ...


def code_sizes(encoder: Any) -> tuple[int, ...]:
    """How many codes each of the last columns of the inputs has, which a model has embeddings for."""
    table = getattr(encoder, "table", encoder)
    return table.code_sizes if isinstance(table, Encoder) else ()


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "table": Encoder.from_dict,
    "images": ImageEncoder.from_dict,
    "windows": WindowEncoder.from_dict,
    "texts": TextEncoder.from_dict,
    "pairs": PairEncoder.from_dict,
}
"""How the encoder of each kind is read from what its `to_dict` gave."""


def encoder_from_dict(value: dict[str, Any]) -> Encoder | SampleEncoder:
    """The inverse of an encoder's `to_dict`; nothing that it names is imported."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Refusal(f"the kind of data must be one of {', '.join(_KINDS)}; got {kind!r}.")
    encoder: Encoder | SampleEncoder = _KINDS[kind](value)
    return encoder
