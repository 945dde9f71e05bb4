"""Recall, precision and F1 of each class against torchmetrics, and what is drawn of them."""

import warnings

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_precision, multiclass_recall

from callbacks.class_bars import ENDS, ClassBars, ClassScores, class_picture
from tests.callbacks.small_clip_run import SmallData, Told, board_in, logits_of, small_trainer


def random_scores(classes: int, clips: int = 400):
    rng = np.random.default_rng(0)
    label = rng.integers(classes, size=clips)
    predicted = np.where(rng.random(clips) < 0.6, label, rng.integers(classes, size=clips))
    return label, predicted, ClassScores.of(label, predicted, classes)


def test_the_scores_are_those_of_torchmetrics():
    label, predicted, scores = random_scores(7)
    given = torch.from_numpy(predicted), torch.from_numpy(label), 7
    for ours, theirs in (
        (scores.recall, multiclass_recall(*given, average="none")),
        (scores.precision, multiclass_precision(*given, average="none")),
        (scores.f1, multiclass_f1_score(*given, average="none")),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)
    assert scores.clips.sum() == len(label) and scores.clips[3] == (label == 3).sum()


def test_what_cannot_be_divided_is_no_number_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Class 0 is never said, class 2 has no clips, class 3 neither; one clip of class 1 got no answer.
        scores = ClassScores.of(np.array([0, 0, 1, 1]), np.array([1, 2, 1, -1]), 4)
    np.testing.assert_equal(scores.recall, [0, 0.5, np.nan, np.nan])
    np.testing.assert_equal(scores.precision, [np.nan, 0.5, 0, np.nan])
    assert scores.worst_first().tolist() == [0, 1]


@pytest.mark.parametrize("classes", [1, 6, 2 * ENDS, 100])
def test_the_worst_are_above_and_of_many_both_ends_are_drawn(classes):
    _, _, scores = random_scores(classes, 2000)
    figure = class_picture(scores, tuple(f"class $_{n}" for n in range(classes)), "val")
    figure.draw_without_rendering()
    (axis,) = figure.axes
    lengths = [bar.get_width() for bar in axis.patches]
    order = scores.worst_first()
    shown = order if classes <= 2 * ENDS else [*order[:ENDS], *order[-ENDS:]]
    assert lengths == scores.recall[shown].tolist()
    first = axis.get_yticklabels()[0].get_text()
    assert first == f"class $_{order[0]} ({scores.clips[order[0]]:,})"
    assert axis.yaxis_inverted()
    assert any(text.get_text() == f"{classes - 2 * ENDS} between" for text in axis.texts) == (classes > 2 * ENDS)


def test_both_splits_stand_in_tensorboard(make_store, tmp_path):
    store = make_store(splits=("train", "val", "test"))
    trainer, module = small_trainer(tmp_path, ClassBars(every_n_epochs=1), max_epochs=2), Told(logits_of(store, {}))
    trainer.fit(module, datamodule=SmallData(store))
    trainer.test(module, datamodule=SmallData(store), verbose=False)
    board = board_in(tmp_path)
    assert [len(board.Images(f"classes/{split}")) for split in ("val", "test")] == [2, 1]
