"""Tables: which input each column is, which target, and new rows in the same way."""
