"""The tables of results for a paper: a LaTeX table each, for \\input, that needs only the package booktabs."""

import re

from reports.markdown_text import plain
from reports.results.cells import INTERVALS, NOT_COMPARABLE, cells, counted, header, sentence
from reports.results.content import Page, Section

MARKS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "…": r"\ldots{}",
} | {mark: f"\\{mark}" for mark in "#$%&_{}"}
"""What would be a command, or is not in LaTeX's first font."""


def as_latex(page: Page) -> str:
    """The tables, and below them how many runs they are of; what folders hold is escaped.

    The best run's folder, and the runs that no figure is of, are left to Markdown.
    """
    parts = ["% \\usepackage{booktabs}; from results.py", *map(_table, page.sections)]
    if len(page.sections) > 1:
        parts.append(latex(NOT_COMPARABLE))
    parts.append(latex(counted(page).rstrip(":")) + ".")
    return "\n\n".join(parts) + "\n"


def _table(section: Section) -> str:
    names = header(section)[:-1]
    rows = [cells(section, row, "\n")[:-1] for row in section.rows]
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{latex(section.heading)}: {latex(INTERVALS)}.}}",
        rf"\begin{{tabular}}{{rl{'r' * (len(names) - 2)}}}",
        r"\toprule",
        _line(names),
        r"\midrule",
        "\n\\addlinespace\n".join(map(_line, rows)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    said = [*section.notes, *map(sentence, section.differences)]
    below = [rf"\par\smallskip\footnotesize {latex(line)}" for line in said]
    return "\n".join([*lines, *below, r"\end{table}"])


def _line(texts: list[str]) -> str:
    return " & ".join(map(_stacked, texts)) + r" \\"


def _stacked(text: str) -> str:
    """A cell; of several lines, one above the other."""
    lines = [latex(line) for line in text.split("\n")]
    # Brackets right after a line break would be the height of the break.
    return lines[0] if len(lines) == 1 else r"\shortstack[r]{" + r"\\{}".join(lines) + "}"


def latex(value: object) -> str:
    """Text as text: nothing in it is a command, a minus before a figure is one, and dashes stay as many as they are."""
    text = "".join(MARKS.get(mark, mark) for mark in plain(value))
    return re.sub(r"(?<![\w.)}-])-(?=\d)", "$-$", text).replace("--", "-{}-")
