"""Samples that are not all in memory: large files, objects, iterators."""
