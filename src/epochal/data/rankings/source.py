"""Pairs of ranked rows as a source of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from epochal.data.dataset import Dataset
from epochal.data.rankings.ranking import OPTIONS, PairEncoder, new_pairs, rank_pairs
from epochal.data.recipe import Check
from epochal.data.source import Known, Progress, Source

__all__ = ["RankingSource"]


class RankingSource(Source):
    """A table with ranks, or arrays with them."""

    reader: ClassVar[str] = "rank_pairs"
    kind = PairEncoder.kind
    options: ClassVar[Mapping[str, Check]] = OPTIONS

    def recognizes(self, source: Any) -> bool:
        """See `Source`; its reader is asked for by name, and refuses what it can't read."""
        return True

    def load(self, source: Any, asked: Mapping[str, Any], progress: Progress | None) -> Dataset:
        """See `Source`."""
        return rank_pairs(source, **asked)

    def encode_new(self, encoder: PairEncoder, source: Any, known: Known) -> Dataset:
        """See `Source`."""
        return new_pairs(encoder, source, known.reading)

    def encoder(self, value: Any) -> PairEncoder:
        """See `Source`."""
        return PairEncoder.from_dict(value)
