"""Executors: tasks are run in threads of this machine or by the workers of a Ray cluster."""

from epochal.training.executor.cluster import RayCluster
from epochal.training.executor.task import Executor, Shared, Stopped, Task
from epochal.training.executor.threads import Threads

__all__ = ["Executor", "RayCluster", "Shared", "Stopped", "Task", "Threads"]
