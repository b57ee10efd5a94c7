"""`advise`: batch size, learning rate and number of epochs, with their uncertainty."""
