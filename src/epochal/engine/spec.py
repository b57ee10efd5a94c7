"""`Spec`: everything that is compiled into a training program.

Trainings with equal specs and equally shaped data share one compilation. The number of epochs, the data, what
differs between repeats (`PerRepeat`), the learning rate too, and the limits of a call are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from epochal.common.metric_names import higher_is_better
from epochal.engine.mesh import ALONE, DeviceMesh
from epochal.engine.optimizers import Optimizer
from epochal.engine.rules import Rule
from epochal.engine.schedules import Schedule
from epochal.models import Loss, Metric, Model, smoothed
from epochal.plan import Plan
from epochal.plan.order import Order

PARTS = ("train", "validation")


@dataclass(frozen=True)
class BatchLayout:
    """How the loop cuts a pass into batches: the compiled part of a plan."""

    samples: int
    positions: int
    """Positions of a pass."""
    segments: tuple[tuple[int, int], ...]
    order: Order
    """The compiled part of the plan's order; per-sample values are an argument (`PerRepeat.order_arrays`)."""
    carry: bool
    continues_order: bool
    """Whether a pass begins in the order where the last one ended (a fixed order with `drop`)."""
    drawn_by_weight: bool = False
    """Whether weights are drawing probabilities, and so do not also weight the loss."""

    @classmethod
    def of(cls, plan: Plan, phase: int = 0) -> BatchLayout:
        """The layout of one phase of a plan of passes."""
        carry = plan.remainder == "carry"
        segments = ((0, int(plan.batch_size)),) if carry else plan.phases[phase].segments
        order = plan.order
        continues = plan.remainder == "drop" and order.fixed
        drawn, positions = order.needs == "weights", plan.positions_per_epoch
        return cls(plan.samples, positions, segments, order.compiled_part, carry, continues, drawn)

    @property
    def batches(self) -> int:
        """Batches of a pass; not used with carry, where it varies."""
        return sum(count for count, _ in self.segments)

    @property
    def streamed(self) -> BatchLayout:
        """The layout where the host cuts the batches, so that all share a program."""
        return BatchLayout(0, 0, (), self.order, False, False, self.drawn_by_weight)

    @property
    def used(self) -> int:
        """Positions of a pass that are in a batch."""
        return sum(count * size for count, size in self.segments)


@dataclass(frozen=True)
class Spec:
    """All that is compiled in."""

    model: Model
    loss: Loss
    metrics: tuple[Metric, ...]
    classes: int
    optimizer: Optimizer
    schedule: Schedule
    rule: Rule
    monitor: str
    layout: BatchLayout
    n_repeats: int
    parts: tuple[str, ...]
    """The parts that are evaluated: "train", "validation" or both."""
    evaluate_unit: str
    """The unit of the evaluation interval: "epochs" or "updates"."""
    micro_batch: int | None = None
    """The micro-batch size; None for the whole batch."""
    stateful: bool = False
    """Whether the model's state is carried from batch to batch, from zeros at the start of each epoch."""
    mesh: DeviceMesh = ALONE
    """The devices that share each batch."""
    deterministic: bool = False
    """Whether results are bit-identical, at any cost."""
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    """The largest norm of the whole gradient."""
    gradient_noise: float = 0.0
    """The variance of the first gradient's noise (`update`)."""
    halving: str = ""
    """How validation samples are halved to estimate the optimism of choosing the epoch on them: "mixed", or
    "ordered" for first and last; empty if not needed.
    """

    @property
    def monitor_index(self) -> int:
        """The index of the monitored value in its part: 0 for the loss, then the metrics."""
        name = self.monitor.partition(".")[2]
        return ["loss", *(metric.name for metric in self.metrics)].index(name)

    @property
    def host_metrics(self) -> bool:
        """Whether the host computes some metrics, so that evaluations are left to it."""
        return any(metric.host for metric in self.metrics)

    @property
    def training_loss(self) -> Loss:
        """The loss of the gradient; evaluations report `loss`."""
        return smoothed(self.loss, self.label_smoothing)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of the metrics of an evaluation, such as "validation.loss"."""
        names = ["train.running_loss"]
        for part in self.parts:
            names += [f"{part}.loss", *(f"{part}.{metric.name}" for metric in self.metrics)]
        return tuple(names)

    @property
    def sign(self) -> float:
        """The factor that makes lower values of the monitored metric better."""
        return -1.0 if higher_is_better(self.monitor) else 1.0
