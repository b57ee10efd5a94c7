"""Run folders: the record of a training, its files, predictions and evaluations."""

from epochal.runs.evaluation import Bin as Bin
from epochal.runs.evaluation import Calibration as Calibration
from epochal.runs.evaluation import Evaluation as Evaluation
from epochal.runs.evaluation import Residuals as Residuals
from epochal.runs.forecast import ForecastScores as ForecastScores
from epochal.runs.forecast import Naive as Naive
from epochal.runs.forecast import Observed as Observed
from epochal.runs.forecast import score_forecasts as score_forecasts
from epochal.runs.loading import load as load
from epochal.runs.loading import load_record as load_record
from epochal.runs.outcome import BrokenUpdate as BrokenUpdate
from epochal.runs.outcome import Fitted as Fitted
from epochal.runs.outcome import Outcome as Outcome
from epochal.runs.outcome import Scores as Scores
from epochal.runs.overlap import Overlap as Overlap
from epochal.runs.per_class import ClassMetrics as ClassMetrics
from epochal.runs.per_class import Confused as Confused
from epochal.runs.prediction import Prediction as Prediction
from epochal.runs.record import Run as Run
from epochal.runs.saving import publish as publish
from epochal.runs.saving import refuse_existing as refuse_existing
from epochal.runs.saving import save as save
from epochal.runs.threshold import Threshold as Threshold
