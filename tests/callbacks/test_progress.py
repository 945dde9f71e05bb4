import io
import time

import pytest
import torch
from lightning.pytorch.callbacks import RichProgressBar
from rich.console import Console

from callbacks.progress import EpochLines, EstimatedEnd, progress_bar


class Trainer:
    """As much of a Trainer as an estimate reads."""

    num_val_batches = (3,)
    enable_validation, is_global_zero, max_steps, current_epoch = True, True, -1, 0

    def __init__(self, batches: int, epochs: int, device: str = "cpu"):
        self.num_training_batches, self.max_epochs = batches, epochs
        self.strategy = type("Strategy", (), {"root_device": torch.device(device)})
        self.callback_metrics = {
            "val/accuracy": torch.tensor(0.5),
            "val/top5": torch.tensor(0.9),
            "lr": torch.tensor(0.1),
        }


def announced(capsys, monkeypatch, trainer: Trainer, steps: int, seconds: float) -> str:
    now = iter(range(100_000))
    monkeypatch.setattr(time, "perf_counter", lambda: next(now) * seconds)
    estimate = EstimatedEnd()
    for batch in range(steps):
        estimate.on_train_batch_start(trainer, None, None, batch)
        estimate.on_train_batch_end(trainer, None, None, None, batch)
    return " ".join(capsys.readouterr().out.split())


def test_nothing_is_said_before_step_20(capsys, monkeypatch):
    assert announced(capsys, monkeypatch, Trainer(100, 10), 19, 1.0) == ""


def test_the_estimate_counts_training_and_validation(capsys, monkeypatch):
    # 10 epochs of 100 steps and 3 validation batches at a third of a step each; 20 steps are done.
    text = announced(capsys, monkeypatch, Trainer(100, 10), 25, 1.0)
    assert text.startswith("Estimated end") and "in 16 min" in text and "quickstart" not in text


@pytest.mark.parametrize(("device", "named"), [("cpu", True), ("cuda", False)])
def test_over_an_hour_on_a_cpu_names_the_quickstart(capsys, monkeypatch, device, named):
    text = announced(capsys, monkeypatch, Trainer(1000, 100, device), 20, 1.0)
    assert ("experiment=quickstart" in text) == named
    assert " h" in text


def test_a_bar_on_a_terminal_and_lines_elsewhere():
    bar = progress_bar(Console(force_terminal=True))
    assert isinstance(bar, RichProgressBar)
    assert bar.get_metrics(Trainer(10, 7), None) == {"val/accuracy": "0.500"}
    text = io.StringIO()
    lines = progress_bar(Console(file=text))
    assert isinstance(lines, EpochLines)
    lines.on_train_epoch_end(Trainer(10, 7), None)
    assert text.getvalue() == "epoch 1/7  val/accuracy 0.500\n"
