"""Uses of epochal that are made of its public face alone."""
