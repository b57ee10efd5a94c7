"""The largest batch size of a comparison that fits into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from epochal.choose.setting import Setting
from epochal.choose.trial import Job
from epochal.engine.memory import SHARE, besides, bytes_available, bytes_said, largest

if TYPE_CHECKING:
    from epochal.choose.bench import Bench

__all__ = ["largest_batch", "too_large"]


def largest_batch(bench: Bench, setting: Setting) -> int | None:
    """The largest batch of a setting that fits; None if not even one sample does. Nothing is trained.

    All samples, if they fit; else found from few programs that are compiled (`engine.memory.largest`).

    Args:
        bench: what holds the samples.
        setting: what is trained; its batch size has no influence.
    """
    return largest(lambda size: _need(bench, setting, size), bench.base.plan.turns, SHARE * bytes_available())


def too_large(bench: Bench, setting: Setting) -> str:
    """Why a setting is left out, in one sentence; empty if it fits."""
    size, free = bench.prepared(setting).plan.batch_size, bytes_available()
    need = _need(bench, setting, size)
    if need <= SHARE * free:
        return ""
    return f"batch size {size:,} needs about {bytes_said(need)} and {bytes_said(free)} are free: left out"


def _need(bench: Bench, setting: Setting, batch_size: int) -> int:
    """What a batch size needs besides the samples; its program is compiled and not run."""
    sized = setting.with_(f"{setting.name} | memory of {batch_size}", batch_size=batch_size)
    return besides(bench.lane([Job(sized, 0, 1, 1)]))
