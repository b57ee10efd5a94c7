"""Search of batch size and learning rate with short trainings, and the final seeds."""
