"""The options of a training, each declared once, and the settings made of them."""

from epochal.settings.keywords import Options as Options
from epochal.settings.settings import ADVISED as ADVISED
from epochal.settings.settings import COMPARED as COMPARED
from epochal.settings.settings import DECLARED as DECLARED
from epochal.settings.settings import PRECISIONS as PRECISIONS
from epochal.settings.settings import TASKS as TASKS
from epochal.settings.settings import VARYING as VARYING
from epochal.settings.settings import Settings as Settings
