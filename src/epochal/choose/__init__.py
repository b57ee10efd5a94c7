"""WHICH is better: measurements, paired comparisons and advice.

bench    the samples and seeds that all trainings of a comparison share
compare  a grid of settings, each trained with the same seeds
advise   a batch size, a learning rate and a number of epochs, searched
"""
