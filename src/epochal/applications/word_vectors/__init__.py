"""Word vectors learned from a text."""

from epochal.applications.word_vectors.learn import word_vectors as word_vectors
from epochal.applications.word_vectors.vectors import WordVectors as WordVectors
