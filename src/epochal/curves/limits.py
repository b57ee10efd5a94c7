"""Thresholds of the verdict: sizes below which a difference is negligible; each is arbitrary."""

from __future__ import annotations

MIN_EVALUATIONS = 10
MIN_REPEATS = 4  # below, a t interval is too wide to be useful, and evidence per sample is used
RISE = 0.02  # of the baseline loss: a rise of the validation loss worth reporting
LEARNED = 0.05  # of the learned gain (baseline minus lowest validation loss): likewise
ABOVE_MINIMUM = 1.2  # times the lowest validation loss: an end above it is never a good fit
FALL = 0.01  # of the baseline loss, over the last fifth of the run: a fall worth waiting for
FLAT = 0.20  # of the lowest loss: flat curves rise by no more, nor would they fall in twice the epochs
EXPLAINED = 0.20  # of the baseline loss: a training loss that explains less has learned little
GAP = 0.05  # of the baseline loss: a smaller gap between validation and training is negligible
JUMP = 0.10  # of the baseline loss, within one evaluation: a jump of the training loss
COLLAPSE = 0.50  # of the baseline loss, within one evaluation: a collapse
