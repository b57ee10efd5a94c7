"""Comparisons and advice as self-contained HTML pages."""

from __future__ import annotations

from pathlib import Path

from epochal.choose.advice import Advice
from epochal.choose.comparison import Comparison
from epochal.report.choice_advice import advice_body
from epochal.report.choice_comparison import comparison_body
from epochal.report.choice_figures import advice_figures, comparison_figures
from epochal.report.choice_frame import title_of
from epochal.report.page import shell, write_whole

__all__ = ["advice_page", "comparison_page", "write_advice", "write_comparison"]

_STYLES = ("page.css", "choice.css")
_SCRIPTS = ("choice_draw.js", "choice.js")


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write the page about a comparison as one self-contained HTML file, atomically."""
    return write_whole(comparison_page(comparison), path)


def write_advice(advice: Advice, path: str | Path, *, command: str = "") -> Path:
    """Write the page about an advice as one self-contained HTML file, atomically.

    Args:
        advice: of the page.
        path: of the page.
        command: the command that trains with the advice, to copy; by default made from the advice, which does
            not know the options of a command line.
    """
    return write_whole(advice_page(advice, command), path)


def comparison_page(comparison: Comparison) -> str:
    """The page about a comparison as text."""
    return shell(
        f"comparison · {title_of(comparison)}",
        comparison_body(comparison),
        comparison_figures(comparison),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )


def advice_page(advice: Advice, command: str = "") -> str:
    """The page about an advice as text."""
    return shell(
        f"advice · {title_of(advice)}",
        advice_body(advice, command),
        advice_figures(advice),
        styles=_STYLES,
        scripts=_SCRIPTS,
    )
