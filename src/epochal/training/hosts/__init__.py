"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.hosts.joining import join, part
from epochal.training.hosts.launch import Place, place_of
from epochal.training.hosts.together import ALONE, Together, together

__all__ = ["ALONE", "Place", "Together", "join", "part", "place_of", "together"]
