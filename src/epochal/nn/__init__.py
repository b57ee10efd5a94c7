"""Layers and built-in networks for images, sequences and texts.

Flax NNX modules and functions that are fast inside compiled loops on a CPU and use the vendor's kernels on
accelerators. Importing this imports Flax.
"""

from epochal.nn.basic import Dense, Embed, masked_mean
from epochal.nn.cnn import CNN
from epochal.nn.convolution import Conv, convolve, max_pool
from epochal.nn.network import Network
from epochal.nn.recurrent import Recurrent, gru, lstm
from epochal.nn.sequence import GRU, LSTM, Stateful
from epochal.nn.text import TextClassifier

NETWORKS: dict[str, type[Network]] = {
    network.kind: network for network in (CNN, LSTM, GRU, TextClassifier, Stateful)
}
"""The built-in networks by kind."""

__all__ = [
    "CNN",
    "GRU",
    "LSTM",
    "NETWORKS",
    "Conv",
    "Dense",
    "Embed",
    "Network",
    "Recurrent",
    "Stateful",
    "TextClassifier",
    "convolve",
    "gru",
    "lstm",
    "masked_mean",
    "max_pool",
]
