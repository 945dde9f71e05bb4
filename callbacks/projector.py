"""What the net makes of clips before it decides, in TensorBoard's embedding projector.

Legend: B clips of a batch, n clips kept, W width of the last layer's input.
"""

import lightning as L
import torch
from torch import Tensor, nn

from callbacks.board import board_of
from callbacks.split_chart import step_of
from schemas.batches import ClipOutput


class Projector(L.Callback):
    """Writes the input of the net's last linear layer for the last validation's and the test split's clips.

    The points are called `val` and `test`, and named by clip, class and what was said.

    Args:
        clips: at most so many, taken evenly from the whole split; 0 writes nothing.
    """

    def __init__(self, clips: int):
        self.clips = clips
        self._hook = None
        self._given: Tensor | None = None
        self._features: list[Tensor] = []
        self._words: list[list[str]] = []
        self._seen = 0

    def _begin(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._features, self._words, self._seen, self._given = [], [], 0, None
        layers = [module for module in pl_module.net.modules() if isinstance(module, nn.Linear)]
        shown = board_of(trainer) and trainer.is_global_zero and not (trainer.fast_dev_run or trainer.sanity_checking)
        if self.clips and layers and shown:
            self._hook = layers[-1].register_forward_pre_hook(self._take)

    def _take(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._given = inputs[0]

    def _keep(self, trainer: L.Trainer, split: str, output: ClipOutput) -> None:
        """Every so-manieth clip of the split: a loader that reads in order of class would else show the first ones."""
        if self._given is None or self._given.shape[0] != len(output.label):
            return
        apart = -(-len(trainer.datamodule.rows[split]) // self.clips)
        places = torch.arange(-self._seen % apart, len(output.label), apart)
        self._seen += len(output.label)
        self._features.append(self._given.detach()[places.to(self._given.device)].flatten(1).float().cpu())
        names, ids = trainer.datamodule.schema.classes, trainer.datamodule.store.ids
        for place in places.tolist():
            said = int(output.predicted[place])
            words = [str(ids[int(output.clip_id[place])]), names[int(output.label[place])]]
            self._words.append([*words, names[said] if said >= 0 else "nothing"])

    def _write(self, trainer: L.Trainer, split: str) -> None:
        if self._features and (board := board_of(trainer)):
            words = [[" ".join(word.split()) for word in row] for row in self._words]
            header = ["clip", "true", "said"]
            board.add_embedding(torch.cat(self._features), words, None, step_of(trainer), split, header)
        self._features, self._words = [], []

    def _end(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = self._given = None

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin(trainer, pl_module)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self, trainer, pl_module, outputs: ClipOutput, batch, batch_idx, dataloader_idx=0
    ) -> None:
        self._keep(trainer, "val", outputs)

    def on_test_batch_end(self, trainer, pl_module, outputs: ClipOutput, batch, batch_idx, dataloader_idx=0) -> None:
        self._keep(trainer, "test", outputs)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._end()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._end()
        self._write(trainer, "test")
