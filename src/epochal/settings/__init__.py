"""The options of a training, each declared once, and the settings made of them."""

from epochal.settings.keywords import Options
from epochal.settings.settings import (
    ADVISED,
    COMPARED,
    DECLARED,
    PRECISIONS,
    SPLITS,
    TASKS,
    VARYING,
    Settings,
)

__all__ = [
    "ADVISED",
    "COMPARED",
    "DECLARED",
    "PRECISIONS",
    "SPLITS",
    "TASKS",
    "VARYING",
    "Options",
    "Settings",
]
