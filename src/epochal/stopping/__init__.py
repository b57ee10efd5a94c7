"""Stopping rules: a rule reads a curve and returns Continue or Stop(reason)."""

from epochal.stopping.decide import Continue, Stop, decide
from epochal.stopping.rules import (
    Budget,
    GeneralizationLoss,
    Patience,
    Productivity,
    RisingStrips,
    Target,
    all_of,
    any_of,
    budgets,
    without_budgets,
)

__all__ = [
    "Budget",
    "Continue",
    "GeneralizationLoss",
    "Patience",
    "Productivity",
    "RisingStrips",
    "Stop",
    "Target",
    "all_of",
    "any_of",
    "budgets",
    "decide",
    "without_budgets",
]
