"""The files that a user asks results.py for, each drawn or worded only if it is wanted."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reports.results import table
from reports.results.content import Bundle, Page
from storage import atomic

SHOWN = {"plot": "the groups with their intervals", "parallel": "the runs over the keys in which they differ"}
"""What a picture shows, for a person who does not see it."""


def write_files(files: Mapping[str, Path], page: Page, bundles: Callable[[], Sequence[Bundle]]) -> None:
    """Writes what `reports.results.options.FILES` names; a page of HTML holds the pictures that are asked for too.

    Raises:
        OSError: where a file cannot be written.
    """
    pictures = {}
    if "plot" in files:
        from reports.results import plot

        pictures["plot"] = plot.as_png(page)
    if "parallel" in files:
        from reports.results import parallel

        pictures["parallel"] = parallel.as_png(bundles())
    for key, path in files.items():
        if key in pictures:
            atomic.write_bytes(path, pictures[key])
        else:
            atomic.write_text(path, _text(key, page, pictures))


def _text(key: str, page: Page, pictures: Mapping[str, bytes]) -> str:
    if key == "html":
        from reports.results.web import as_html

        return as_html(page, {SHOWN[name]: drawn for name, drawn in pictures.items()})
    if key == "latex":
        from reports.results.latex import as_latex

        return as_latex(page)
    return table.as_csv(page) if key == "csv" else table.as_markdown(page)
