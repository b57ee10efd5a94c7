"""The version of epochal."""

VERSION = "0.1.0"
