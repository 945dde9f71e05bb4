"""The epochs that a file remembers: how many, which was best, and since when a figure is no number."""

import math
import re

from reports.describe.facts import Fact, Known

Rows = list[dict[str, float | None]]
VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|eval|dev)", re.IGNORECASE)
MORE_IS_BETTER = re.compile(r"acc|f1|auc|map$|recall|precision|top", re.IGNORECASE)
LESS_IS_BETTER = re.compile(r"loss|nll|error|perplexity|mae|mse", re.IGNORECASE)
NUMBERED = "epoch"
SHOWN = 12
"""Figures of an epoch."""


def describe_history(rows: Rows) -> list[Fact]:
    """Facts of the epochs; nothing where there are none. Epochs without numbers of their own are counted from 1."""
    if not rows:
        return []
    numbered = all(isinstance(row.get(NUMBERED), int) for row in rows)
    epochs = [row[NUMBERED] for row in rows] if numbered else list(range(1, len(rows) + 1))
    known = Known.COMPUTED if numbered else Known.GUESS
    counted = "" if numbered else " (counted from 1)"
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != NUMBERED]
    facts = [
        Fact("epochs", len(rows), Known.STORED),
        Fact("figures", columns, Known.STORED),
        Fact("last epoch", f"{epochs[-1]}{counted}: {_figures(rows[-1], columns)}", known),
    ]
    if (watched := watched_figure(columns)) is not None and (place := best_row(rows, watched)) is not None:
        text = f"{epochs[place]}{counted}, by {watched}: {_figures(rows[place], columns)}"
        facts.insert(2, Fact("best epoch", text, known))
    for name in columns:
        if (since := sick_since(rows, name)) is not None:
            facts.append(Fact(f"{name} is no number", f"since epoch {epochs[since]} of {epochs[-1]}", known))
    return facts


def watched_figure(columns: list[str]) -> str | None:
    """What most likely chose the best epoch: accuracy or the like on validation data, else the loss there."""
    validated = [name for name in columns if VALIDATION.search(name)]
    for wanted in (re.compile("acc", re.IGNORECASE), MORE_IS_BETTER, LESS_IS_BETTER):
        if found := [name for name in validated if wanted.search(name)]:
            return found[0]
    return None


def best_row(rows: Rows, name: str) -> int | None:
    """The place of the best finite figure; the first of equals."""
    finite = [(row[name], place) for place, row in enumerate(rows) if is_number(row.get(name))]
    if not finite:
        return None
    sign = -1 if MORE_IS_BETTER.search(name) else 1
    return min(finite, key=lambda one: (sign * one[0], one[1]))[1]


def sick_since(rows: Rows, name: str) -> int | None:
    """The place from which on a figure is NaN or infinite to the end; None where its last one is a number."""
    known = [(place, row[name]) for place, row in enumerate(rows) if row.get(name) is not None]
    since = None
    for place, value in known:
        if math.isfinite(value):
            since = None
        elif since is None:
            since = place
    return since


def is_number(value: object) -> bool:
    return value is not None and math.isfinite(value)


def _figures(row: dict[str, float | None], columns: list[str]) -> str:
    # assay's own baselines stand below the figure that they belong to: val/loss/unigram
    columns = [name for name in columns if name.count("/") < 2][:SHOWN]
    return ", ".join(f"{name} {row[name]:.6g}" for name in columns if row.get(name) is not None)
