"""Tables, figures and the one-page report of a study: records in, files out."""

from dockkit.report.answer import headline, mutation_sentences
from dockkit.report.figures import write_figures
from dockkit.report.page import render_page, write_report
from dockkit.report.tables import COLUMNS, write_energies, write_results

__all__ = [
    "COLUMNS",
    "headline",
    "mutation_sentences",
    "render_page",
    "write_energies",
    "write_figures",
    "write_report",
    "write_results",
]
