"""Notebook views of records."""
