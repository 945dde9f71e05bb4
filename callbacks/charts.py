"""Pictures in TensorBoard: what the net is shown, and what it confuses."""

import lightning as L
import numpy as np

from callbacks import pictures
from callbacks.board import board_of
from schemas.batches import ClipBatch, ClipOutput
from storage import atomic


class ConfigText(L.Callback):
    """The resolved config as text."""

    def __init__(self, text: str):
        self.text = text

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if board := board_of(trainer):
            board.add_text("config", "    " + self.text.replace("\n", "\n    "))


class ClipGrid(L.Callback):
    """Some training clips of the first batch, as the source has them, drawn as skeletons.

    Args:
        clips: how many are drawn.
        path: a PNG file that is written as well, or None.
    """

    def __init__(self, clips: int, path: str | None):
        self.clips, self.path = clips, path

    def on_train_batch_start(self, trainer: L.Trainer, pl_module, batch: ClipBatch, batch_idx: int) -> None:
        if trainer.global_step > 0 or batch_idx > 0 or trainer.fast_dev_run or not trainer.is_global_zero:
            return
        schema, drawn = trainer.datamodule.schema, []
        for i in range(min(self.clips, batch.size)):
            length = int(batch.length[i])
            joints, visible = batch.joints[i, :length].cpu().numpy(), batch.visible[i, :length].cpu().numpy()
            drawn.append((joints, visible, schema.classes[int(batch.label[i])]))
        figure = pictures.clip_strip(drawn, schema.skeleton)
        if self.path is not None:
            atomic.write_bytes(self.path, pictures.as_png(figure))
        if board := board_of(trainer):
            board.add_figure("clips/train", figure)


class ConfusionMatrix(L.Callback):
    """The confusion matrix of validation every few epochs, and of the test split.

    Args:
        every_n_epochs: how often that of validation is drawn; the last epoch's always is.
    """

    def __init__(self, every_n_epochs: int):
        self.every_n_epochs = every_n_epochs
        self._counts: np.ndarray | None = None

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        classes = trainer.datamodule.schema.num_classes
        self._counts = np.zeros((classes, classes), dtype=np.int64)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self, trainer, pl_module, outputs: ClipOutput, batch, batch_idx, dataloader_idx=0
    ) -> None:
        label, predicted = outputs.label.cpu().numpy(), outputs.predicted.cpu().numpy()
        np.add.at(self._counts, (label[predicted >= 0], predicted[predicted >= 0]), 1)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if not trainer.sanity_checking and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs):
            self._draw(trainer, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, "test")

    def _draw(self, trainer: L.Trainer, split: str) -> None:
        if board := board_of(trainer):
            picture = pictures.confusion_picture(self._counts, trainer.datamodule.schema.classes, split)
            board.add_figure(f"confusion/{split}", picture, global_step=trainer.current_epoch)
