"""Parts of a net that are frozen stay still while the rest trains."""

from collections.abc import Sequence

import lightning as L
from torch import nn


class KeepStill(L.Callback):
    """Puts frozen modules into eval mode at the beginning of every epoch: no dropout, no new BatchNorm statistics.

    Here and not before the fit: Lightning warns of modules that are in eval mode then, and restores each one's own
    mode after a validation. A recurrent layer stays in training mode, without which cuDNN has no backward through it;
    whoever freezes it takes its dropout away.

    Args:
        names: of modules of the net, each named by itself.
    """

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for name in self.names:
            module = pl_module.net.get_submodule(name)
            # Not eval(), which would reach the modules inside.
            module.training = isinstance(module, nn.RNNBase)
