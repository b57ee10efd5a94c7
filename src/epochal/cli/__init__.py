"""PARSE, call, print: the command line."""
