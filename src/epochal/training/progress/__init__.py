"""Progress of a training, in a terminal or a notebook."""

from epochal.training.progress.shown import Watcher, display
from epochal.training.progress.status import Display, Line

__all__ = ["Display", "Line", "Watcher", "display"]
