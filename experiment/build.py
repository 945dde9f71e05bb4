"""Data -> schema -> net -> LightningModule -> Trainer, all from the resolved config."""

from collections.abc import Callable
from dataclasses import dataclass

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

from experiment.checkpoints.lightning_io import TrustedCheckpointIO
from lightning_modules.schedules import Schedule
from schemas.errors import ConfigError, ExperimentError

STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""What Lightning calls of every callback at every training step."""


@dataclass(frozen=True)
class ParameterCount:
    """The two ways to count a net's numbers."""

    state_dict: int
    """Every tensor of the state dict, BatchNorm's buffers included: how the documented figures were counted."""
    trainable: int

    @classmethod
    def of(cls, net: nn.Module) -> "ParameterCount":
        stored = sum(tensor.numel() for tensor in net.state_dict().values())
        return cls(stored, sum(p.numel() for p in net.parameters() if p.requires_grad))

    def __str__(self) -> str:
        return f"{self.state_dict:,} numbers in the state dict, {self.trainable:,} trainable"


def build(node: DictConfig, where: str, *arguments, **keywords) -> object:
    """Instantiates a config; raises ConfigError for what the component does not take."""
    try:
        built = instantiate(node, **keywords)
        return built(*arguments) if arguments else built
    except InstantiationException as error:
        if isinstance(error.__cause__, ExperimentError):
            raise error.__cause__ from error
        raise ConfigError(" ".join(str(error).split()), where=where) from error
    except (TypeError, ValueError, AssertionError) as error:
        # Inner components are built when the outer one calls them, beyond Hydra's own handling; what they refuse
        # then is a value or an argument of the config.
        raise ConfigError(" ".join(str(error).split()), where=where) from error


def build_datamodule(config: DictConfig) -> L.LightningDataModule:
    """The DataModule, opened: its schema is what the model is built from."""
    settings = OmegaConf.to_container(config.datamodule, resolve=True)
    del settings["task"]
    return build(settings, "datamodule")


def build_net(config: DictConfig, schema: object) -> nn.Module:
    """The net that the config describes, for data of this schema."""
    return build(config.model.net, "model", schema)


def build_optimisation(config: DictConfig) -> tuple[Callable, Schedule]:
    """From parameters to an optimizer, and the schedule of its rate."""
    optimizer, schedule = build(config.optimizer, "optimizer"), build(config.scheduler, "scheduler")
    _try_out(optimizer, schedule, groups=1 + len(config.model.get("lr_scale") or {}))
    return optimizer, schedule


def _try_out(optimizer, schedule, groups: int) -> None:
    """Both are called by Lightning only when training begins; what they would refuse then is refused now."""
    try:
        parameters = [nn.Parameter(torch.zeros(1)) for _ in range(groups)]
        trial = optimizer(parameters if groups == 1 else [{"params": [parameter]} for parameter in parameters])
        schedule.schedule(trial, 100)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error), where="optimizer or scheduler") from error


def choose_precision(mode: str, accelerator: str) -> str:
    """Lightning's name of a precision: `auto` takes what the device truly has."""
    on_cuda = torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda")
    if mode == "auto" and on_cuda:
        mode = "amp_bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "amp_fp16"
    if mode == "amp_fp16" and not on_cuda:
        raise ConfigError(
            "fp16 AMP needs a CUDA device", where="precision", remedy="Use precision=amp_bf16, fp32 or auto here."
        )
    return {"amp_bf16": "bf16-mixed", "amp_fp16": "16-mixed"}.get(mode, "32-true")


def build_trainer(
    config: DictConfig, first: list[L.Callback], last: list[L.Callback], purge_step: int = 0
) -> L.Trainer:
    """The Trainer, with the configured callbacks between those given.

    Args:
        purge_step: where the run begins or goes on: TensorBoard forgets what it was told from that step on. It takes
            the first such word for the beginning, so that a run that begins says 0.
    """
    named = [build(node, f"callbacks.{name}") for name, node in config.callbacks.items() if node is not None]
    if config.trainer.get("fast_dev_run"):
        named = [callback for callback in named if not isinstance(callback, L.pytorch.callbacks.Checkpoint)]
    trainer = build(
        config.trainer,
        "trainer",
        callbacks=[*first, *named, *last],
        logger=[_build_logger(name, node, purge_step) for name, node in config.logger.items()],
        precision=choose_precision(config.precision.mode, config.trainer.accelerator),
        plugins=[TrustedCheckpointIO()],
        default_root_dir=config.paths.run_dir,
        enable_progress_bar=any(isinstance(callback, L.pytorch.callbacks.ProgressBar) for callback in named),
    )
    _leave_out_empty_hooks(trainer.callbacks)
    return trainer


def _leave_out_empty_hooks(callbacks: list[L.Callback]) -> None:
    """Of some 25 callbacks a handful does something at a step, and Lightning calls every hook of each: half a
    millisecond. What is not callable it passes over."""
    for callback in callbacks:
        for hook in STEP_HOOKS:
            if getattr(type(callback), hook) is getattr(L.Callback, hook) and hook not in vars(callback):
                setattr(callback, hook, None)


def _build_logger(name: str, node: DictConfig, purge_step: int) -> Logger:
    keywords = {"purge_step": purge_step} if node._target_.endswith("TensorBoardLogger") else {}
    return build(node, f"logger.{name}", **keywords)
