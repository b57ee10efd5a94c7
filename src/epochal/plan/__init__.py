"""Plans: which samples form which update."""

from epochal.plan.balanced import Balanced as Balanced
from epochal.plan.blocks import Blocks as Blocks
from epochal.plan.buckets import Buckets as Buckets
from epochal.plan.classwise import Stratified as Stratified
from epochal.plan.draws import Replacement as Replacement, Weighted as Weighted
from epochal.plan.groups import Groups as Groups
from epochal.plan.order import Order as Order
from epochal.plan.order_registry import ORDERS as ORDERS, order_named as order_named
from epochal.plan.permutation import ALGORITHM as ALGORITHM
from epochal.plan.plan import Plan as Plan, SampleUse as SampleUse
from epochal.plan.remainder import REMAINDERS as REMAINDERS
from epochal.plan.sizes import BatchSchedule as BatchSchedule
