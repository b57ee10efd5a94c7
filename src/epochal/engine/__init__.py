"""HOW parameters move: updates, epochs and evaluation in one compiled program."""
