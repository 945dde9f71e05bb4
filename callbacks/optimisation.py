"""How training moves: the learning rate and the size of the gradient, straight to the loggers.

Neither is a metric of the LightningModule: metrics.csv and checkpoints do not hold them.
"""

import lightning as L
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from callbacks.board import tell_loggers


class Optimisation(L.Callback):
    """Logs `optimisation/lr` and `optimisation/gradient_norm` every trainer.log_every_n_steps steps.

    The norm is that of all gradients together, after a GradScaler's unscaling and before clipping: beside
    trainer.gradient_clip_val it says how often a step was clipped.
    """

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        # With no logger the norm is not worth its time; 0 or null steps mean never.
        if not trainer.loggers or not trainer.log_every_n_steps or trainer.global_step % trainer.log_every_n_steps:
            return
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = get_total_norm(parameter.grad for parameter in parameters if parameter.grad is not None)
        figures = {"lr": optimizer.param_groups[0]["lr"], "gradient_norm": float(norm)}
        tell_loggers(trainer, {f"optimisation/{name}": value for name, value in figures.items()}, trainer.global_step)
