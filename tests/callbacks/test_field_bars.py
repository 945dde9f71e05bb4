"""Bars of the fields: the logged figures beside the best baseline of each field and ln V."""

import math

import pytest
from matplotlib.colors import to_hex
from torch.utils.tensorboard import SummaryWriter

from callbacks import field_bars
from callbacks.baseline_lines import BaselineLines
from callbacks.field_bars import BASELINE, MODEL, FieldBars, FieldFigures, field_picture
from callbacks.pictures import CARD
from tests.callbacks.small_event_run import Board, Windows, module_of, train
from tests.models.event_predictor.conftest import schema

FIELDS = {"kind": 4, "colour": 3, "place": 21, "gap": 7}  # the dynamic ones and V, UNK included
FIGURES = [
    FieldFigures("a$b$", ce=0.5, accuracy=0.75, uniform=1.5, baseline=("pair", 0.7)),
    FieldFigures("worse", ce=2.25, accuracy=0.125, uniform=3.0, baseline=("unigram", 2.0)),
    FieldFigures("alone", ce=1.0, accuracy=1.0, uniform=1.25, baseline=None),
]


@pytest.fixture
def drawn(monkeypatch) -> list[tuple]:
    """What was drawn."""
    drawn = []

    def remember(*arguments):
        drawn.append(arguments)
        return field_picture(*arguments)

    monkeypatch.setattr(field_bars, "field_picture", remember)
    return drawn


@pytest.mark.parametrize("heads", ["independent", "chained"])
def test_the_logged_figures_stand_beside_the_best_baseline_of_each_field(heads, tmp_path, drawn):
    data, given = Windows(schema()), "_given_earlier" if heads == "chained" else ""
    lines = BaselineLines()
    lines.levels = {
        "val": {f"ce{given}/{name}": {"uniform": 0.0, "unigram": 2.0, "pair": 1.5} for name in ("kind", "place")},
        "test": {f"ce{given}/kind": {"unigram": 1.0, "pair": 1.25}},
    }
    module = module_of(data.schema, lr=0.1, heads=heads, head_width=8)
    trainer = train(tmp_path, module, data, lines, FieldBars(2), max_epochs=5)
    assert [(split, chained) for _, split, chained in drawn] == [
        *[("val", heads == "chained")] * 3,
        ("test", heads == "chained"),
    ]
    assert Board(tmp_path).pictures("fields") == {"fields/val": [3, 7, 9], "fields/test": [9]}

    # validation and test have the same windows here, and the last epoch's weights are those of the test
    for figures, beaten in ((drawn[-2][0], ("pair", 1.5)), (drawn[-1][0], ("unigram", 1.0))):
        assert [field.name for field in figures] == list(FIELDS)
        assert [field.uniform for field in figures] == pytest.approx([math.log(size) for size in FIELDS.values()])
        assert figures[0].baseline == beaten and figures[1].baseline is None
        for field in figures:
            assert field.ce == float(trainer.callback_metrics[f"test/ce{given}/{field.name}"])
            assert field.accuracy == float(trainer.callback_metrics[f"test/accuracy{given}/{field.name}"])
    assert drawn[0][0] != drawn[1][0]


@pytest.mark.parametrize("settings", [{"logger": False}, {"fast_dev_run": True}], ids=["no board", "fast_dev_run"])
def test_where_there_is_no_board_nothing_is_drawn(settings, tmp_path, drawn):
    data = Windows(schema())
    train(tmp_path, module_of(data.schema), data, FieldBars(1), **settings)
    assert drawn == []


def test_the_picture_shows_bars_marks_and_numbers(tmp_path):
    figure = field_picture(FIGURES, "val", chained=True)
    nats, accuracy = figure.axes
    assert [bar.get_width() for bar in nats.patches] == [0.5, 2.25, 1.0]
    assert [bar.get_width() for bar in accuracy.patches] == [75, 12.5, 100]
    marks = {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in nats.lines}
    assert marks == {
        "best baseline": [(0.7, 0), (2.0, 1)],
        "uniform, ln V": [(1.5, 0), (3.0, 1), (1.25, 2)],
    }
    assert [text.get_text() for text in accuracy.get_yticklabels()] == ["a$b$", "worse", "alone"]
    shown = [(text.get_text(), to_hex(text.get_color()), text.get_weight()) for text in nats.texts]
    assert shown == [
        ("a$b$", "#000000", "normal"),
        ("0.500", MODEL, "bold"),
        ("0.700 pair", BASELINE, "normal"),
        ("worse", "#000000", "normal"),
        ("2.250", MODEL, "normal"),
        ("2.000 unigram", BASELINE, "bold"),
        ("alone", "#000000", "normal"),
        ("1.000", MODEL, "bold"),
    ]
    assert [text.get_text() for text in accuracy.texts] == ["75.0", "12.5", "100.0"]
    assert "given the event's earlier fields" in figure.get_suptitle()
    with SummaryWriter(tmp_path / "board") as board:
        board.add_figure("fields/val", figure)
    (picture,) = Board(tmp_path).Images("fields/val")
    assert CARD - 2 <= picture.width <= CARD


def test_without_baselines_the_legend_names_none():
    figure = field_picture(FIGURES[2:], "test", chained=False)
    assert [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()] == ["model", "uniform, ln V"]
    assert "given" not in figure.get_suptitle()
