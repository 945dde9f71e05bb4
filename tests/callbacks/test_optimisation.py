"""Learning rate and gradient norm reach the loggers and nothing else."""

import lightning as L
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from callbacks.board import GroupedTensorBoardLogger
from callbacks.optimisation import Optimisation

ROWS = torch.arange(24.0).reshape(12, 2)


class Line(L.LightningModule):
    """The mean of w . x, whose gradient is the mean of x whatever w is."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.unused = torch.nn.Parameter(torch.zeros(3))

    def training_step(self, batch, batch_index):
        return (batch @ self.weight).mean()

    def train_dataloader(self):
        return DataLoader(ROWS, batch_size=2)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.25)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5), "interval": "step"},
        }


def fit(folder, **settings) -> L.Trainer:
    settings = {"max_epochs": 1, "log_every_n_steps": 1, "gradient_clip_val": 0.1} | settings
    trainer = L.Trainer(
        callbacks=[Optimisation()],
        logger=settings.pop("logger", GroupedTensorBoardLogger(folder, "", "board", False)),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        **settings,
    )
    trainer.fit(Line())
    return trainer


def points(folder, tag: str) -> dict[int, float]:
    events = EventAccumulator(str(folder / "board")).Reload()
    return {point.step: point.value for point in events.Scalars(f"optimisation/{tag}")}


# By hand: a batch of two rows (a, a + 1), (a + 2, a + 3) has the mean (a + 1, a + 2).
NORMS = [float(np.hypot(4 * number + 1, 4 * number + 2)) for number in range(6)]


def test_the_norm_of_every_step_before_it_is_clipped(tmp_path):
    trainer = fit(tmp_path)
    assert points(tmp_path, "gradient_norm") == pytest.approx(dict(enumerate(NORMS)))
    assert points(tmp_path, "lr") == pytest.approx({step: 0.25 * 0.5**step for step in range(6)})
    assert not [name for name in trainer.callback_metrics if name.startswith("optimisation/")]


def test_only_every_nth_step(tmp_path):
    fit(tmp_path, log_every_n_steps=4)
    assert list(points(tmp_path, "gradient_norm")) == [0, 4]


def test_accumulated_gradients_have_one_norm(tmp_path):
    fit(tmp_path, accumulate_grad_batches=2)
    # The mean of two batches' gradients, which lie 4 apart.
    middles = [float(np.hypot(8 * step + 3, 8 * step + 4)) for step in range(3)]
    assert points(tmp_path, "gradient_norm") == pytest.approx(dict(enumerate(middles)))


def test_without_a_logger_nothing_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr("callbacks.optimisation.get_total_norm", lambda gradients: pytest.fail("computed"))
    fit(tmp_path, logger=False)


def test_every_scalar_is_in_a_group(tmp_path):
    class Logged(Line):
        def training_step(self, batch, batch_index):
            loss = super().training_step(batch, batch_index)
            self.log("train/loss", loss, on_step=False, on_epoch=True)
            return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.Line", Logged)
        fit(tmp_path)
    tags = EventAccumulator(str(tmp_path / "board")).Reload().Tags()["scalars"]
    assert set(tags) == {"optimisation/epoch", "optimisation/lr", "optimisation/gradient_norm", "train/loss"}
