"""Tables whose rows follow one another in time: windows, gaps and splits in time."""
