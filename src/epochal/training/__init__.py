"""Training from settings to result: preparation, loop, checkpoints, resuming."""
