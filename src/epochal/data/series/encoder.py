"""The encoder that cuts windows from a table, as a run folder keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from epochal.data.encoder import SampleEncoder
from epochal.data.series.clock import Clock
from epochal.data.series.steps import Step
from epochal.data.tables.schema import Encoder
from epochal.data.task import Task
from epochal.data.typed import Damaged, built

__all__ = ["FILLS", "RELATIVE", "WindowEncoder"]

RELATIVE = ("difference", "ratio")
"""What a window may be seen relative to its last value by."""
FILLS = ("forward",)


@dataclass(frozen=True)
class WindowEncoder(SampleEncoder):
    """How windows are cut from a table: it does so with any table that has these columns.

    `table` encodes one row; its first feature is the forecast column. Nothing in it is a statistic of the
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
    """The column that tells the time, from 0."""
    by: int | None
    """The column that tells several series apart, from 0."""
    across_gaps: bool = False
    """Whether windows count rows, whatever time lies between them."""
    step: Step | None = None
    """How far apart the rows of the training table usually are."""
    ahead: bool = False
    """Whether windows whose targets lie beyond the end of their series are among the samples."""

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """See `SampleEncoder`."""
        return self.table.code_sizes

    @property
    def target(self) -> int:
        """The forecast column, from 0."""
        return self.table.columns[0].index

    @property
    def target_name(self) -> str:
        """The name of the forecast column."""
        return self.table.names[self.target]

    @property
    def task(self) -> Task:
        """One number for each step ahead."""
        return Task("regression", targets=self.horizon)

    def looking_ahead(self) -> WindowEncoder:
        """The same with the windows whose targets are not known yet."""
        return replace(self, ahead=True)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object of it."""
        named = ("lags", "horizon", "stride", "relative", "fill", "period", "time", "by", "across_gaps")
        return {
            "kind": self.kind,
            "table": self.table.to_dict(),
            **{name: getattr(self, name) for name in named},
            "clock": dict(vars(self.clock)),
            "step": None if self.step is None else {**vars(self.step), "slots": list(self.step.slots)},
        }

    @staticmethod
    def from_dict(value: Any) -> WindowEncoder:
        """The inverse of `to_dict`."""
        encoder = built(
            WindowEncoder,
            {name: item for name, item in value.items() if name not in ("kind", "table", "clock", "step")},
            table=Encoder.from_dict(value.get("table")),
            clock=built(Clock, value.get("clock")),
            step=None if value.get("step") is None else built(Step, value["step"]),
        )
        size, told = len(encoder.table.names), (encoder.time, encoder.by)
        if (
            min(encoder.lags, encoder.horizon, encoder.stride) < 1
            or max(encoder.lags, encoder.horizon, encoder.stride, encoder.period) > 2**31
            or encoder.period < 0
            or any(index is not None and not 0 <= index < size for index in told)
            or (encoder.clock.kind != "row" and encoder.time is None)
            or encoder.relative not in (None, *RELATIVE)
            or encoder.fill not in (None, *FILLS)
            or encoder.table.columns[0].kind != "numeric"
            or (encoder.step is not None and not encoder.step.sound)
        ):
            raise Damaged("no windows can be cut as it says")
        return encoder
