"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.hosts.joining import join as join
from epochal.training.hosts.joining import part as part
from epochal.training.hosts.joining import place_of as place_of
from epochal.training.hosts.together import Together as Together
from epochal.training.hosts.together import together as together
from epochal.training.hosts.watch import Place as Place
