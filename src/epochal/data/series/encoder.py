"""The encoder that cuts windows from a table, as a run folder keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from epochal.data.encoder import SampleEncoder
from epochal.data.records import Damaged, built
from epochal.data.series.clock import Clock
from epochal.data.series.steps import Step
from epochal.data.tables.schema import Encoder
from epochal.data.task import Task

RELATIVE = ("difference", "ratio")
"""Ways to make a window relative to its last value."""
FILLS = ("forward",)


@dataclass(frozen=True)
class WindowEncoder(SampleEncoder):
    """Cuts windows from any table with these columns.

    `table` encodes one row; its first feature is the forecast column. It has no statistics of the
    data, so no split can leak.
    """

    kind: ClassVar[str] = "windows"
    loader: ClassVar[str] = "ep.windows"

    table: Encoder
    lags: int
    horizon: int
    stride: int
    relative: str | None
    fill: str | None
    period: int
    clock: Clock
    time: int | None
    """The index of the time column."""
    by: int | None
    """The index of the column that names several series."""
    across_gaps: bool = False
    """Whether windows ignore gaps in time."""
    step: Step | None = None
    """The sampling interval of the training table."""
    ahead: bool = False
    """Whether to include windows whose targets lie beyond the end of their series."""

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """See `SampleEncoder`."""
        return self.table.code_sizes

    @property
    def target(self) -> int:
        """The index of the forecast column."""
        return self.table.columns[0].index

    @property
    def target_name(self) -> str:
        """The name of the forecast column."""
        return self.table.names[self.target]

    @property
    def task(self) -> Task:
        """One number for each step ahead."""
        return Task("regression", targets=self.horizon)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in super().to_dict().items() if name != "ahead"}

    @staticmethod
    def from_dict(value: Any) -> WindowEncoder:
        """The inverse of `to_dict`."""
        encoder = built(WindowEncoder, value)
        size, roles = len(encoder.table.names), (encoder.time, encoder.by)
        if (
            min(encoder.lags, encoder.horizon, encoder.stride) < 1
            or max(encoder.lags, encoder.horizon, encoder.stride, encoder.period) > 2**31
            or encoder.period < 0
            or any(index is not None and not 0 <= index < size for index in roles)
            or (encoder.clock.kind != "row" and encoder.time is None)
            or encoder.relative not in (None, *RELATIVE)
            or encoder.fill not in (None, *FILLS)
            or encoder.table.columns[0].kind != "numeric"
            or (encoder.step is not None and not encoder.step.sound)
        ):
            raise Damaged("no windows can be cut as it says")
        return encoder
