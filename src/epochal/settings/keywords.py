"""Types of the options as keywords, for type checkers and editors; written by docs/keywords.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from epochal.plan import BatchSchedule


class Options(TypedDict, total=False):
    """The keyword arguments of `fit` and `train`; `Settings` describes each."""

    batch_size: int | Literal["full"] | Mapping[int, Any] | BatchSchedule | None
    micro_batch: int | Literal["auto"] | None
    epochs: int
    updates_per_epoch: int | None
    repeats: int
    devices: int | None
    seed: int
    optimizer: Any
    learning_rate: float | None
    optimizer_options: Mapping[str, float]
    schedule: Any
    weight_decay: float | None
    clip_norm: float | None
    gradient_noise: float
    augment: Any
    precision: str
    deterministic: bool
    initial: Any
    freeze: Any
    loss: Any
    label_smoothing: float
    class_weight: Any
    order: Any
    stateful: bool
    remainder: str
    vary: tuple[str, ...]
    stop: Any
    task: str | None
    positive: Any
    validation: Any
    test: Any
    stream: bool | None
    standardize: bool | None
    workers: int | None
    split: str | None
    gap: int
    metrics: Any
    monitor: str | None
    threshold: Any
    evaluate_every: int | str
    evaluate_train: bool | None
