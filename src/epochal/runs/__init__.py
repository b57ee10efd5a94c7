"""Run folders: the record of a training, its files, predictions and evaluations."""

from epochal.runs.evaluation import (
    Bin as Bin,
    Calibration as Calibration,
    Evaluation as Evaluation,
    Residuals as Residuals,
)
from epochal.runs.forecast import (
    ForecastScores as ForecastScores,
    NaiveForecast as NaiveForecast,
    Observed as Observed,
    score_forecasts as score_forecasts,
)
from epochal.runs.loading import load as load, load_record as load_record
from epochal.runs.outcome import (
    DivergedUpdate as DivergedUpdate,
    Fitted as Fitted,
    Outcome as Outcome,
    Scores as Scores,
)
from epochal.runs.overlap import Overlap as Overlap
from epochal.runs.per_class import ClassMetrics as ClassMetrics, Confused as Confused
from epochal.runs.prediction import Prediction as Prediction
from epochal.runs.run import Run as Run
from epochal.runs.saving import publish as publish, refuse_existing as refuse_existing, save as save
from epochal.runs.threshold import Threshold as Threshold
