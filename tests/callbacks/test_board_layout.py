"""The custom scalars page, as TensorBoard's own plugin reads it."""

from types import SimpleNamespace

import pytest
from torch.utils.tensorboard import SummaryWriter

import callbacks.board_layout
from callbacks.board_layout import BoardLayout, layout_of
from tests.callbacks.boards import Board

CLIPS = ("train/loss", "train/accuracy", "train/objective", "val/loss", "val/accuracy", "val/top5", "lr")
EVENTS = ("train/loss", "train/ce_given_earlier/a.b", "val/loss", "val/joint_nll", "val/accuracy")
EVENTS += ("val/ce_given_earlier/a.b", "val/accuracy_given_earlier/a.b", "val/top5_given_earlier/a.b")
DATA = SimpleNamespace(schema=SimpleNamespace(classes=tuple("abcdef")))


def test_charts_of_clips():
    layout = layout_of(CLIPS)
    assert list(layout) == ["Did it learn?", "Optimisation", "Speed"]
    assert list(layout["Did it learn?"]) == ["loss", "accuracy", "top5"]
    assert layout["Did it learn?"]["loss"] == ["Multiline", ["^val/loss$", "^train/loss$"]]
    assert layout["Did it learn?"]["top5"] == ["Multiline", ["^val/top5$"]]
    assert layout["Optimisation"]["objective, as it is minimised"][1] == ["^train/objective$"]


@pytest.mark.parametrize(("classes", "shown"), [(5, False), (6, True)])
def test_of_five_classes_the_best_five_are_no_figure(classes, shown):
    assert ("top5" in layout_of(CLIPS, classes)["Did it learn?"]) == shown


def test_charts_of_events_have_one_a_field():
    layout = layout_of(EVENTS)
    assert list(layout)[1:3] == ["Fields, cross-entropy", "Fields, accuracy"]
    assert layout["Fields, cross-entropy"] == {
        "a.b": ["Multiline", [r"^val/ce_given_earlier/a\.b$", r"^train/ce_given_earlier/a\.b$"]]
    }
    assert list(layout["Did it learn?"]) == ["loss", "accuracy", "joint nll"]


@pytest.fixture
def sweep(tmp_path):
    """Two runs with a baseline each; the figures of the second are known in two goes."""
    for run, goes in (("0", (CLIPS,)), ("1", (CLIPS[:3], CLIPS))):
        with SummaryWriter(tmp_path / run / "tensorboard") as writer:
            layout = BoardLayout()
            for names in goes:
                trainer = SimpleNamespace(
                    callback_metrics=dict.fromkeys(names, 0.0), is_global_zero=True, datamodule=DATA
                )
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(callbacks.board_layout, "board_of", lambda trainer, writer=writer: writer)
                    layout.on_train_epoch_end(trainer, None)
            for tag in (*CLIPS, "val/loss_of_another", "speed/clips_per_second"):
                writer.add_scalar(tag, 1.0, 0)
        with SummaryWriter(tmp_path / run / "tensorboard" / "baseline linear ridge") as writer:
            writer.add_scalar("val/loss", 2.0, 0)
    return Board(tmp_path)


def test_a_sweep_has_the_charts_of_one_run(sweep):
    assert {title: list(charts) for title, charts in sweep.layout().items()} == {
        title: list(charts) for title, charts in layout_of(CLIPS).items()
    }


def test_a_chart_has_the_models_and_their_baselines_and_no_other_figure(sweep):
    patterns = sweep.layout()["Did it learn?"]["loss"]
    lines = set().union(*(sweep.lines(pattern) for pattern in patterns))
    of_models = {(f"{run}/tensorboard", f"{split}/loss") for run in "01" for split in ("train", "val")}
    assert lines == of_models | {(f"{run}/tensorboard/baseline linear ridge", "val/loss") for run in "01"}
    assert len(sweep.lines(sweep.layout()["Speed"]["clips or events a second"][0])) == 2
