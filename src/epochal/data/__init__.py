"""Data sets: tables, arrays, images, series, texts, rankings and streams; splits and scaling."""

from epochal.data.dataset import Dataset as Dataset
from epochal.data.examples import EXAMPLES as EXAMPLES, example as example, write_example as write_example
from epochal.data.files.read import read_table as read_table
from epochal.data.files.reading import Reading as Reading
from epochal.data.rankings.ranking import PairEncoder as PairEncoder, load_rank_pairs as load_rank_pairs
from epochal.data.records import SampleEncoder as SampleEncoder
from epochal.data.registry import (
    encoder_from_dict as encoder_from_dict,
    load as load,
    named_columns as named_columns,
    source_from_xy as source_from_xy,
    transform as transform,
    y_or_target as y_or_target,
)
from epochal.data.series.time_column import TimeColumn as TimeColumn
from epochal.data.series.timeline import (
    Timeline as Timeline,
    chronological as chronological,
    time_notes as time_notes,
)
from epochal.data.series.windows import load_windows as load_windows
from epochal.data.split import Split as Split, split as split, split_groups as split_groups
from epochal.data.standardize import (
    Scaling as Scaling,
    TargetScaling as TargetScaling,
    first_missing as first_missing,
    fit_scaling as fit_scaling,
    fit_target_scaling as fit_target_scaling,
)
from epochal.data.tables.schema import TableEncoder as TableEncoder
from epochal.data.tables.table import repeated_note as repeated_note, rising_note as rising_note
from epochal.data.tables.target import class_words as class_words
from epochal.data.task import Task as Task
from epochal.data.texts.tokens import Vocabulary as Vocabulary, fit_vocabulary as fit_vocabulary
