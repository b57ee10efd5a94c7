"""`compare`: a grid of settings, its table, and the recommended one."""
