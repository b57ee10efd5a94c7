"""Stopping rules, which read the evaluations of one repeat."""

from epochal.stopping.rules import Budget as Budget
from epochal.stopping.rules import GeneralizationLoss as GeneralizationLoss
from epochal.stopping.rules import Patience as Patience
from epochal.stopping.rules import Productivity as Productivity
from epochal.stopping.rules import RisingStrips as RisingStrips
from epochal.stopping.rules import Target as Target
from epochal.stopping.rules import all_of as all_of
from epochal.stopping.rules import any_of as any_of
from epochal.stopping.rules import budgets as budgets
from epochal.stopping.rules import without_budgets as without_budgets
