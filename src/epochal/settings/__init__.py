"""The options of a training, each declared once, and the settings made of them."""

from epochal.settings.keywords import Options as Options
from epochal.settings.settings import (
    ADVISE_DEFAULTS as ADVISE_DEFAULTS,
    COMPARE_DEFAULTS as COMPARE_DEFAULTS,
    DECLARED as DECLARED,
    PRECISIONS as PRECISIONS,
    TASKS as TASKS,
    VARYING as VARYING,
    Settings as Settings,
)
