"""Matplotlib pictures."""
