"""`compare` and `advise`: comparison of settings, and advice on batch size, learning rate and epochs."""
