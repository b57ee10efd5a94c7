"""Run folders: the record of a training, its files, predictions and evaluations."""

from epochal.runs.evaluation import Bin, Calibration, Evaluation, Residuals
from epochal.runs.forecast import ForecastScores, Naive, Observed, score_forecasts
from epochal.runs.loading import load, load_record
from epochal.runs.outcome import BrokenUpdate, Fitted, Outcome, Scores
from epochal.runs.overlap import Overlap
from epochal.runs.per_class import ClassMetrics, Confused
from epochal.runs.prediction import Prediction
from epochal.runs.record import Run
from epochal.runs.saving import publish, refuse_existing, save
from epochal.runs.threshold import Threshold

__all__ = [
    "Bin",
    "BrokenUpdate",
    "Calibration",
    "ClassMetrics",
    "Confused",
    "Evaluation",
    "Fitted",
    "ForecastScores",
    "Naive",
    "Observed",
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
