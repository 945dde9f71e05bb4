"""Pictures in TensorBoard: what the net is shown, and what it confuses."""

import lightning as L
import numpy as np

from callbacks import pictures
from callbacks.board import board_of
from callbacks.split_chart import SplitChart, step_of
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
        if self.path is not None:
            atomic.write_bytes(self.path, pictures.as_png(pictures.clip_strip(drawn, schema.skeleton)))
        if board := board_of(trainer):
            strip = pictures.clip_strip(drawn, schema.skeleton, moments=3)
            board.add_figure("clips/train", pictures.for_a_card(strip))


class ConfusionMatrix(SplitChart):
    """What is taken for what: `confusion/val` and `confusion/test`.

    Args:
        every_n_epochs: how often that of validation is drawn before the end.
    """

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        if board := board_of(trainer):
            classes, label, said = trainer.datamodule.schema.classes, output.label.numpy(), output.predicted.numpy()
            counts_KK = np.zeros((len(classes), len(classes)), dtype=np.int64)
            np.add.at(counts_KK, (label[said >= 0], said[said >= 0]), 1)
            picture = pictures.confusion_picture(counts_KK, classes, self.title(trainer, split, last))
            board.add_figure(f"confusion/{split}", picture, step_of(trainer))
