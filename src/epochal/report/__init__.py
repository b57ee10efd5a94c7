"""SAY it: pictures and pages from a run.

document  what a report needs to know
html      how its parts read
figures   the numbers of its interactive figures
page      the whole as one file
"""

from __future__ import annotations

from epochal.report.document import Confusion, ReportDocument, Residuals
from epochal.report.page import page, write_page

__all__ = ["Confusion", "ReportDocument", "Residuals", "page", "write_page"]
