"""Progress of a training, in a terminal or a notebook."""

from epochal.training.progress.shown import EventPrinter as EventPrinter, display as display
from epochal.training.progress.status import Display as Display, Line as Line
