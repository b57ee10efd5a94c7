"""The options of a training, each declared once, and the settings made of them."""

from epochal.settings.keywords import Options as Options
from epochal.settings.settings import (
    ADVISED as ADVISED,
    COMPARED as COMPARED,
    DECLARED as DECLARED,
    PRECISIONS as PRECISIONS,
    TASKS as TASKS,
    VARYING as VARYING,
    Settings as Settings,
)
