"""The average against the recursion written out, and which weights are validated, saved and tested."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from callbacks.moving_average import MovingAverage
from schemas.errors import ConfigError

DECAY = 0.7


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.plain, self.validated, self.tested = [], [], []

    def training_step(self, batch, index):
        return self.layer(batch).square().sum()

    def on_train_batch_start(self, batch, index):
        self.plain.append(self.layer.weight.detach().clone())

    def validation_step(self, batch, index):
        self.validated.append(self.layer.weight.detach().clone())

    def test_step(self, batch, index):
        self.tested.append(self.layer.weight.detach().clone())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_an_average_that_would_not_move_is_refused(decay):
    with pytest.raises(ConfigError, match=r"callbacks\.ema\.decay"):
        MovingAverage(decay)


def test_the_average_is_validated_saved_and_tested(tmp_path):
    torch.manual_seed(0)
    data = DataLoader(torch.randn(3, 2))
    trainer = L.Trainer(
        default_root_dir=tmp_path,
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[MovingAverage(DECAY)],
    )
    line = Line()
    trainer.fit(line, data, data)
    path = tmp_path / "last.ckpt"
    saved = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)
    plain = [*line.plain[1:], saved["current_model_state"]["layer.weight"]]
    average = line.plain[0]
    steps = []
    for number, weight in enumerate(plain):
        # Lightning's first average is of the weights after the first step
        average = weight if number == 0 else DECAY * average + (1 - DECAY) * weight
        steps.append(average)
    torch.testing.assert_close(line.validated[0], steps[2])
    torch.testing.assert_close(line.validated[-1], steps[5])
    torch.testing.assert_close(saved["state_dict"]["layer.weight"], steps[5])
    assert not torch.allclose(steps[5], plain[-1])

    torch.save(saved, path)
    trainer.test(line, data, ckpt_path=path, weights_only=True, verbose=False)
    torch.testing.assert_close(line.tested[-1], steps[5])
    trainer.validate(line, data, ckpt_path=path, weights_only=True, verbose=False)
    torch.testing.assert_close(line.validated[-1], steps[5])
