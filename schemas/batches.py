"""Batches and step outputs: plain dataclasses of tensors.

Legend: B clips, T frames (the longest clip's), V joints, C channels, E extra channels, K classes.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass
class ClipBatch:
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

    def pin_memory(self) -> "ClipBatch":
        present = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(self, **{name: value.pin_memory() for name, value in present.items()})


@dataclass
class ClipOutput:
    """What every validation and test step returns, and all that callbacks read of it."""

    logits: Tensor
    """[B, K] float32."""
    label: Tensor
    """[B] int64."""
    clip_id: Tensor
    """[B] int64, the clip's row in its store."""
