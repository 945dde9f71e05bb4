"""Baselines stand in the same TensorBoard charts as the model, and as columns in metrics.csv."""

import csv

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from callbacks.baseline_lines import BaselineLines
from callbacks.epoch_history import EpochHistory

LEVELS = {
    "val": {"loss": {"unigram": 2.5, "linear ridge": 1.5}, "accuracy": {"linear ridge": 0.6}},
    "test": {"loss": {"unigram": 2.75}},
}


class Validated(BoringModel):
    def validation_step(self, batch, batch_index):
        self.log("val/loss", self(batch).square().mean())

    def test_step(self, batch, batch_index):
        self.log("test/loss", self(batch).square().mean())


@pytest.fixture
def trained(tmp_path):
    lines, history = BaselineLines(), EpochHistory(tmp_path / "board" / "metrics.csv")
    lines.levels = LEVELS
    (tmp_path / "board").mkdir()
    trainer = L.Trainer(
        max_epochs=3,
        callbacks=[lines, history],
        logger=TensorBoardLogger(tmp_path, name="", version="board"),
        limit_train_batches=2,
        limit_val_batches=1,
        limit_test_batches=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    torch.manual_seed(0)
    trainer.fit(model := Validated())
    trainer.test(model, verbose=False)
    return tmp_path / "board", history


def test_one_tag_holds_the_model_and_its_baselines(trained):
    board = EventMultiplexer().AddRunsFromDirectory(str(trained[0])).Reload()
    tagged = {run for run, kinds in board.Runs().items() if "val/loss" in kinds["scalars"]}
    assert tagged == {".", "baseline unigram", "baseline linear ridge"}
    points = board.Scalars("baseline unigram", "val/loss")
    assert [point.value for point in points] == [2.5, 2.5, 2.5]
    for run, tag in (("baseline unigram", "val/loss"), ("baseline unigram", "test/loss")):
        assert [point.step for point in board.Scalars(run, tag)] == [point.step for point in board.Scalars(".", tag)]


def test_every_row_of_the_file_has_the_levels_and_the_history_has_not(trained):
    folder, history = trained
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [float(row["val/loss/unigram"]) for row in rows] == [2.5] * 3
    assert [float(row["val/accuracy/linear ridge"]) for row in rows] == [0.6] * 3
    assert len(history.rows) == 3 and "val/loss/unigram" not in history.rows[0]
