"""Tables: input columns, target, and encoding of new rows."""
