"""Executors: work items are run in threads of this machine or by the workers of a Ray cluster."""

from epochal.training.executor.cluster import RayCluster as RayCluster
from epochal.training.executor.work import (
    Executor as Executor,
    SharedRef as SharedRef,
    Stopped as Stopped,
    Threads as Threads,
    WorkItem as WorkItem,
)
