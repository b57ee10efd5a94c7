"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.processes.distributed import init_distributed as init_distributed, shutdown as shutdown
from epochal.training.processes.group import ProcessGroup as ProcessGroup, process_group as process_group
