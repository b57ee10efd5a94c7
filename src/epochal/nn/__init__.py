"""Layers, and the built-in networks for images, sequences and texts; `MLP` is in `models.built_in`.

Flax NNX modules and functions that are fast inside compiled loops on a CPU and use the vendor's kernels on
accelerators. Importing this imports Flax.
"""

from epochal.nn.basic import Dense as Dense, Embed as Embed, masked_mean as masked_mean
from epochal.nn.cnn import CNN as CNN
from epochal.nn.convolution import Conv as Conv, convolve as convolve, max_pool as max_pool
from epochal.nn.network import Network as Network
from epochal.nn.recurrent import Recurrent as Recurrent, gru as gru, lstm as lstm
from epochal.nn.sequence import GRU as GRU, LSTM as LSTM, Stateful as Stateful
from epochal.nn.text import TextClassifier as TextClassifier

NETWORKS: dict[str, type[Network]] = {
    network.kind: network for network in (CNN, LSTM, GRU, TextClassifier, Stateful)
}
"""The built-in networks by kind."""
