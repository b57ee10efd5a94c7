"""A training from its settings to its result: prepare, run, keep, resume."""
