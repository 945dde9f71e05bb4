"""The tables of results as one HTML file that needs nothing beside it, in the look of a run's report."""

import re
from collections.abc import Mapping

from reports.page import to_html
from reports.results.content import Page
from reports.results.table import as_markdown


def as_html(page: Page, pictures: Mapping[str, bytes]) -> str:
    """The page, its pictures below the tables.

    Args:
        pictures: what each shows -> PNG.
    """
    files = {f"picture{number}.png": drawn for number, drawn in enumerate(pictures.values())}
    images = [f"![{shown}]({name})" for shown, name in zip(pictures, files, strict=True)]
    body = to_html("\n\n".join([as_markdown(page), *images]), "Results", files)
    body = body.replace("<main>", '<main style="max-width: 84rem">', 1)  # a table of results is wider than a report's
    return re.sub(r">(! \d+ of [^<]*)</td>", r'><span class="bad">\1</span></td>', body)
