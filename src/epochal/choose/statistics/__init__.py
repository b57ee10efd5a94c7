"""Statistics of comparisons and advice: pairs, races, time to a target, the gradient noise scale."""
