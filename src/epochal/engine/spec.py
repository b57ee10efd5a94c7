"""`Spec`: everything that is compiled into a training program.

Trainings with equal specs and equally shaped data share one compilation. The number of epochs, the learning
rate, seeds, data and the limits of a call are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from epochal.common.metric_names import higher_is_better
from epochal.engine.optimizers import Optimizer
from epochal.engine.rules import Rule
from epochal.engine.schedules import Schedule
from epochal.engine.team import ALONE, Team
from epochal.models import Loss, Metric, Model, smoothed
from epochal.plan import Plan
from epochal.plan.order import Order

__all__ = ["PARTS", "Layout", "Spec"]

PARTS = ("train", "validation")


@dataclass(frozen=True)
class Layout:
    """The batches of an epoch as the loop sees them: the part of a plan that is compiled in."""

    samples: int
    turns: int
    """Positions of an epoch."""
    segments: tuple[tuple[int, int], ...]
    order: Order
    """The form of the plan's order: what it knows of the samples is an argument (`Seeds.ordering`)."""
    carry: bool
    rolls: bool
    """Whether each epoch begins where the last one ended (samples left out of a fixed order)."""
    drawn_by_weight: bool = False
    """Whether weights decide how often a sample is drawn, and so do not weigh its loss in an update, too."""

    @classmethod
    def of(cls, plan: Plan, phase: int = 0) -> Layout:
        """The layout of one phase of a plan of passes."""
        carry = plan.remainder == "carry"
        segments = ((0, int(plan.batch_size)),) if carry else plan.phases[phase].segments
        order = plan.order
        rolls = plan.remainder == "drop" and order.fixed
        drawn = order.needs == "weights"
        return cls(plan.samples, plan.turns, segments, order.form, carry, rolls, drawn)

    @property
    def batches(self) -> int:
        """Batches of an epoch; with carry this varies and is not asked for."""
        return sum(count for count, _ in self.segments)

    @property
    def fed(self) -> Layout:
        """What is compiled in where the host cuts the batches: other numbers need no other program."""
        return Layout(0, 0, (), self.order, False, False, self.drawn_by_weight)

    @property
    def used(self) -> int:
        """Turns of an epoch that are in a batch."""
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
    layout: Layout
    repeats: int
    parts: tuple[str, ...]
    """The parts that are evaluated: "train", "validation" or both."""
    evaluate_unit: str
    """"epochs" or "updates": what the distance between two evaluations is counted in."""
    micro_batch: int | None = None
    """The most samples that go through the model at once in an update; None for the whole batch."""
    carries: bool = False
    """Whether the model's state is carried through an epoch, from zeros at its beginning."""
    team: Team = ALONE
    """The devices that share each batch."""
    deterministic: bool = False
    """Whether programs give the same bits every time, whatever it costs."""
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    """The largest norm of a gradient, that of all parameters together."""
    gradient_noise: float = 0.0
    """The variance of the noise on the first gradient (`update`)."""
    halves: str = ""
    """How the validation samples are halved, to tell what choosing the epoch on them has gained: "mixed", or
    "ordered" for the first and the last of them; empty if that is not asked."""

    @property
    def decisive(self) -> int:
        """Which figure of its part is monitored: 0 for the loss, then the metrics."""
        name = self.monitor.partition(".")[2]
        return ["loss", *(metric.name for metric in self.metrics)].index(name)

    @property
    def hosted(self) -> bool:
        """Whether the host takes part in evaluations: the program leaves them to it."""
        return any(metric.host for metric in self.metrics)

    @property
    def training_loss(self) -> Loss:
        """The loss whose gradient moves the parameters; evaluations show `loss`."""
        return smoothed(self.loss, self.label_smoothing)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the figures of an evaluation, in order."""
        names = ["train.running_loss"]
        for part in self.parts:
            names += [f"{part}.loss", *(f"{part}.{metric.name}" for metric in self.metrics)]
        return tuple(names)

    @property
    def sign(self) -> float:
        """What the monitored column is multiplied with so that lower is better."""
        return -1.0 if higher_is_better(self.monitor) else 1.0
