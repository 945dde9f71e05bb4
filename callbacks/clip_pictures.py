"""Clips in TensorBoard as short animations, with their class and what the net said of them.

Legend: n clips, K classes.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import numpy as np
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from callbacks import pictures
from callbacks.animation import ShownClip, animate
from callbacks.board import board_of
from callbacks.split_chart import SplitChart, step_of
from schemas.batches import ClipOutput
from storage import atomic

ROWS = 20
"""Of the table of mistakes."""
MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>|*_`[]\\"}
"""What a name must not mean in TensorBoard's Markdown."""


class ClipAnimations(SplitChart):
    """The same clips of a split each time, spread over its classes: `clips/val` and `clips/test`.

    Args:
        clips: how many.
        every_n_epochs: how often those of validation are drawn before the end.
    """

    def __init__(self, clips: int, every_n_epochs: int | None):
        super().__init__(every_n_epochs)
        self.clips = clips

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        if board := board_of(trainer):
            places = spread_over_classes(output.label.numpy(), output.clip_id.numpy(), self.clips)
            gif = animate(shown_clips(trainer.datamodule, output, places), trainer.datamodule.schema.skeleton)
            add_gif(board, f"clips/{split}", gif, step_of(trainer))


class Mistakes(SplitChart):
    """The mistakes that the net was surest of: `mistakes/val` and `mistakes/test`, animated and as a table.

    Args:
        clips: how many are drawn; the table may have more.
        every_n_epochs: how often those of validation are drawn before the end.
        path: a PNG file, or None: at the end those of the best epoch's validation, replaced by those of the test split
            where it is opened; no file where there is no mistake.
    """

    def __init__(self, clips: int, every_n_epochs: int | None, path: str | None):
        super().__init__(every_n_epochs)
        self.clips, self.path = clips, path and Path(path)

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        if board := board_of(trainer):
            self._show(board, trainer, split, output, self.title(trainer, split, last))
        if last and self.path is not None:
            self._write(trainer.datamodule, output, f"The surest mistakes: {self.title(trainer, split, last)}")

    def _show(self, board: SummaryWriter, trainer: L.Trainer, split: str, output: ClipOutput, title: str) -> None:
        datamodule, step = trainer.datamodule, step_of(trainer)
        places = surest_mistakes(output)
        board.add_text(f"mistakes/{split}", _table(datamodule, output, places, title), step)
        if not len(places):
            # The newest picture is what one sees: an older one would show mistakes of an earlier net.
            board.add_figure(f"mistakes/{split}", pictures.words_only("none"), step)
        else:
            gif = animate(shown_clips(datamodule, output, places[: self.clips]), datamodule.schema.skeleton)
            add_gif(board, f"mistakes/{split}", gif, step)

    def _write(self, datamodule: L.LightningDataModule, output: ClipOutput, title: str) -> None:
        places = surest_mistakes(output)[: self.clips]
        if not len(places):
            self.path.unlink(missing_ok=True)
            return
        store, rows = datamodule.store, []
        for clip, row in zip(shown_clips(datamodule, output, places), output.clip_id[places].tolist(), strict=True):
            words = f"true: {clip.true}    said: {clip.said} {clip.probability:.2f}    clip: {store.ids[row]}"
            rows.append((clip.joints, clip.visible, words))
        strip = pictures.clip_strip(rows, datamodule.schema.skeleton, title)
        atomic.write_bytes(self.path, pictures.as_png(strip))


def spread_over_classes(label_n: np.ndarray, clip_id_n: np.ndarray, clips: int) -> np.ndarray:
    """Places of up to `clips` clips, whatever order they come in: of classes at even distances, each class's clips of
    lowest id first."""
    order = np.lexsort((clip_id_n, label_n))
    first = np.r_[True, np.diff(label_n[order]) > 0]
    starts = np.flatnonzero(first)
    # How many clips of its class come before each: all classes' first clips, then their second ones ...
    rank = np.arange(len(order)) - starts[np.cumsum(first) - 1]
    if len(starts) > clips:
        return order[starts[np.linspace(0, len(starts) - 1, clips).round().astype(int)]]
    chosen = np.argsort(rank, kind="stable")[:clips]
    return order[np.sort(chosen)]


def surest_mistakes(output: ClipOutput) -> np.ndarray:
    """Places of all wrong clips, the highest probability first; without those whose logits are not finite."""
    predicted, probability = output.predicted.numpy(), output.logits.softmax(dim=1).amax(dim=1).numpy()
    wrong = np.flatnonzero((predicted >= 0) & (predicted != output.label.numpy()))
    return wrong[np.argsort(-probability[wrong], kind="stable")]


def shown_clips(datamodule: L.LightningDataModule, output: ClipOutput, places: Sequence[int]) -> list[ShownClip]:
    """The clips as their source has them, read from the store."""
    classes, batch = datamodule.schema.classes, datamodule.store.gather(output.clip_id[places].numpy())
    said, probability = output.predicted[places].tolist(), output.logits[places].softmax(dim=1).amax(dim=1).tolist()
    shown = []
    for number, length in enumerate(batch.length.tolist()):
        joints, visible = batch.joints[number, :length].numpy(), batch.visible[number, :length].numpy()
        words = classes[said[number]] if said[number] >= 0 else "nothing"
        shown.append(ShownClip(joints, visible, classes[int(batch.label[number])], words, probability[number]))
    return shown


def add_gif(board: SummaryWriter, tag: str, gif: bytes, step: int) -> None:
    """A GIF among TensorBoard's images, which plays there; SummaryWriter itself writes PNGs only."""
    width, height = Image.open(io.BytesIO(gif)).size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
    # Its `file_writer` is None once fit has closed it; this is how all its own methods open it again for the test.
    board._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


def _table(datamodule: L.LightningDataModule, output: ClipOutput, places: np.ndarray, title: str) -> str:
    silent = int((output.predicted < 0).sum())
    unanswered = f" {silent:,} of {len(output.label):,} clips got no answer." if silent else ""
    if not len(places):
        return f"No clip was taken for another class ({title}).{unanswered}"
    shown, classes = places[:ROWS], datamodule.schema.classes
    columns = (
        [_cell(datamodule.store.ids[row]) for row in output.clip_id[shown].tolist()],
        [_cell(classes[label]) for label in output.label[shown].tolist()],
        [_cell(classes[said]) for said in output.predicted[shown].tolist()],
        [f"{p:.3f}" for p in output.logits[shown].softmax(dim=1).amax(dim=1).tolist()],
    )
    heading = f"{len(places):,} mistakes of {len(output.label):,} clips ({title}), the surest first.{unanswered}\n\n"
    rows = [("clip", "true", "said", "probability"), (":--", ":--", ":--", "--:"), *zip(*columns, strict=True)]
    return heading + "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cell(name: object) -> str:
    return " ".join(str(name).split()).translate(MARKS)
