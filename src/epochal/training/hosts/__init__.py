"""Training on several processes with `jax.distributed`: joining, agreement, detection of a death."""

from epochal.training.hosts.joining import join, part, place_of
from epochal.training.hosts.together import ALONE, Together, together
from epochal.training.hosts.watch import Place

__all__ = ["ALONE", "Place", "Together", "join", "part", "place_of", "together"]
