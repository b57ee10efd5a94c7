"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.processes.group import ProcessGroup as ProcessGroup, process_group as process_group
from epochal.training.processes.joining import join as join, leave as leave, place_of as place_of
from epochal.training.processes.watch import Place as Place
