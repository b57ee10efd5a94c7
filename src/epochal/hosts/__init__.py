"""MANY processes that train together: how they find each other, agree, and notice that one is gone."""

from epochal.hosts.joining import join, part
from epochal.hosts.launch import Place, place_of
from epochal.hosts.together import ALONE, Together, together

__all__ = ["ALONE", "Place", "Together", "join", "part", "place_of", "together"]
