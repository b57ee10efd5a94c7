"""Images, in folders or as arrays of pixels."""
