"""The version of epochal."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
