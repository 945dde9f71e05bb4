"""What all pictures of a report share: colours, and names that matplotlib takes as they are."""

from reports.markdown_text import plain

MODEL, TRAIN, TEST, GREY = "#1f77b4", "#999999", "#d62728", "#aaaaaa"
BASELINE = "#c96f12"
"""Whatever a model is compared with is orange, in every picture."""


def label_text(name: object, longest: int = 28) -> str:
    """A name from data as a short line: dollar signs make no formula, a first underscore hides nothing of a legend."""
    text = plain(name, longest).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
