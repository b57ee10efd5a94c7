"""Pictures on paper, drawn by Matplotlib."""
