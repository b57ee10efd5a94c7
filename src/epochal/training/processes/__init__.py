"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.processes.group import ProcessGroup as ProcessGroup
from epochal.training.processes.group import process_group as process_group
from epochal.training.processes.joining import join as join
from epochal.training.processes.joining import leave as leave
from epochal.training.processes.joining import place_of as place_of
from epochal.training.processes.watch import Place as Place
