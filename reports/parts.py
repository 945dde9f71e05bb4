"""The classes or fields one by one, beside their baselines: as a table and as a picture."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from models.baselines.verdict import ABOVE_CHANCE, AT_CHANCE, BEATS_BEST, UNSURE_OF_BEST, UNSURE_OF_CHANCE
from reports.drawing import BASELINE, MODEL, label_text
from reports.markdown_text import code, details, escape, figure, table
from reports.run_files import RunFiles, mapping, number, rises

ROWS = 40
"""Rows of the category-wise table that stand open."""
OWN = ("cross-entropy", "accuracy", "balanced", "top", "calib", "recall", "precision", "f1", "macro", "accu", "share")
"""How the model's own columns begin; `clips` and `events` count."""
COUNTS = ("clips", "events", "members", "count", "n")
SHORT = {
    BEATS_BEST: "beats the best",
    UNSURE_OF_BEST: "above chance",
    ABOVE_CHANCE: "below the best",
    UNSURE_OF_CHANCE: "not sure",
    AT_CHANCE: "at chance",
}
"""Verdicts as a narrow column has them."""
COUNTED = {
    BEATS_BEST: "beat the best baseline",
    UNSURE_OF_BEST: "above chance and not surely above the best baseline",
    ABOVE_CHANCE: "above chance and below the best baseline",
    UNSURE_OF_CHANCE: "not surely above chance",
    AT_CHANCE: "at or below chance",
}
FLOOR = "floor"
SHADES = ("#cccccc", "#f0d3a4", "#e3a556", BASELINE)
"""Of the baselines in the table's order; fewer take the last ones."""
ENDS = 15
"""Of more than twice as many, the worst and the best are drawn."""


@dataclass(frozen=True)
class Parts:
    """The category-wise figures."""

    title: str
    rows: dict[str, dict[str, object]]
    """Class or field -> column -> figure or text."""
    columns: list[str]
    model: str | None
    """The column of the model's headline figure."""
    baselines: list[str]
    """The columns to compare it with, without the floor."""

    @property
    def more_is_better(self) -> bool:
        return self.model is None or rises(self.model.replace("cross-entropy", "loss"))


def parts_of(run: RunFiles) -> Parts | None:
    """The table of evaluation.json, else the result's fields; with a verdict for each where there are verdicts."""
    rows = {str(n): dict(mapping(r)) for n, r in mapping(run.evaluation.get("table")).items()}
    rows = rows or {str(n): dict(mapping(r)) for n, r in mapping(run.test.get("by_field")).items()}
    if not rows:
        return None
    for name, verdict in mapping(run.verdict.get("parts")).items():
        known = mapping(verdict)
        if (words := known.get("words", known.get("level"))) and name in rows:
            rows[name].setdefault("verdict", words)
    columns = list(dict.fromkeys(str(column) for row in rows.values() for column in row))
    figures = [c for c in columns if any(number(row.get(c)) is not None for row in rows.values())]
    own = [column for column in figures if column.lower().startswith(OWN)]
    model = next((column for column in own if column.startswith("cross-entropy")), own[0] if own else None)
    others = [column for column in figures if column not in own and column.lower() not in (*COUNTS, FLOOR)]
    split = "test" if run.evaluation.get("split", "test") == "test" else "validation"
    title = str(
        run.evaluation.get("table_title") or f"each {'field' if run.task == 'events' else 'class'} on the {split} split"
    )
    if run.task == "clips" and model:
        rows = dict(sorted(rows.items(), key=lambda item: _or_zero(item[1].get(model))))
    return Parts(title, rows, columns, model, others)


def part_table(run: RunFiles) -> str:
    """Each class (the worst first) or field beside its baselines and floor; the better side of each row is bold."""
    parts = parts_of(run)
    if parts is None:
        return ""
    texts = [c for c in parts.columns if all(number(r.get(c)) is None for r in parts.rows.values())]
    columns = [column for column in parts.columns if column not in texts] + texts
    body = [[code(name, 60), *(_cell(parts, row, column) for column in columns)] for name, row in parts.rows.items()]
    header = ["class" if run.task == "clips" else "field", *(escape(column, 40) for column in columns)]
    shown, folded = (table(header, rows, words=len(texts)) for rows in (body[:ROWS], body[ROWS:]))
    text = f"{_count(parts, run)}\n\n{shown}"
    return f"{text}\n\n{details(f'the other {len(body) - ROWS}', folded)}" if len(body) > ROWS else text


def part_picture(run: RunFiles) -> Figure | None:
    """A line a class or field, with dots for the model and what it is compared with; of many the worst and the best."""
    parts = parts_of(run)
    if parts is None or parts.model is None:
        return None
    rows = [(name, row) for name, row in parts.rows.items() if number(row.get(parts.model)) is not None]
    if not rows:
        return None
    left_out = len(rows) - 2 * ENDS
    if left_out > 0:
        ordered = sorted(rows, key=lambda item: item[1][parts.model], reverse=not parts.more_is_better)
        rows = ordered[:ENDS] + ordered[-ENDS:]
    figure_ = Figure(figsize=(10, 1.4 + 0.3 * len(rows)), layout="constrained")
    axis = figure_.subplots()
    drawn = [column for column in (*parts.baselines, FLOOR) if column in parts.columns]
    for place, column in enumerate((*drawn, parts.model)):
        points = [(value, y) for y, (_, row) in enumerate(rows) if (value := number(row.get(column))) is not None]
        if points:
            label = run.model if column == parts.model else column
            axis.plot(*zip(*points, strict=True), linestyle="", label=label_text(label), **_mark(column, place, parts))
    for y, (_, row) in enumerate(rows):
        values = [value for c in (*drawn, parts.model) if (value := number(row.get(c))) is not None]
        axis.plot([min(values), max(values)], [y, y], color="#dddddd", linewidth=1, zorder=0)
    if left_out > 0:
        axis.axhline(ENDS - 0.5, color="#999999", linestyle=":", linewidth=1)
        axis.text(1, ENDS - 0.5, f" {left_out} between", transform=axis.get_yaxis_transform(), fontsize=9, va="center")
    axis.set_yticks(range(len(rows)), [label_text(name) for name, _ in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel(f"{parts.model}{', nats' if not parts.more_is_better else ''}")
    if parts.more_is_better:
        axis.set_xlim(-0.02, 1.02)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return figure_


def _mark(column: str, place: int, parts: Parts) -> dict:
    if column == parts.model:
        return {"marker": "o", "color": MODEL, "markersize": 8, "zorder": 4}
    if column == FLOOR:
        return {"marker": "|", "color": "#222222", "markersize": 13, "markeredgewidth": 2, "zorder": 3}
    shade = max(0, len(SHADES) - len(parts.baselines) + place)
    return {"marker": "D", "color": SHADES[min(shade, len(SHADES) - 1)], "markersize": 6, "zorder": 2}


def _count(parts: Parts, run: RunFiles) -> str:
    """How many beat their baselines, in words."""
    title = escape(parts.title)
    verdicts = [row.get("verdict") for row in parts.rows.values()]
    counted = [f"{count} {words}" for level, words in COUNTED.items() if (count := verdicts.count(level))]
    return f"{title[:1].upper()}{title[1:]}." + (f" Of {len(verdicts)}: {', '.join(counted)}." if counted else "")


def _cell(parts: Parts, row: dict[str, object], column: str) -> str:
    value = row.get(column)
    if isinstance(value, str) and value in SHORT:
        return SHORT[value]
    compared = [parts.model, *parts.baselines]
    if column.lower() in COUNTS and number(value) is not None:
        return f"{value:,.0f}"
    if column not in compared or number(value) is None:
        return figure(value)
    figures = [known for c in compared if (known := number(row.get(c))) is not None]
    best = value == (max if parts.more_is_better else min)(figures)
    text = figure(float(value))
    return f"**{text}**" if best and len(figures) > 1 else text


def _or_zero(value: object) -> float:
    known = number(value)
    return 0.0 if known is None else known
