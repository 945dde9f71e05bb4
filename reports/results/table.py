"""The tables of results for the terminal, in Markdown and as CSV."""

import csv
import io

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.markdown_text import code, escape, plain
from reports.markdown_text import table as markdown_table
from reports.results.cells import INTERVALS, NOT_COMPARABLE, cells, counted, header, sentence
from reports.results.content import Mean, Page, Row, Section

WIDE = 130
"""Columns of a terminal that has room for the best run's folder in the table; else it stands below."""
SHOWN = 20
"""Runs without a figure that the terminal lists."""


def print_page(page: Page, console: Console) -> None:
    """Prints every table; nothing in a run's folder is read as markup."""
    for section in page.sections:
        wide = console.width >= WIDE
        console.print(_table(section, wide))
        for row in () if wide else section.rows:
            console.print(Text(f"best run of {row.number}: {plain(row.best_run)}", "dim"), soft_wrap=True)
        for note in section.notes:
            console.print(Text(note), soft_wrap=True)
        for difference in section.differences:
            console.print(Text(sentence(difference), "bold"), soft_wrap=True)
        console.print()
    if page.sections:
        console.print(Text(INTERVALS, "dim"), soft_wrap=True)
    if len(page.sections) > 1:
        console.print(Text(NOT_COMPARABLE, "yellow"), soft_wrap=True)
    console.print(Text(counted(page), "bold"), soft_wrap=True)
    for left in page.left_out[:SHOWN]:
        console.print(Text.assemble((f"{left.state} ", "red"), f"{left.run}: {plain(left.why)}"), soft_wrap=True)
    if (more := len(page.left_out) - SHOWN) > 0:
        console.print(f"... and {more:,} more, which markdown=FILE.md lists", soft_wrap=True)


def _table(section: Section, wide: bool) -> Table:
    title = Text(plain(section.heading), "bold")
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    shown = slice(None if wide else -1)
    for name in header(section)[shown]:
        left = name in ("group", "best run")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for row in section.rows:
        texts = [Text(cell) for cell in cells(section, row, "\n")]
        if row.at_chance:
            texts[-2].stylize("red")
        table.add_row(*texts[shown])
    return table


def as_markdown(page: Page) -> str:
    """The same as Markdown, with every run that no figure is of; what folders hold is escaped."""
    parts = ["# Results"]
    for section in page.sections:
        names = [escape(name) for name in header(section)]
        rows = [[*map(escape, texts), code(run)] for *texts, run in (cells(section, row, " ") for row in section.rows)]
        parts += [f"## {escape(section.heading)}", markdown_table(names, rows, left=2, words=1)]
        if said := [*section.notes, *map(sentence, section.differences)]:
            parts.append("\n".join(f"- {escape(line)}" for line in said))
    if page.sections:
        parts.append(f"{escape(INTERVALS)}.")
    if len(page.sections) > 1:
        parts.append(NOT_COMPARABLE)
    parts.append(counted(page).rstrip(":") + ".")
    if page.left_out:
        rows = [[escape(left.state), code(left.run), escape(left.why)] for left in page.left_out]
        parts.append(markdown_table(["state", "run", "why"], rows, left=3))
    return "\n\n".join(parts) + "\n"


def as_csv(page: Page) -> str:
    """A row a group, in full precision; an empty cell where there is no figure."""
    rows = [_record(section, row) for section in page.sections for row in section.rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0] if rows else ["number"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _record(section: Section, row: Row) -> dict[str, object]:
    return {
        "number": row.number,
        "group": row.name,
        "task": section.task,
        "data": section.data,
        "data_fingerprint": section.data_fingerprint,
        "split": " ".join(section.splits),
        "folds": section.folds,
        "opened": section.opened,
        "monitor": section.monitor,
        **_numbers("val", row.val),
        "test_metric": f"test/{section.headline}",
        **_numbers("test", row.test),
        "runs": row.runs,
        "above_chance": row.above_chance,
        "judged": row.judged,
        "left_out": sum(row.lost.values()),
        "best_run": row.best_run,
    }


def _numbers(prefix: str, mean: Mean | None) -> dict[str, object]:
    low, high = (mean and mean.interval) or (None, None)
    known = (mean.n, mean.value, mean.sd) if mean else (0, None, None)
    return dict(
        zip([f"{prefix}_{name}" for name in ("n", "mean", "sd", "low", "high")], (*known, low, high), strict=True)
    )
