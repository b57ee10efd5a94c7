"""Rankings: pairs of ranked items."""
