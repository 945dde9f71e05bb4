"""The tables of results for the terminal, in Markdown and as CSV."""

import csv
import io

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.markdown_text import code, escape, plain
from reports.markdown_text import table as markdown_table
from reports.results.content import Difference, Mean, Page, Row, Section

WIDE = 130
"""Columns of a terminal that has room for the best run's folder in the table; else it stands below."""
SHOWN = 20
"""Runs without a figure that the terminal lists."""
NOT_COMPARABLE = "The tables are not comparable with one another: other data or split, or another monitor."
INTERVALS = "mean ± standard deviation [95 % interval of the mean, Student's t]; n: seeds, or seeds and folds"


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
    console.print(Text(_counted(page), "bold"), soft_wrap=True)
    for left in page.left_out[:SHOWN]:
        console.print(Text.assemble((f"{left.state} ", "red"), f"{left.run}: {plain(left.why)}"), soft_wrap=True)
    if (more := len(page.left_out) - SHOWN) > 0:
        console.print(f"... and {more:,} more, which markdown=FILE.md lists", soft_wrap=True)


def _table(section: Section, wide: bool) -> Table:
    title = Text(plain(section.heading), "bold")
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    shown = slice(None if wide else -1)
    for name in _header(section)[shown]:
        left = name in ("group", "best run")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for row in section.rows:
        cells = [Text(cell) for cell in _cells(section, row, "\n")]
        if row.at_chance:
            cells[-2].stylize("red")
        table.add_row(*cells[shown])
    return table


def _header(section: Section) -> list[str]:
    test = [_titled(f"test/{section.headline}", section.headline_falls)] if _tested(section) else []
    return ["#", "group", "n", _titled(section.monitor, section.monitor_falls), *test, "above chance", "best run"]


def _titled(metric: str, falls: bool) -> str:
    return f"{plain(metric)} {'↓' if falls else '↑'}"


def _tested(section: Section) -> bool:
    return any(row.test for row in section.rows)


def _cells(section: Section, row: Row, between: str) -> list[str]:
    """What stands in a row's columns; `between` parts a mean from its interval."""
    n = f"{row.val.n}" + "".join(f"{between}+{count} {state}" for state, count in row.lost.items())
    test = [_spread(row.test, between, row.val.n)] if _tested(section) else []
    values = [plain(row.name), n, _spread(row.val, between, row.val.n), *test, _chance(row), plain(row.best_run)]
    return [str(row.number), *values]


def _chance(row: Row) -> str:
    """How many runs are surely above it; a row with one that is not is marked."""
    if not row.judged:
        return "no verdict"
    silent = f", {row.runs - row.judged} without verdict" if row.judged < row.runs else ""
    return f"{'! ' if row.at_chance else ''}{row.above_chance} of {row.judged}{silent}"


def _spread(mean: Mean | None, between: str, n: int) -> str:
    if mean is None:
        return "not opened"
    sd = "" if mean.sd is None else f" ± {figure(mean.sd)}"
    interval = "no interval" if mean.interval is None else "[{}, {}]".format(*map(figure, mean.interval))
    fewer = f"{between}of {mean.n} only" if mean.n < n else ""
    return f"{figure(mean.value)}{sd}{between}{interval}{fewer}"


def figure(value: float) -> str:
    """Four decimals; two digits of what would be 0 with them."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"


def sentence(difference: Difference) -> str:
    """`1 minus 2, val/loss over 3 pairs: -0.0312 [-0.0512, -0.0112], p 0.012: 1 is better`."""
    mean, head = difference.mean, f"{difference.first} minus {difference.second}, {plain(difference.metric)}"
    if mean is None:
        return f"{head}: no seed and fold in common"
    over = f"{head} over {mean.n} pair{'s' * (mean.n != 1)} of the same seed and fold: {mean.value:+.4f}"
    if mean.interval is None:
        why = "one pair has no spread" if mean.n == 1 else "all pairs differ by the same"
        return f"{over}, no interval: {why}"
    low, high = mean.interval
    better = difference.first if (mean.value < 0) == difference.less_is_better else difference.second
    said = "not surely different" if low <= 0 <= high else f"{better} is better"
    p = "p < 0.001" if difference.p < 0.001 else f"p {difference.p:.3f}"
    return f"{over} [{low:+.4f}, {high:+.4f}], {p}: {said}"


def _counted(page: Page) -> str:
    averaged = page.runs - len(page.left_out)
    left = f"; no figure is of the other {len(page.left_out):,}:" if page.left_out else ""
    return f"{page.runs:,} run{'s' * (page.runs != 1)} read, {averaged:,} in the tables{left}"


def as_markdown(page: Page) -> str:
    """The same as Markdown, with every run that no figure is of; what folders hold is escaped."""
    parts = ["# Results"]
    for section in page.sections:
        header = [escape(name) for name in _header(section)]
        rows = [[*map(escape, cells[:-1]), code(cells[-1])] for cells in _all_cells(section)]
        parts += [f"## {escape(section.heading)}", markdown_table(header, rows, left=2, words=1)]
        if said := [*section.notes, *map(sentence, section.differences)]:
            parts.append("\n".join(f"- {escape(line)}" for line in said))
    if page.sections:
        parts.append(f"{escape(INTERVALS)}.")
    if len(page.sections) > 1:
        parts.append(NOT_COMPARABLE)
    parts.append(_counted(page).rstrip(":") + ".")
    if page.left_out:
        rows = [[escape(left.state), code(left.run), escape(left.why)] for left in page.left_out]
        parts.append(markdown_table(["state", "run", "why"], rows, left=3))
    return "\n\n".join(parts) + "\n"


def _all_cells(section: Section) -> list[list[str]]:
    return [_cells(section, row, " ") for row in section.rows]


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
