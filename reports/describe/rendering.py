"""A page for the terminal, and the same in Markdown."""

import re

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.describe.facts import Known, LayerRow, Page, plain

ROWS = 120
"""Kinds of layers that a page lists."""
FACT_WIDTH, COUNT_WIDTH = 30, 5
DOUBTED = {Known.GUESS: "yellow", Known.NOT: "dim"}
NO_DISAGREEMENT = "No two facts were found to disagree."


def print_page(page: Page, console: Console) -> None:
    """Prints every section as a table; guesses stand out. Nothing in the file is read as markup."""
    heading = _grid(FACT_WIDTH)
    heading.add_row(Text(plain(page.title), "bold"), "", Text("how known", "dim"))
    console.print(heading)
    for section in page.sections:
        console.print(Text(f"\n{plain(section.title)}", "bold cyan"), soft_wrap=True)
        table = _grid(FACT_WIDTH)
        for fact in section.facts:
            table.add_row(Text(f"  {plain(fact.what)}"), Text(fact.text), _known(fact.known))
        console.print(table)
    console.print(Text("\nLayers", "bold cyan"))
    table = _grid(COUNT_WIDTH)
    for row in page.layers[:ROWS]:
        text = Text.assemble(plain(row.name), "\n  ", (f"{row.kind} {row.sizes}", "cyan"))
        table.add_row(f"{row.count} x", text, _known(row.known))
    console.print(table)
    if (left := len(page.layers) - ROWS) > 0:
        console.print(f"... and {left:,} kinds of layers more")
    console.print(Text("\nDisagreements" if page.disagreements else f"\n{NO_DISAGREEMENT}", style="bold"))
    for line in page.disagreements:
        console.print(Text(f"- {plain(line)}", style="red"), soft_wrap=True)


def _grid(first: int) -> Table:
    """Columns of the same widths in every section: what, its value, how it is known."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=first, overflow="fold", justify="right" if first == COUNT_WIDTH else "left")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=max(map(len, Known)), no_wrap=True)
    return table


def _known(known: Known) -> Text:
    return Text(known, DOUBTED.get(known, ""))


def as_markdown(page: Page) -> str:
    """The page as Markdown; what the file holds is escaped."""
    lines = [f"# {_escaped(page.title)}", ""]
    for section in page.sections:
        lines += [f"## {_escaped(section.title)}", "", "| | | how known |", "|---|---|---|"]
        lines += [_row(fact.what, fact.text, fact.known) for fact in section.facts]
        lines.append("")
    lines += ["## Disagreements", ""]
    lines += [f"- {_escaped(line)}" for line in page.disagreements] or [NO_DISAGREEMENT]
    lines += ["", "## Layers", "", "| name | layer | sizes | how many | how known |", "|---|---|---|---:|---|"]
    lines += [_row(*_cells(row)) for row in page.layers[:ROWS]]
    if (left := len(page.layers) - ROWS) > 0:
        lines += ["", f"... and {left:,} kinds of layers more"]
    return "\n".join(lines) + "\n"


def _cells(row: LayerRow) -> tuple[str, ...]:
    return row.name, row.kind, row.sizes, str(row.count), row.known


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: object) -> str:
    return re.sub(r"([\\`*_\[\]|<>#])", r"\\\1", plain(text))
