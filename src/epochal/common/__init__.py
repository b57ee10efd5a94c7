"""Small things that every other room uses: text on a screen, views in a notebook, waits, names of metrics."""
