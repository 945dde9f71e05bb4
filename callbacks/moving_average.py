"""A moving average of the weights: what is validated, saved as the model, and tested."""

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from schemas.errors import ConfigError


class MovingAverage(WeightAveraging):
    """An exponential moving average of weights and buffers, over about the last 1 / (1 - decay) steps.

    Lightning's callback keeps the average beside the model, saves it as the model and goes on from the plain weights,
    which lie in the checkpoint too. With the average still at hand it puts these back whenever a checkpoint is loaded
    after training (Lightning 2.6): the test would be one of weights that nobody saved as the model. So the average is
    let go when training is over.

    Raises:
        ConfigError: when the decay is not in [0, 1): with 1 the average would never move.
    """

    def __init__(self, decay: float):
        if not 0 <= decay < 1:
            raise ConfigError(f"a decay of {decay} is not in [0, 1)", where="callbacks.ema.decay")
        super().__init__(multi_avg_fn=get_ema_multi_avg_fn(decay))  # all tensors at once, not one after another

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._device = trainer.strategy.root_device  # the model itself is not there yet
        super().setup(trainer, pl_module, stage)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._average_model = None

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict) -> None:
        if self._average_model is not None:  # in training, which goes on with average and plain weights
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
