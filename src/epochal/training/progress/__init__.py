"""Progress of a training, in a terminal or a notebook."""

from epochal.training.progress.display import Display, Line
from epochal.training.progress.shown import Watcher, display

__all__ = ["Display", "Line", "Watcher", "display"]
