"""Helpers that every package may use: text layout, notebook views, waiting, metric names."""
