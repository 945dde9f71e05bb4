"""How whole runs end in TensorBoard: report, pictures and the row of HParams, also of those that do not end well."""

import csv
import io

import pytest
from PIL import Image
from tensorboard.plugin_util import markdown_to_safe_html

from callbacks.seeding import SeedEachBatch
from experiment.board_report import report_text, write_to_board
from experiment.configs.compose import compose_config
from experiment.run_folder import RunFolder
from experiment.training import run_training
from tests.callbacks.boards import Board
from tests.experiment.same_run import words_of, write_data

EPOCHS = 3


class PowerCutError(Exception):
    """Not an error of ours."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def run(task: str, data, folder, *more: str) -> None:
    words = words_of(task, data, folder.parent, "logger=tensorboard", f"trainer.max_epochs={EPOCHS}", *more)
    run_training(compose_config(words), str(folder), words, False)


@pytest.fixture
def cut(monkeypatch):
    """Ends a run in the middle of its second epoch, until undone."""
    honest = SeedEachBatch.on_train_batch_start

    def hook(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 1):
            raise PowerCutError
        honest(self, trainer, pl_module, batch, batch_idx)

    monkeypatch.setattr(SeedEachBatch, "on_train_batch_start", hook)
    return monkeypatch


def texts(board: Board, tag: str) -> list[tuple[int, str]]:
    run = "tensorboard/result" if tag == "report" else "tensorboard"
    points = board.events.Tensors(run, f"{tag}/text_summary")
    return [(point.step, point.tensor_proto.string_val[0].decode()) for point in points]


@pytest.mark.parametrize("task", ["clips", "events"])
def test_a_finished_run(task, tmp_path, data):
    folder = tmp_path / "run"
    run(task, data, folder)
    board, result = Board(folder), RunFolder.read_status(folder)["result"]
    (row,) = board.rows().values()
    assert list(board.rows()) == ["run"] and row["status"] == "SUCCESS"
    assert row["metrics"]["result/epoch"] == result["best"]["epoch"]
    assert row["metrics"]["result/loss"] == pytest.approx(result["best_value"])
    headline = "test/accuracy" if task == "clips" else "test/loss"
    assert row["metrics"][f"result/{headline}"] == pytest.approx(result["test"]["metrics"][headline])
    assert -1 not in row["metrics"].values() and row["hparams"]["lr"] == 0.01

    scalars = {tag for run, tag in board.lines(".") if run == "tensorboard"}
    assert {tag.split("/")[0] for tag in scalars} >= {"train", "val", "test", "optimisation", "speed"}
    with (folder / "metrics.csv").open() as file:
        columns = next(csv.reader(file))
    assert "lr" in columns and not [name for name in columns if name.startswith(("speed", "optimisation"))]

    layout = board.layout()
    own = "Fields, cross-entropy" if task == "events" else "Did it learn?"
    for pattern in (pattern for charts in layout.values() for chart in charts.values() for pattern in chart):
        if "per_second" not in pattern:
            assert board.lines(pattern), pattern
    first = next(iter(layout[own].values()))[0]
    assert {line[0] for line in board.lines(first)} > {"tensorboard"}, "no baseline beside the model"

    ((step, text),) = texts(board, "report")
    assert text.startswith("# ") and "](curves.png)" not in text and "`report/calibration`" in text
    assert "[!" not in text and "<details" not in text and "<summary" not in text
    assert step == result["best"]["step"]
    (picture,) = board.events.Tensors("tensorboard/result", "report/calibration")
    width, height, png = picture.tensor_proto.string_val
    assert png == (folder / "calibration.png").read_bytes()
    assert Image.open(io.BytesIO(png)).size == (int(width), int(height))
    if result["verdict"]:
        assert "at the end" in texts(board, "verdict")[-1][1]


def test_a_run_that_fails_shows_as_failed_and_once_it_has_gone_on_as_one(tmp_path, data, cut):
    folder = tmp_path / "run"
    with pytest.raises(PowerCutError):
        run("clips", data, folder)
    (row,) = Board(folder).rows().values()
    assert row["status"] == "FAILURE" and row["metrics"]["result/epoch"] == 1
    assert "failed" in texts(Board(folder), "report")[0][1]
    cut.undo()
    run("clips", data, folder, f"resume.source={folder}")
    (row,) = Board(folder).rows().values()
    assert row["status"] == "SUCCESS" and row["metrics"]["result/test/accuracy"] > 0
    ((_, text),) = texts(Board(folder), "report")
    assert "finished" in text
    for tag in ("optimisation/lr", "optimisation/gradient_norm", "speed/clips_per_second"):
        steps = [point.step for point in Board(folder).events.Tensors("tensorboard", tag)]
        assert steps == sorted(set(steps)) and (len(steps) == EPOCHS or tag.startswith("optimisation"))


def test_what_cannot_be_written_does_not_hide_how_the_run_ended(tmp_path, data, monkeypatch, capsys):
    monkeypatch.setattr("experiment.board_report._picture", lambda path: 1 / 0)
    run("clips", data, tmp_path / "run")
    assert RunFolder.read_status(tmp_path / "run")["state"] == "finished"
    assert "TensorBoard could not be written: ZeroDivisionError" in capsys.readouterr().out


def test_what_only_github_draws_is_plain_text_on_the_board():
    report = """# A run

> [!WARNING]
> **Above chance.**

<details markdown="1">
<summary>all 20 classes</summary>

| class | clips |
| :-- | --: |
| [!NOTE] | 1 |

</details>

![calibration diagram](calibration.png)
![clips](clips.png)
"""
    html = markdown_to_safe_html(report_text(report))
    assert "<strong>Warning.</strong>" in html and "[!WARNING]" not in html and "details" not in html
    assert "<strong>all 20 classes</strong>" in html and "<td>[!NOTE]</td>" in html
    assert "<code>report/calibration</code>" in html and "<code>clips/train</code>" in html and "<img" not in html


def test_without_a_board_nothing_is_written(tmp_path):
    write_to_board(tmp_path)
    assert not list(tmp_path.iterdir())
