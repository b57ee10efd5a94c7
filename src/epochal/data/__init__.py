"""Data sets: tables, arrays, images, series, texts, rankings and streams; splits and scaling."""

from epochal.data.dataset import Dataset
from epochal.data.encoder import SampleEncoder
from epochal.data.examples import EXAMPLES, example, write_example
from epochal.data.files.read import read_table
from epochal.data.files.reading import Reading
from epochal.data.rankings.ranking import PairEncoder, rank_pairs
from epochal.data.registry import encode_new, encoder_from_dict, joined, load, named_columns, y_or_target
from epochal.data.series.clock import Clock
from epochal.data.series.timeline import Timeline, chronological, time_notes
from epochal.data.series.windows import windows
from epochal.data.split import Split, split, split_groups
from epochal.data.standardize import Scaling, TargetScaling, first_missing, fit_scaling, fit_target_scaling
from epochal.data.tables.schema import Encoder
from epochal.data.tables.table import rising_note
from epochal.data.tables.target import class_words
from epochal.data.task import Task
from epochal.data.texts.tokens import Vocabulary, fit_vocabulary

__all__ = [
    "EXAMPLES",
    "Clock",
    "Dataset",
    "Encoder",
    "PairEncoder",
    "Reading",
    "SampleEncoder",
    "Scaling",
    "Split",
    "TargetScaling",
    "Task",
    "Timeline",
    "Vocabulary",
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
    "named_columns",
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
