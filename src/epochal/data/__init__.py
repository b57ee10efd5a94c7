"""Where do the samples live? Tables, arrays, examples, splits and scaling."""

from epochal.data.clock import Clock
from epochal.data.dataset import Dataset, Task
from epochal.data.encoders import SampleEncoder, encoder_from_dict
from epochal.data.examples import EXAMPLES, example, write_example
from epochal.data.joined import joined, y_or_target
from epochal.data.load import load
from epochal.data.marks import MISSING
from epochal.data.new import encode_new
from epochal.data.ranking import PairEncoder, rank_pairs
from epochal.data.read import read_table
from epochal.data.reading import Reading
from epochal.data.rising import rising_note
from epochal.data.schema import Column, Encoder, LeftOut
from epochal.data.split import Split, split, split_groups
from epochal.data.standardize import (
    Scaling,
    TargetScaling,
    first_missing,
    fit_scaling,
    fit_target_scaling,
)
from epochal.data.target import TASKS, class_words
from epochal.data.texts import TextEncoder
from epochal.data.timeline import Timeline, chronological, time_notes
from epochal.data.vocabulary import Vocabulary, fit_vocabulary
from epochal.data.windows import WindowEncoder, windows

__all__ = [
    "EXAMPLES",
    "MISSING",
    "TASKS",
    "Clock",
    "Column",
    "Dataset",
    "Encoder",
    "LeftOut",
    "PairEncoder",
    "Reading",
    "SampleEncoder",
    "Scaling",
    "Split",
    "TargetScaling",
    "Task",
    "TextEncoder",
    "Timeline",
    "Vocabulary",
    "WindowEncoder",
    "chronological",
    "class_words",
    "encode_new",
    "encoder_from_dict",
    "example",
    "first_missing",
    "fit_scaling",
    "fit_target_scaling",
    "fit_vocabulary",
    "joined",
    "load",
    "rank_pairs",
    "read_table",
    "rising_note",
    "split",
    "split_groups",
    "time_notes",
    "windows",
    "write_example",
    "y_or_target",
]
