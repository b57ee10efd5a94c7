"""Time series: windows, gaps, and splits in time."""
