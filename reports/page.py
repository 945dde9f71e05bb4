"""A report's Markdown as one HTML file that needs nothing beside it: style inline, pictures as base64, no script."""

import base64
import html
import re
from collections.abc import Mapping
from pathlib import Path

import markdown

from models.baselines.verdict import ABOVE_CHANCE, AT_CHANCE, BEATS_BEST, UNSURE_OF_BEST, UNSURE_OF_CHANCE
from reports.parts import SHORT

STYLE = Path(__file__).with_name("style.css")
COLOURS = {
    BEATS_BEST: "good",
    UNSURE_OF_BEST: "fair",
    ABOVE_CHANCE: "fair",
    UNSURE_OF_CHANCE: "fair",
    AT_CHANCE: "bad",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def to_html(text: str, title: str, pictures: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        pictures: file name -> PNG, for the images of the Markdown; one that is not among them is left out.
    """
    # Two quotes with only an empty line between them are one in this dialect; on GitHub they are two.
    apart = text.replace("\n\n> [!", "\n\n<!-- -->\n\n> [!")
    body = markdown.markdown(apart, extensions=["tables", "md_in_html", "fenced_code", "sane_lists"]).replace(
        "<!-- -->\n", ""
    )
    body = re.sub(
        r"<blockquote>\s*<p>\[!([A-Z]+)\]\s*(</p>)?",
        lambda found: f'<blockquote class="{found[1].lower()}">{"" if found[2] else "<p>"}',
        body,
    )
    body = re.sub(r"<table>(.*?)</table>", r'<div class="wide"><table>\1</table></div>', body, flags=re.DOTALL)
    for level, colour in COLOURS.items():
        body = body.replace(f">{SHORT[level]}</td>", f'><span class="{colour}">{SHORT[level]}</span></td>')
    body = re.sub(r'<img alt="([^"]*)" src="([^"]*)"[^>]*>', lambda found: _picture(found, pictures), body)
    return PAGE.format(title=html.escape(title), style=STYLE.read_text().strip(), body=body)


def _picture(found: re.Match, pictures: Mapping[str, bytes]) -> str:
    alt, name = found.groups()
    if name not in pictures:
        return ""
    data = base64.b64encode(pictures[name]).decode()
    return f'<img alt="{alt}" class="{Path(name).stem}" src="data:image/png;base64,{data}">'
