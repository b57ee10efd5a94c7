"""Trials: trainings of candidates on shared samples and seeds, their lengths, times and folder."""
