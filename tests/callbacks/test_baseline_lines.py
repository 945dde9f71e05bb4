"""Baselines stand in the same TensorBoard charts as the model, and as columns in metrics.csv."""

import csv
import shutil
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
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


def train(folder: Path, epochs: int) -> EpochHistory:
    """Fits and tests in `folder`/board, steps of 2 an epoch."""
    lines, history = BaselineLines(), EpochHistory(folder / "board" / "metrics.csv")
    lines.levels = LEVELS
    (folder / "board").mkdir(exist_ok=True)
    trainer = L.Trainer(
        max_epochs=epochs,
        callbacks=[lines, history],
        logger=TensorBoardLogger(folder, name="", version="board"),
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
    return history


@pytest.fixture
def trained(tmp_path):
    return tmp_path / "board", train(tmp_path, epochs=3)


def steps_in(folder: Path) -> dict[str, list[int]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [point.step for point in events.Scalars(tag)] for tag in ("val/loss", "test/loss")}


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


def test_validation_and_test_are_there_in_whatever_order_the_files_are_read(trained, tmp_path):
    """Writers of one second are named by a counter: TensorBoard reads the file `.10` before the file `.9`."""
    for number, file in enumerate(sorted((trained[0] / "baseline unigram").iterdir(), reverse=True)):
        (tmp_path / "reversed").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "reversed" / f"events.out.tfevents.{number}")
    assert steps_in(tmp_path / "reversed") == {"val/loss": [1, 3, 5], "test/loss": [6]}


def test_a_process_purges_what_one_that_was_cut_off_wrote_from_there_on(tmp_path):
    train(tmp_path, epochs=3)
    train(tmp_path, epochs=2)
    folder = tmp_path / "board" / "baseline unigram"
    assert steps_in(folder) == {"val/loss": [1, 3], "test/loss": [4]}
    assert len(list(folder.iterdir())) == 2
