"""Precision-recall curves against counting by hand."""

import numpy as np
import pytest
import torch
from tensorboard.util.tensor_util import make_ndarray

from callbacks.pr_curves import PRCurves
from tests.callbacks.small_clip_run import SmallData, Told, board_in, logits_of, small_trainer


@pytest.fixture
def drawn(make_store, tmp_path):
    """Trains on a store whose validation has two clips of class 2 taken for class 0, and one that is not finite."""
    store = make_store(splits=("train", "val", "test"))
    of_two = [int(row) for row in store.rows("val") if store.labels[row] == 2]
    logits = logits_of(store, {of_two[0]: (0, 3.0), of_two[1]: (0, 1.0)})
    logits[store.rows("val")[-1]] = float("nan")
    trainer, module = small_trainer(tmp_path, PRCurves(classes=2), max_epochs=2), Told(logits)
    trainer.fit(module, datamodule=SmallData(store))
    trainer.test(module, datamodule=SmallData(store), verbose=False)
    board = board_in(tmp_path)
    curves = {tag: board.Tensors(tag) for tag in board.Tags()["tensors"] if tag.startswith("pr_")}
    return store, logits, curves


def test_the_worst_classes_and_all_together_have_one_curve_a_split(drawn):
    _, _, curves = drawn
    assert {tag for tag in curves if tag.startswith("pr_val/")} >= {"pr_val/all classes", "pr_val/class_2"}
    assert [sum(tag.startswith(f"pr_{split}/") for tag in curves) for split in ("val", "test")] == [3, 3]
    assert all(len(points) == 1 for points in curves.values())


@pytest.mark.parametrize("name", ["class_2", "all classes"])
def test_a_curve_is_what_counting_says(drawn, name):
    store, logits, curves = drawn
    rows = store.rows("val")
    probability = logits[torch.from_numpy(rows)].softmax(dim=1).nan_to_num(0.0).numpy()
    true = store.labels[rows][:, None] == np.arange(4)
    if name != "all classes":
        probability, true = probability[:, [2]], true[:, [2]]
    counted = make_ndarray(curves[f"pr_val/{name}"][0].tensor_proto)
    thresholds = counted.shape[1]
    for place in range(0, thresholds, 9):
        said = np.floor(probability * (thresholds - 1)) >= place
        assert counted[0, place] == (said & true).sum() and counted[1, place] == (said & ~true).sum()
