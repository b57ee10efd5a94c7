"""Reports: pictures on paper, notebook views and pages."""

from __future__ import annotations

__all__ = ["VIEWS"]

VIEWS = {
    "advice_html": "epochal.report.notebook.choices:advice_html",
    "comparison_html": "epochal.report.notebook.choices:comparison_html",
    "dataset_html": "epochal.report.notebook.dataset:dataset_html",
    "evaluation_html": "epochal.report.notebook.runs:evaluation_html",
    "plot_advice": "epochal.report.paper.advice:plot",
    "plot_comparison": "epochal.report.paper.comparison:plot",
    "plot_curves": "epochal.report.paper.curves:plot",
    "plot_forecast": "epochal.report.paper.forecast:plot_forecast",
    "plot_precision_recall": "epochal.report.paper.precision_recall:plot_precision_recall",
    "prediction_html": "epochal.report.notebook.runs:prediction_html",
    "run_html": "epochal.report.notebook.runs:run_html",
    "write_advice": "epochal.report.of_choice:write_advice",
    "write_comparison": "epochal.report.of_choice:write_comparison",
    "write_run": "epochal.report.of_run:write_report",
}
"""The drawing function of each kind of view: "module:function"."""
