"""Batches and step outputs: plain dataclasses of tensors.

Legend of clips: B clips, T frames (the longest clip's), V joints, C channels, E extra channels, K classes.
Legend of events: B windows, T input events (the longest window's), C cut-offs (1, or T), R source rows (every group of
every stream), L events a row, F fields, D dynamic fields.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


class Tensors:
    """What batches and outputs can do: Lightning and its DataLoader ask for these by name."""

    def changed(self, change: Callable[[Tensor], Tensor]) -> Self:
        """With every tensor that it has put through `change`."""
        present = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(self, **{name: change(value) for name, value in present.items()})

    def to(self, device: torch.device | str) -> Self:
        """On a device; itself where it is there already."""
        device, present = torch.device(device), (getattr(self, f.name) for f in fields(self))
        if all(tensor.device == device for tensor in present if tensor is not None):
            return self
        # Whoever reads a CPU's copy too early reads rubbish; a GPU keeps the order.
        return self.changed(lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))

    def pin_memory(self) -> Self:
        return self.changed(Tensor.pin_memory)


@dataclass
class ClipBatch(Tensors):
    """A padded batch of clips; frames at and after `length` are padding: zero and invisible."""

    joints: Tensor
    """[B, T, V, C] float, zero where not visible."""
    visible: Tensor
    """[B, T, V] bool, whether the joint was seen in that frame."""
    length: Tensor
    """[B] int64, real frames, 1 at least."""
    label: Tensor
    """[B] int64 class."""
    clip_id: Tensor
    """[B] int64, the clip's row in its store."""
    extra: Tensor | None = None
    """[B, T, E] float, channels of the whole frame, broadcast to the nodes."""
    other_label: Tensor | None = None
    """[B] int64, the class mixed in by mixup."""
    mix: Tensor | None = None
    """[B] float, the weight of `label` under mixup; `other_label` has the rest."""

    @property
    def size(self) -> int:
        return len(self.label)

    @property
    def real_BT(self) -> Tensor:
        """[B, T] bool, True at real frames, False at padding."""
        return torch.arange(self.joints.shape[1], device=self.length.device) < self.length[:, None]


@dataclass
class ClipOutput(Tensors):
    """What every validation and test step returns, and all that callbacks read of it."""

    logits: Tensor
    """[B, K] float32."""
    label: Tensor
    """[B] int64."""
    clip_id: Tensor
    """[B] int64, the clip's row in its store."""

    @property
    def predicted(self) -> Tensor:
        """[B] int64, the likeliest class; -1, which is none, where a logit is not a finite number."""
        return torch.where(self.logits.isfinite().all(dim=1), self.logits.argmax(dim=1), -1)


@dataclass
class EventBatch(Tensors):
    """Windows of sequences, and the past events of other sequences that each may read.

    Event t + 1 is predicted from `target[:, : t + 1]` and the sources of its cut-off: number 0 where C = 1, else t.
    """

    source: Tensor
    """[B, C, R, L, F] int32, past events, the newest last; PAD before the first."""
    source_age: Tensor
    """[B, C, R, L] float, log(1 + seconds) from the past event to the cut-off event; 0 at padding."""
    source_length: Tensor
    """[B, C, R] int64, past events in the row, 0 to L: the last that many are real."""
    stream: Tensor
    """[R] int64, the stream of each row; rows of one stream lie together."""
    target: Tensor
    """[B, T + 1, F] int64, the window's events, PAD after the last; inputs are [:, :-1], targets are [:, 1:]."""
    target_gap: Tensor
    """[B, T + 1] float, log(1 + seconds) since the sequence's previous event; 0 at its first and at padding."""
    target_length: Tensor
    """[B] int64, real events in the window, at least 2 and up to T + 1."""
    scored: Tensor
    """[B, T] bool, whether target[:, t + 1] counts."""
    sequence_id: Tensor
    """[B] int64, the sequence's number in its table."""

    @property
    def size(self) -> int:
        return len(self.target)


@dataclass
class EventOutput(Tensors):
    """What every validation and test step returns, and all that callbacks read of it. Zero where not scored."""

    nll: Tensor
    """[B, T, D] float32, nats; with chained heads given the event's earlier fields."""
    hit: Tensor
    """[B, T, D] bool, whether the likeliest value is the target; never for a target that is UNK."""
    top5: Tensor
    """[B, T, D] bool, whether the target is among the five likeliest values; never for UNK."""
    confidence: Tensor
    """[B, T, D] float32, the likeliest value's probability."""
    scored: Tensor
    """[B, T] bool."""
    sequence_id: Tensor
    """[B] int64."""
