"""The custom scalars page of TensorBoard: the model and its baselines in one chart, the charts in an order.

A chart holds patterns of tags, which TensorBoard looks up in every run that is chosen beside it: baselines are runs of
their own under the same tags (`callbacks.baseline_lines`). Layouts of several runs are merged by the titles of their
categories, equal charts once, so that a sweep has the charts of one run.

In the box that filters runs, `tensorboard$` leaves the models, `result$` their reports and rows of HParams, `baseline`
the baselines; `^3/` is job 3 with its baselines where one sweep is shown, `/3/` where all of logs is.
"""

import re
from collections.abc import Iterable

import lightning as L

from callbacks.board import board_of

Charts = dict[str, list]
"""Title -> [kind, patterns of tags], as SummaryWriter.add_custom_scalars takes them."""

FIRST = ("loss", "accuracy")
"""The figures that are looked at first; the others follow by name."""
OBJECTIVE = "objective"
"""The training loss with smoothing, weights and mixup: no other split has it."""
OPTIMISATION = ("learning rate", "lr"), ("gradient norm, before clipping", "gradient_norm")
SPEED = {
    "clips or events a second": r"^speed/(clips|events)_per_second$",
    "steps a second": r"^speed/steps_per_second$",
    "share of the time that waits for data": r"^speed/waiting_for_data$",
}
FIELD_FIGURES = {"ce": "cross-entropy", "accuracy": "accuracy"}
"""Of a field's figures those that have charts here; all are among the scalars."""
GIVEN = "_given_earlier"
"""Ends the figures of chained heads."""
TOP5 = "top5"
"""Of five classes or fewer it is 1 whatever the net says, and has no chart."""


class BoardLayout(L.Callback):
    """Writes the layout at the end of the first epoch, when the names of all figures are known, and if more come."""

    def __init__(self):
        self._names: set[str] = set()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        board, names = board_of(trainer), set(trainer.callback_metrics)
        if board is None or not trainer.is_global_zero or names <= self._names:
            return
        self._names |= names
        classes = getattr(trainer.datamodule.schema, "classes", None)
        board.add_custom_scalars(layout_of(self._names, classes and len(classes)))


def layout_of(names: Iterable[str], classes: int | None = None) -> dict[str, Charts]:
    """Category -> charts, for figures named `split/figure` and, of fields, `split/figure/field`.

    Args:
        classes: how many a clip may be of; None for events.
    """
    names = set(names)
    figures = {name.partition("/")[2]: None for name in sorted(names) if name.startswith(("train/", "val/"))}

    def both_splits(figure: str) -> list:
        return _lines(*(f"^{split}/{re.escape(figure)}$" for split in ("val", "train") if f"{split}/{figure}" in names))

    left_out = {OBJECTIVE} if classes is None or classes > 5 else {OBJECTIVE, TOP5}
    whole = [figure for figure in figures if "/" not in figure and figure not in left_out]
    whole.sort(key=lambda figure: (figure not in FIRST, FIRST.index(figure) if figure in FIRST else figure))
    layout = {"Did it learn?": {_title(figure): both_splits(figure) for figure in whole}}
    for kind, title in FIELD_FIGURES.items():
        of_fields = [figure for figure in figures if figure.split("/")[0] in (kind, kind + GIVEN) and "/" in figure]
        if of_fields:
            layout[f"Fields, {title}"] = {figure.partition("/")[2]: both_splits(figure) for figure in of_fields}
    layout["Optimisation"] = {title: _lines(f"^optimisation/{tag}$") for title, tag in OPTIMISATION}
    if OBJECTIVE in figures:
        layout["Optimisation"]["objective, as it is minimised"] = _lines(f"^train/{OBJECTIVE}$")
    layout["Speed"] = {title: _lines(pattern) for title, pattern in SPEED.items()}
    return {category: charts for category, charts in layout.items() if charts}


def _title(figure: str) -> str:
    plain = figure.removesuffix(GIVEN).replace("_", " ")
    return f"{plain}, given the event's earlier fields" if figure.endswith(GIVEN) else plain


def _lines(*patterns: str) -> list:
    return ["Multiline", list(patterns)]
