"""SHOW how far a training is, in a terminal or a notebook, and what was noticed before it began."""

from epochal.training.progress.display import Display, Line
from epochal.training.progress.shown import Watcher, display

__all__ = ["Display", "Line", "Watcher", "display"]
