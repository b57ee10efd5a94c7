"""The base of encoders, which encode new samples as the training samples were."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

__all__ = ["SampleEncoder", "code_sizes"]


class SampleEncoder(ABC):
    """A record without statistics of the samples; the `Source` of its kind encodes new samples by it."""

    kind: ClassVar[str]
    """What a run folder calls it, by which its source is found."""

    loader: ClassVar[str] = "ep.load_data"
    """The function that reads such data, as Python code calls it."""

    are_images: ClassVar[bool] = False
    """Whether the axes of a sample are those of an image."""

    @property
    def standardize(self) -> bool:
        """Whether inputs (and regression targets) of this kind are standardized unless the user says."""
        return True

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """How many codes each of the last columns of the inputs has, which a model has embeddings for."""
        return ()

    @property
    def sizes(self) -> dict[str, int]:
        """How many inputs each column makes, by its name, where some make several."""
        return {}

    def looking_ahead(self) -> Self:
        """The same for samples whose targets lie in the future."""
        return self

    def skipping_bad(self) -> Self:
        """The same, leaving out images that can't be read."""
        return self

    @staticmethod
    @abstractmethod
    def from_dict(value: Any) -> SampleEncoder:
        """The inverse of `to_dict`; nothing that it names is imported.

        Raises:
            Refusal: a value that no encoder of this kind has written.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """A JSON object with its "kind", and all that is needed to encode other data in the same way."""


def code_sizes(encoder: SampleEncoder | None) -> tuple[int, ...]:
    """The codes of an encoder; none for plain arrays, which have no encoder."""
    return () if encoder is None else encoder.code_sizes
