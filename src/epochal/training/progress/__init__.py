"""Progress of a training, in a terminal or a notebook."""

from epochal.training.progress.shown import Watcher as Watcher
from epochal.training.progress.shown import display as display
from epochal.training.progress.status import Display as Display
from epochal.training.progress.status import Line as Line
