"""Static Matplotlib figures."""
