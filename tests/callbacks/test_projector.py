"""What the last layer was given, in TensorBoard's projector."""

import csv

import numpy as np
import pytest
import torch

from callbacks.projector import Projector
from tests.callbacks.small_clip_run import SmallData, Told, logits_of, small_trainer


@pytest.fixture
def store(make_store):
    return make_store(splits=("train", "val", "test"))


def projected(folder, split):
    (found,) = (folder / "board").glob(f"*/{split}")
    with (found / "metadata.tsv").open() as file:
        words = list(csv.DictReader(file, delimiter="\t"))
    return np.loadtxt(found / "tensors.tsv", delimiter="\t", ndmin=2), words


def train(folder, store, clips, **settings):
    logits = logits_of(store, {}) + torch.linspace(0, 1, len(store))[:, None]
    trainer, module = small_trainer(folder, Projector(clips), max_epochs=2, **settings), Told(logits)
    trainer.fit(module, datamodule=SmallData(store))
    trainer.test(module, datamodule=SmallData(store), verbose=False)
    assert not module.net[0]._forward_pre_hooks
    return logits.numpy()


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("clips", [1000, 5])
def test_points_and_names_are_those_of_the_clips(store, tmp_path, split, clips):
    logits, rows = train(tmp_path, store, clips), store.rows(split)
    shown = rows[:: -(-len(rows) // clips)]
    features, words = projected(tmp_path, split)
    assert len(shown) <= clips
    np.testing.assert_allclose(features, logits[shown], rtol=1e-6)
    assert [word["clip"] for word in words] == [str(store.ids[row]) for row in shown]
    names = [f"class_{label}" for label in store.labels[shown]]
    assert [(word["true"], word["said"]) for word in words] == [(name, name) for name in names]


@pytest.mark.parametrize(("clips", "board"), [(0, True), (9, False)], ids=["off", "no TensorBoard"])
def test_off_or_without_tensorboard_nothing_is_written(store, tmp_path, clips, board):
    train(tmp_path, store, clips, board=board)
    assert not list(tmp_path.rglob("tensors.tsv"))
