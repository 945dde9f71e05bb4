"""What the decoder of an event predictor reads: its attention over the streams, in TensorBoard.

Legend: B windows, T positions, M vectors of the memory, H heads of a layer, A heads of all layers, S sources (the
streams, and "nothing known").
"""

import lightning as L
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from callbacks.board import board_of, tell_loggers
from callbacks.pictures import for_a_card, short
from callbacks.split_chart import SplitChart, step_of
from models.event_predictor.attention import Memory
from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch


class StreamAttention(SplitChart):
    """How much of the decoder's cross-attention each stream gets, on the first batch of validation and of the test.

    The mean over the scored events of the batch, summed over the vectors of a stream: of every validation the mean
    over layers and heads as curves (`attention/<stream>`), and now and then a picture by layer and head
    (`attention/val`, `attention/test`). It says what is read, not what it is worth: a stream may be read and add
    nothing, and with `model.stream_attention` a stream's vector holds what it has read of the others. A net without
    streams is left alone.

    Args:
        every_n_epochs: how often the picture of validation is drawn before the end.
    """

    def __init__(self, every_n_epochs: int):
        super().__init__(every_n_epochs)
        self._hooks: list[RemovableHandle] = []
        self._layers: list[Tensor] = []
        self._evenly: Tensor | None = None
        self._newest: dict[str, tuple[np.ndarray, np.ndarray, tuple[str, ...]]] = {}

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: EventBatch, batch_idx, dataloader_idx=0
    ) -> None:
        if batch_idx > 0 or trainer.sanity_checking or trainer.fast_dev_run or not trainer.is_global_zero:
            return
        if board_of(trainer) is not None and pl_module.net.memory is not None:
            self._watch(pl_module.net, batch)

    on_test_batch_start = on_validation_batch_start

    def _watch(self, net: EventPredictor, batch: EventBatch) -> None:
        """Lets the decoder's layers tell their weights in this batch; nothing is added to any other."""
        source_M, sources = net.memory.source_of_vectors(batch), len(net.memory.sources)

        def tell(attention: nn.Module, inputs: tuple[Tensor, Memory]) -> None:
            x_BTd, memory = inputs
            weight_BHTM = attention.weights(x_BTd, memory)
            self._layers.append(shares(weight_BHTM, batch.scored, source_M, sources))
            if self._evenly is None:
                even_B1CM = (memory.known / memory.known.sum(2, keepdim=True))[:, None]
                even_B1TM = even_B1CM.expand(-1, -1, x_BTd.shape[1], -1)
                self._evenly = shares(even_B1TM, batch.scored, source_M, sources)

        self._hooks = [layer.cross_attention.register_forward_pre_hook(tell) for layer in net.decoder.layers]

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs, batch, batch_idx, dataloader_idx=0
    ) -> None:
        if self._hooks:
            self._tell(trainer, pl_module.net.memory.sources)

    on_test_batch_end = on_validation_batch_end

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._let_go()

    def _let_go(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._layers, self._evenly = [], [], None

    def _tell(self, trainer: L.Trainer, sources: tuple[str, ...]) -> None:
        layers_LHS, evenly_S = torch.stack(self._layers).cpu().numpy(), self._evenly[0].cpu().numpy()
        self._let_go()
        self._newest = {}
        if not np.isfinite(layers_LHS).all():  # no event of the batch is scored, or the net is beyond help
            return
        self._newest = {"test" if trainer.testing else "val": (layers_LHS, evenly_S, sources)}
        if not trainer.testing:
            mean = zip(sources, layers_LHS.mean((0, 1)).tolist(), strict=True)
            tell_loggers(trainer, {f"attention/{name}": share for name, share in mean}, step_of(trainer))

    def seen_in(
        self, trainer: L.Trainer, split: str, last: bool
    ) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]] | None:
        """The shares of the newest batch that was looked at, by layer and head, those of reading alike, and of whom."""
        return self._newest.get(split)

    def draw(self, trainer: L.Trainer, split: str, output: tuple, last: bool) -> None:
        board_of(trainer).add_figure(f"attention/{split}", attention_picture(*output, split), step_of(trainer))


def shares(weight_BHTM: Tensor, scored_BT: Tensor, source_M: Tensor, sources: int) -> Tensor:
    """[H, S] float32, the mean weight of the scored positions on the vectors of each source; NaN where none is."""
    total_HM = (weight_BHTM * scored_BT[:, None, :, None]).sum((0, 2))
    total_HS = total_HM.new_zeros(len(total_HM), sources).index_add_(1, source_M, total_HM)
    return total_HS / scored_BT.sum()


def attention_picture(layers_LHS: np.ndarray, evenly_S: np.ndarray, sources: tuple[str, ...], split: str) -> Figure:
    """Shares in per cent: a row a head, layer under layer, and what reading all known vectors alike would give."""
    layers, heads, _ = layers_LHS.shape
    mean_S = layers_LHS.mean((0, 1))
    figure = Figure(figsize=(1.6 + 0.42 * max(len(sources), 6), 2.4 + 0.3 * (layers * heads + 2)), layout="constrained")
    parts = figure.subplots(2, 1, sharex=True, height_ratios=(layers * heads, 2))
    rows = [f"layer {layer + 1}, head {head + 1}" for layer in range(layers) for head in range(heads)]
    _heatmap(parts[0], layers_LHS.reshape(layers * heads, -1), rows)
    for border in range(1, layers):
        parts[0].axhline(border * heads - 0.5, color="white", linewidth=3)
    _heatmap(parts[1], np.stack([mean_S, evenly_S]), ["all heads", "read alike"])
    parts[0].tick_params(bottom=False)
    turned = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
    parts[1].set_xticks(range(len(sources)), [short(name, 18) for name in sources], parse_math=False, **turned)
    figure.suptitle(f"attention of the decoder, %\n({split}, first batch)", fontsize=11)
    return for_a_card(figure)


def _heatmap(axis: Axes, share_AS: np.ndarray, rows: list[str]) -> None:
    # The same colours in every epoch and run; the root keeps small shares apart.
    axis.imshow(100 * share_AS, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=100), aspect="auto")
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    for (row, column), share in np.ndenumerate(share_AS):
        colour = "white" if share > 0.4 else "black"
        axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=colour)
