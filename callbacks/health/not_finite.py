"""Where numbers that are not finite are: in a batch, in weights, and in which module's output first.

Legend: B clips or windows.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from callbacks.health.naming import listed
from schemas.batches import ClipBatch, EventBatch


def tensors_in(value: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The floating-point tensors of a batch or an output, named by field, key or place."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield name, value
        return
    parts: Iterable[tuple[object, object]] = ()
    if is_dataclass(value):
        parts = ((f.name, getattr(value, f.name)) for f in fields(value))
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    for key, part in parts:
        yield from tensors_in(part, f"{name}.{key}" if name else str(key))


def not_finite(named: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of those tensors that hold a number that is not finite."""
    return [name for name, tensor in named if not bool(tensor.detach().isfinite().all())]


def names_of(rows: Tensor, kind: str, datamodule: object) -> list[str]:
    """What the data call these rows: a store's own ids of `clips`, a table's of `sequences`, or their numbers."""
    holder, column = ("store", "ids") if kind == "clips" else ("table", "sequence_names")
    known = getattr(getattr(datamodule, holder, None), column, None)
    return [str(row if known is None else known[row]) for row in rows.tolist()]


def members_of(batch: object, trainer: L.Trainer) -> tuple[str, list[str]]:
    """What a batch consists of, as `clips` or `sequences` and the [B] names; a stranger's batch has none."""
    datamodule = getattr(trainer, "datamodule", None)
    if isinstance(batch, ClipBatch):
        return "clips", names_of(batch.clip_id, "clips", datamodule)
    if isinstance(batch, EventBatch):
        return "sequences", names_of(batch.sequence_id, "sequences", datamodule)
    return "", []


def bad_rows(tensor: Tensor) -> np.ndarray:
    """[B] bool, where the first axis is the batch's."""
    return (~tensor.detach().isfinite()).flatten(1).any(dim=1).cpu().numpy()


def whose(tensor: Tensor, members: list[str]) -> str:
    """` of a, b`, where a tensor [B, ...] is at fault for some members and not for all."""
    if tensor.ndim == 0 or len(tensor) != len(members):
        return ""
    bad = bad_rows(tensor.reshape(len(tensor), -1))
    at_fault = [name for name, is_bad in zip(members, bad, strict=True) if is_bad]
    return f" of {listed(at_fault)}" if 0 < len(at_fault) < len(members) else ""


class LastForward:
    """Remembers a net's last inputs and the random state before it, so that its forward pass can be repeated."""

    def __init__(self, net: nn.Module, device: torch.device):
        self.net, self.device = net, device
        self.forget()
        self._handle = net.register_forward_pre_hook(self._remember, with_kwargs=True)

    def _remember(self, net: nn.Module, args: tuple, kwargs: dict) -> None:
        on_cuda = self.device.type == "cuda"
        self._random = torch.get_rng_state(), torch.cuda.get_rng_state(self.device) if on_cuda else None
        self.inputs = args, kwargs

    def forget(self) -> None:
        """Lets go of the inputs: a batch is not kept while the next one is made."""
        self.inputs: tuple[tuple, dict] | None = None

    def remove(self) -> None:
        self.forget()
        self._handle.remove()

    @torch.no_grad()
    def repeat(self, context: AbstractContextManager) -> tuple[str | None, object]:
        """Runs the net again and watches every module.

        Returns:
            The first module, in order of completion, whose output held a NaN or +inf, as `path (Class)`, or else the
            first with -inf, which masks hold rightly; None where all were finite. And the net's output.
        """
        found: dict[bool, str] = {}

        def look(path: str, module: nn.Module, output: object) -> None:
            for _, tensor in tensors_in(output):
                if not bool(tensor.isfinite().all()):
                    found.setdefault(
                        bool((tensor.isneginf() | tensor.isfinite()).all()), f"{path} ({type(module).__name__})"
                    )

        def hook_of(path: str):
            return lambda module, args, output: look(path, module, output)

        torch.set_rng_state(self._random[0])
        if self._random[1] is not None:
            torch.cuda.set_rng_state(self._random[1], self.device)
        handles = [
            module.register_forward_hook(hook_of(f"net.{path}".rstrip(".")))
            for path, module in self.net.named_modules()
        ]
        try:
            with context:
                output = self.net(*self.inputs[0], **self.inputs[1])
        finally:
            for handle in handles:
                handle.remove()
        return found.get(False, found.get(True)), output
