"""Adapters: epochal within other libraries, and their models within epochal."""
