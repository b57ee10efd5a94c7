"""The base of encoders, which encode new samples as the training samples were."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from epochal.data.records import Record, built


class SampleEncoder(Record):
    """A record without statistics of the samples; its `DataSource` encodes new samples with it."""

    kind: ClassVar[str]
    """The kind in run folders, by which its source is found."""

    loader: ClassVar[str] = "ep.load_data"
    """The function that loads such data, as in Python code."""

    are_images: ClassVar[bool] = False
    """Whether the axes of a sample are those of an image."""

    standardize: ClassVar[bool] = True
    """Whether inputs (and regression targets) of this kind are standardized by default."""

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each trailing input column that a model embeds."""
        return ()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of inputs of each column with several, by name."""
        return {}

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """The inverse of `to_dict`; imports nothing, and refuses what no encoder of this kind wrote."""
        encoder = built(cls, value)
        encoder.check()
        return encoder

    def check(self) -> None:
        """Raise `Damaged` if it can't encode samples; a file may hold anything."""


def code_sizes(encoder: SampleEncoder | None) -> tuple[int, ...]:
    """The code sizes of an encoder; empty for plain arrays, which have none."""
    return () if encoder is None else encoder.code_sizes
