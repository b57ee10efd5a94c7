"""WORD VECTORS: a text becomes pairs of words, and pairs become vectors."""

from epochal.words.learn import word_vectors
from epochal.words.vectors import WordVectors

__all__ = ["WordVectors", "word_vectors"]
