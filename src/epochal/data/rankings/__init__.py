"""Ranked items as pairs."""
