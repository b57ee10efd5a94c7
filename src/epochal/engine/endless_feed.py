"""Feed of batches from an iterator without length."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.engine.feed import CHUNK_BYTES, Chunk, Feed, Reader, Span, ahead, spans
from epochal.engine.mesh import ALONE, DeviceMesh
from epochal.plan import Plan

NextSamples = Callable[[int], tuple[NDArray[Any], NDArray[Any]]]


class EndlessFeed(Feed):
    """Chunks from `take`, read one ahead.

    When the iterator is exhausted, the samples that do not fill a batch form a smaller one, or are dropped if
    the plan drops; the plan may have more updates than that.
    """

    def __init__(
        self,
        plan: Plan,
        reader: Reader,
        take: NextSamples,
        executor: ThreadPoolExecutor,
        update: int,
        last: int,
        chunk_bytes: int = CHUNK_BYTES,
        mesh: DeviceMesh = ALONE,
        micro_batch: int | None = None,
    ) -> None:
        super().__init__(plan, reader, executor, 0, 0, chunk_bytes, mesh, micro_batch)
        self._take = take
        wanted = ahead(executor, self._gather, spans(plan, update, last, self._together), 1)
        self._chunks = chain.from_iterable(takewhile(bool, wanted))

    def _gather(self, span: Span) -> list[Chunk]:
        """The batches of a span for which there are samples; none once the iterator is exhausted."""
        begin = time.perf_counter()
        inputs, targets = self._take(span.batches * span.size)
        whole, rest = divmod(len(inputs), span.size)
        chunks = []
        if whole:
            count = whole * span.size
            chunks.append(self._chunk(span._replace(batches=whole), inputs[:count], targets[:count]))
        if rest and self._plan.remainder != "drop":
            last = Span(span.update + whole, span.epoch, span.batch + whole, 1, rest)
            chunks.append(self._chunk(last, inputs[-rest:], targets[-rest:]))
        self._took(span, time.perf_counter() - begin)
        return chunks

    def _chunk(self, span: Span, inputs: NDArray[Any], targets: NDArray[Any]) -> Chunk:
        def some(turns: NDArray[np.int64], out: NDArray[Any] | None) -> NDArray[Any]:
            return np.take(inputs, turns, axis=0, out=out, mode="clip")

        return self._placed(span, some, lambda turns: targets[turns], None)
