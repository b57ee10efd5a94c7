"""Plain arrays, in memory or in files."""
