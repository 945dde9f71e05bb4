"""What an evaluation prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from callbacks.provisional_verdict import colour
from reports.evaluated import lead_words, temperature_words, weight_words
from reports.parts import SHORT

ROWS = 40
"""Classes that are printed; of more, the report has them all."""
NAME_WIDTH = 24
"""Characters of a member's name at most: the numbers beside it must fit 80 columns."""


def print_evaluation(numbers: Mapping, folder: Path, console: Console) -> None:
    """The figures with their intervals, members, classes or fields, calibration and verdict."""
    title = f"[bold]{escape(numbers['model'])} on {escape(numbers['data'])}[/]"
    console.print(f"{title}, {numbers['views']}" if "views" in numbers else title, soft_wrap=True)
    console.print(_figures(numbers))
    for key, table in (("members", _members), ("of_members", _members_of_events)):
        if key in numbers:
            console.print(table(numbers))
            console.print(lead_words(numbers), markup=False, soft_wrap=True)
    if said := weight_words(numbers):
        console.print(said, markup=False, soft_wrap=True)
    _print_parts(numbers, console)
    lines = {"calibration": temperature_words(numbers)}
    if numbers["verdict"]:
        style, sentence = colour(numbers["verdict"]["level"]), escape(numbers["verdict"]["sentence"])
        lines["verdict"] = f"[{style}]{sentence}[/]"
    else:
        lines["no verdict"] = escape(numbers["verdict_missing"])
    lines |= {f"note {i}": escape(note) for i, note in enumerate(numbers["notes"], 1)}
    for name, line in (lines | {"report": escape(str(folder / "report.html"))}).items():
        if line:
            console.print(f"{name:<12} {line}", soft_wrap=True)


def _table(title: str, first: str) -> Table:
    table = Table(title=escape(title) or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column(first, no_wrap=True)
    return table


def _figures(numbers: Mapping) -> Table:
    table = _table("", f"{numbers['split']} ({numbers['size']:,})")
    table.add_column("", justify="right")
    table.add_column("95 %", justify="right", no_wrap=True)
    for place, row in enumerate(numbers["figures"].values()):
        table.add_row(row["label"], f"{row['value']:.4f}", _span(row["interval"]))
        for name, value in numbers["baselines"].items() if place == 0 else ():
            table.add_row(f"  {escape(name)}", f"{value:.4f}", "")
    for name, part in numbers.get("parts", {}).items():
        table.add_row(f"{escape(name.replace('_', ', '))} ({part['members']})", f"{part['accuracy']:.4f}", "")
    return table


def _members(numbers: Mapping) -> Table:
    table = _table_of_members("temperature", ("accuracy", "macro-F1", "cross-entropy", "temperature"))
    for one in numbers["members"]:
        known, temperature = one["figures"], one["temperature"]
        table.add_row(
            _name(one),
            _with_interval(known["accuracy"]),
            f"{known['macro_f1']['value']:.4f}",
            _with_interval(known["loss"]),
            "" if temperature is None else f"{temperature:.3f}",
        )
    return table


def _members_of_events(numbers: Mapping) -> Table:
    table = _table_of_members("temperatures", ("accuracy", "nats an event"))
    for one in numbers["of_members"]:
        known = one["figures"]
        table.add_row(_name(one), _with_interval(known["accuracy"]), _with_interval(known["joint_nll"]))
    return table


def _table_of_members(what: str, headings: Sequence[str]) -> Table:
    """Each figure above its interval; where it is narrow, names end in an ellipsis and the numbers stay whole."""
    title = f"members, each at its {what}; 95 % below"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("run", max_width=NAME_WIDTH)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _name(member: Mapping) -> Text:
    # Not the column's own no_wrap, which would take the width that is missing from every column.
    return Text(Path(member["run"]).name, no_wrap=True, overflow="ellipsis")


def _with_interval(figure: Mapping) -> str:
    return f"{figure['value']:.4f}\n{_span(figure['interval'])}".rstrip()


def _print_parts(numbers: Mapping, console: Console) -> None:
    """Classes or fields. Where it is narrow some baselines' columns stay away: first what they hit, then from the left,
    so that the one to beat, which is the last, stays longest."""
    rows = dict(list(numbers["table"].items())[:ROWS])
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    spare = [name for name in columns[1:] if name not in ("accuracy", "floor", "verdict")]
    spare.sort(key=lambda name: not name.startswith("accuracy,"))
    left_out, unbounded = [], console.options.update(max_width=1000)
    table = _by_part(rows, columns, numbers["table_title"])
    while spare and console.measure(table, options=unbounded).maximum > console.width:
        left_out.append(spare.pop(0))
        columns.remove(left_out[-1])
        table = _by_part(rows, columns, numbers["table_title"])
    console.print(table)
    left = [f"{len(numbers['table']) - len(rows)} more"] if len(numbers["table"]) > len(rows) else []
    if left := [*left, *left_out]:
        console.print(f"and {'; '.join(left)}: in the report", soft_wrap=True, highlight=False, markup=False)


def _by_part(rows: Mapping[str, Mapping], columns: Sequence[str], title: str) -> Table:
    table = _table(title, "")
    for name in columns:
        table.add_column(escape(name), justify="left" if name == "verdict" else "right", no_wrap=True)
    for part, row in rows.items():
        table.add_row(escape(part), *(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else escape(str(SHORT.get(value, value)))


def _span(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.3f}-{pair[1]:.3f}"
