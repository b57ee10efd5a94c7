"""Cells as people write them, read as numbers, dates and categories."""
