"""Reports: static Matplotlib figures, notebook views and pages."""

from __future__ import annotations

__all__ = ["VIEWS"]

VIEWS = {
    "advice_html": "epochal.report.notebook.results:advice_html",
    "advice_page": "epochal.report.advice_page:advice_page",
    "comparison_html": "epochal.report.notebook.results:comparison_html",
    "comparison_page": "epochal.report.comparison_page:comparison_page",
    "dataset_html": "epochal.report.notebook.results:dataset_html",
    "evaluation_html": "epochal.report.notebook.results:evaluation_html",
    "plot_advice": "epochal.report.plots.advice:plot",
    "plot_comparison": "epochal.report.plots.comparison:plot",
    "plot_curves": "epochal.report.plots.curves:plot",
    "plot_forecast": "epochal.report.plots.held_out:plot_forecast",
    "plot_precision_recall": "epochal.report.plots.held_out:plot_precision_recall",
    "prediction_html": "epochal.report.notebook.results:prediction_html",
    "run_html": "epochal.report.notebook.results:run_html",
    "run_page": "epochal.report.run_page:run_page",
    "write_page": "epochal.report.page:write_whole",
}
"""The drawing function of each kind of view: "module:function"."""
