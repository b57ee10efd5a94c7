"""The command line as `python -m epochal`, where its script is not on the path."""

from __future__ import annotations

from epochal.cli.main import run

if __name__ == "__main__":
    run()
