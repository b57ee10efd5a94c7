"""Views of records in a notebook."""
