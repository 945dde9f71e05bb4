"""Rows of HParams, as TensorBoard's own plugin reads them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter

import callbacks.hparams
from callbacks.hparams import RESULT, HParams, end_row, row_name
from tests.callbacks.boards import Board


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Begins the row of the run in a folder, as at the start of training."""

    def begin(run: str, **values) -> None:
        with SummaryWriter(tmp_path / run) as board:
            board.add_scalar("val/loss", 3.0, 0)
            monkeypatch.setattr(callbacks.hparams, "board_of", lambda trainer: board)
            trainer = SimpleNamespace(is_global_zero=True, loggers=[])
            HParams(f"clips/sweep/{run}", values).on_fit_start(trainer, None)

    return begin


def end(run: Path, *arguments) -> None:
    with SummaryWriter(run / RESULT) as writer:
        end_row(writer, *arguments)


def test_a_sweep_has_a_row_a_run_and_the_columns_of_all(begin, tmp_path):
    begin("0", lr=0.1, model="gcn", tied=True)
    begin("1", lr=0.2, model="fusion", heads=8)
    end(tmp_path / "0", True, {"result/loss": 1.5, "result/top5": float("nan")}, 4)
    end(tmp_path / "1", True, {"result/loss": 1.25, "result/test/accuracy": 0.75}, 4)
    board = Board(tmp_path)
    assert board.columns() == ({"lr", "model", "tied", "heads"}, {"result/loss", "result/test/accuracy"})
    assert board.rows() == {
        "0, sweep, clips": {
            "status": "SUCCESS",
            "hparams": {"lr": 0.1, "model": "gcn", "tied": True},
            "metrics": {"result/loss": 1.5},
        },
        "1, sweep, clips": {
            "status": "SUCCESS",
            "hparams": {"lr": 0.2, "model": "fusion", "heads": 8},
            "metrics": {"result/loss": 1.25, "result/test/accuracy": 0.75},
        },
    }


def test_a_run_that_was_cut_off_and_went_on_shows_once_and_as_it_ended(begin, tmp_path):
    begin("0", lr=0.1)
    assert Board(tmp_path).rows()["0, sweep, clips"]["status"] == "UNKNOWN"
    end(tmp_path / "0", False, {"result/loss": 2.0}, 4)
    assert Board(tmp_path).rows()["0, sweep, clips"]["status"] == "FAILURE"
    begin("0", lr=0.1)
    end(tmp_path / "0", True, {"result/loss": 1.0}, 8)
    assert Board(tmp_path).rows() == {
        "0, sweep, clips": {"status": "SUCCESS", "hparams": {"lr": 0.1}, "metrics": {"result/loss": 1.0}}
    }


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("clips/multiruns/2026-11-22_06-00-24_ce03/3", "3, 2026-11-22_06-00-24_ce03, multiruns, clips"),
        ("clips/runs/2026-11-22_06-00-24_gcn_lstm_ce03", "06-00-24_gcn_lstm_ce03, runs, clips, 2026-11-22"),
        ("_mine_2", "_mine_2"),
        ("2026-11-22", "2026-11-22"),
    ],
    ids=["job", "run", "a name of its own", "a date"],
)
def test_a_row_is_called_by_what_tells_it_from_others(folder, name):
    assert row_name(folder) == name


class Elsewhere:
    """A logger that is not TensorBoard's."""

    def __init__(self):
        self.told = []

    def log_hyperparams(self, values):
        self.told.append(values)


@pytest.mark.parametrize("first", [True, False], ids=["first process", "another"])
@pytest.mark.parametrize("board", [True, False], ids=["TensorBoard too", "no TensorBoard"])
def test_every_other_logger_is_told_the_values_once(first, board, tmp_path):
    own, other, values = TensorBoardLogger(tmp_path, name="", version="board"), Elsewhere(), {"lr": 0.1, "tied": True}
    trainer = SimpleNamespace(is_global_zero=first, loggers=[own, other] if board else [other])
    HParams("clips/runs/one", values).on_fit_start(trainer, None)
    assert other.told == ([values] if first else [])
    assert (tmp_path / "board" / RESULT).is_dir() == (first and board)
    assert not (tmp_path / "board" / "hparams.yaml").exists()


def test_the_folder_of_all_runs_may_be_a_runs_own():
    assert row_name(".") == "run"
