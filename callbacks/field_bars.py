"""Every field of the events beside what it has to beat, as bars in TensorBoard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightning as L
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.baseline_lines import BaselineLines, Levels
from callbacks.board import board_of
from callbacks.pictures import for_a_card, short
from callbacks.split_chart import SplitChart, step_of
from schemas.events import EventSchema

MODEL, BASELINE, UNIFORM = "#1f77b4", "#c96f12", "#555555"
"""The model is blue and what it is compared with orange, as in the report's pictures."""


@dataclass(frozen=True)
class FieldFigures:
    """One field on one split."""

    name: str
    ce: float
    """Nats; with chained heads given the event's earlier fields, and so are the baseline's."""
    accuracy: float
    uniform: float
    """ln V, what guessing costs."""
    baseline: tuple[str, float] | None
    """The baseline that is best in this field on this split, and its nats; None where there is none to compare with."""


class FieldBars(SplitChart):
    """Cross-entropy and accuracy of every field, `fields/val` and `fields/test`, from the figures that were logged.

    The baseline beside a field is the best one of that field on that split, chosen in hindsight.

    Args:
        every_n_epochs: how often those of validation are drawn before the end.
    """

    def seen_in(self, trainer: L.Trainer, split: str, last: bool) -> dict[str, float]:
        """The logged figures."""
        return {name: float(value) for name, value in trainer.callback_metrics.items()}

    def draw(self, trainer: L.Trainer, split: str, output: dict[str, float], last: bool) -> None:
        if (board := board_of(trainer)) is None:
            return
        lines = next((callback for callback in trainer.callbacks if isinstance(callback, BaselineLines)), None)
        levels = lines.levels.get(split, {}) if lines else {}
        schema = trainer.datamodule.schema
        chained = f"{split}/ce/{schema.dynamic_names[0]}" not in output
        figures = figures_of_fields(output, levels, schema, split, chained)
        board.add_figure(f"fields/{split}", field_picture(figures, split, chained), step_of(trainer))


def figures_of_fields(
    logged: Mapping[str, float], levels: Levels, schema: EventSchema, split: str, chained: bool
) -> list[FieldFigures]:
    """The dynamic fields in the schema's order.

    Args:
        logged: as the LightningModule names its figures.
        levels: of the split; empty where there is no baseline.
        chained: whether the figures are given the event's earlier fields.
    """
    given, figures = "_given_earlier" if chained else "", []
    for number in schema.dynamic:
        field = schema.fields[number]
        known = {name: nats for name, nats in levels.get(f"ce{given}/{field.name}", {}).items() if name != "uniform"}
        figures.append(
            FieldFigures(
                name=field.name,
                ce=logged[f"{split}/ce{given}/{field.name}"],
                accuracy=logged[f"{split}/accuracy{given}/{field.name}"],
                uniform=math.log(field.cardinality),
                baseline=min(known.items(), key=lambda item: item[1], default=None),
            )
        )
    return figures


def field_picture(figures: list[FieldFigures], split: str, chained: bool) -> Figure:
    """A row a field: above, its name and nats and below them the model's as a bar, what it has to beat as marks on it;
    then accuracy. Narrow, as TensorBoard's cards are."""
    high = 0.46 * len(figures), 0.25 * len(figures)
    figure = Figure(figsize=(4.2, 2.4 + sum(high)), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(high[0] + 1.5, high[1] + 0.9))
    nats, accuracy, rows = above.subplots(), below.subplots(), range(len(figures))
    nats.barh(rows, [field.ce for field in figures], 0.4, color=MODEL, label="model")
    compared = [(row, field.baseline[1]) for row, field in enumerate(figures) if field.baseline]
    if compared:
        _marks(nats, *zip(*compared, strict=True), BASELINE, "best baseline")
    _marks(nats, rows, [field.uniform for field in figures], UNIFORM, "uniform, ln V")
    for row, field in enumerate(figures):
        _nats(nats, row, field)
    nats.set(yticks=(), ylim=(len(figures) - 0.6, -0.9), xlabel="cross-entropy, nats")
    accuracy.barh(rows, [100 * field.accuracy for field in figures], 0.6, color=MODEL)
    accuracy.set(xlim=(0, 100), ylim=(len(figures) - 0.5, -0.5), xlabel="accuracy, %")
    accuracy.set_yticks(rows, [short(field.name, 24) for field in figures], fontsize=9, parse_math=False)
    accuracy.tick_params(axis="y", length=0)
    for row, field in enumerate(figures):
        text = f"{100 * field.accuracy:.1f}"
        accuracy.annotate(text, (100, row), (6, 0), textcoords="offset points", va="center", fontsize=9)
    for axis in (nats, accuracy):
        axis.spines[["top", "right", "left"]].set_visible(False)
    above.legend(loc="outside lower center", ncols=3, frameon=False, columnspacing=1, handlelength=1, reverse=True)
    given = ",\ngiven the event's earlier fields" if chained else ""
    figure.suptitle(f"fields, {split}{given}", fontsize=12)
    return for_a_card(figure)


def _marks(axis: Axes, rows: Sequence[int], nats: Sequence[float], colour: str, label: str) -> None:
    axis.plot(nats, rows, "|", color=colour, markersize=15, markeredgewidth=2.5, label=label)


def _nats(axis: Axes, row: int, field: FieldFigures) -> None:
    """The words above a bar: the field, and the lower one of model and baseline in bold."""
    name, nats = field.baseline or ("", math.inf)
    words = [(0, "left", short(field.name, 18), "black", False)]
    words += [(0.54, "right", f"{field.ce:.3f}", MODEL, field.ce <= nats)]
    if field.baseline:
        words += [(0.58, "left", f"{nats:.3f} {short(name, 14)}", BASELINE, nats < field.ce)]
    for place, side, text, colour, bold in words:
        axis.text(
            place,
            row - 0.47,
            text,
            transform=axis.get_yaxis_transform(),
            ha=side,
            va="center",
            fontsize=9,
            color=colour,
            weight="bold" if bold else "normal",
            parse_math=False,
        )
