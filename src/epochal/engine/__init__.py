"""The compiled program: updates, epochs and evaluation."""
