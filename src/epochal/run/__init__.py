"""WHAT is kept: the record of a training, its folder, predictions."""

from epochal.run.evaluation import Bin, Calibration, Evaluation, Residuals
from epochal.run.folder import load, load_record, publish, refuse_existing, save
from epochal.run.forecast import ForecastScores, History, Naive, score_forecasts
from epochal.run.overlap import Overlap
from epochal.run.per_class import ClassFigures, Confused
from epochal.run.prediction import Prediction
from epochal.run.record import BrokenUpdate, Fitted, Outcome, Run, Scores
from epochal.run.threshold import Threshold

__all__ = [
    "Bin",
    "BrokenUpdate",
    "Calibration",
    "ClassFigures",
    "Confused",
    "Evaluation",
    "Fitted",
    "ForecastScores",
    "History",
    "Naive",
    "Outcome",
    "Overlap",
    "Prediction",
    "Residuals",
    "Run",
    "Scores",
    "Threshold",
    "load",
    "load_record",
    "publish",
    "refuse_existing",
    "save",
    "score_forecasts",
]
