"""The deterministic half of what happens to a batch of clips: normalise, resample, derive channels.

Batched tensor code without a loop over clips or frames; runs on whatever device the batch is on, and serves
training, evaluation, prediction and export alike.
Legend: B clips, T frames, S resampled frames, V joints, P pairs of joints, C coordinates or channels.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from schemas.batches import ClipBatch
from schemas.errors import ConfigError
from schemas.skeleton import Skeleton

CHANNELS = ("joint", "bone", "velocity", "visible")


def count_channels(names: Sequence[str], coordinates: int, extra: int) -> int:
    """How many numbers a node has after `Channels`; raises ConfigError for a name that is not one of CHANNELS."""
    if unknown := [name for name in names if name not in CHANNELS] or not names:
        raise ConfigError(
            f"{unknown or 'nothing'} is no channel", where="datamodule.channels", remedy=f"Known: {CHANNELS}"
        )
    return sum(1 if name == "visible" else coordinates for name in names) + extra


def masked_mean(values: Tensor, mask: Tensor, dims: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The mean of `values` [..., C] over `dims` where `mask` [...] holds, else zero; and whether it held anywhere."""
    weight = mask.unsqueeze(-1).to(values.dtype)
    count = weight.sum(dims)
    return (values * weight).sum(dims) / count.clamp(min=1), count > 0


class Normalise(nn.Module):
    """Moves each clip's centre to the origin and makes its scale 1, once a clip: movement within it is kept.

    Only visible joints count. A clip whose centre (or scale) joints were never seen takes the mean of all that
    were (or their mean distance from it).
    """

    def __init__(self, skeleton: Skeleton):
        super().__init__()
        self.centre = list(skeleton.centre)
        self.ends = [list(joints) for joints in zip(*skeleton.scale, strict=True)] or [[0], [0]]

    def forward(self, batch: ClipBatch) -> ClipBatch:
        x_BTVC, visible_BTV = batch.joints, batch.visible
        anywhere_BC, _ = masked_mean(x_BTVC, visible_BTV, (1, 2))
        centre_BC, found = masked_mean(x_BTVC[:, :, self.centre], visible_BTV[:, :, self.centre], (1, 2))
        centre_BC = torch.where(found, centre_BC, anywhere_BC)

        one, other = self.ends
        length_BTP1 = (x_BTVC[:, :, one] - x_BTVC[:, :, other]).norm(dim=-1, keepdim=True)
        scale_B1, found = masked_mean(length_BTP1, visible_BTV[:, :, one] & visible_BTV[:, :, other], (1, 2))
        spread_B1, _ = masked_mean((x_BTVC - centre_BC[:, None, None]).norm(dim=-1, keepdim=True), visible_BTV, (1, 2))
        scale_B1 = torch.where(found & (scale_B1 > 1e-6), scale_B1, spread_B1)
        scale_B1 = torch.where(scale_B1 > 1e-6, scale_B1, torch.ones_like(scale_B1))

        joints = (x_BTVC - centre_BC[:, None, None]) / scale_B1[:, None, None]
        return replace(batch, joints=joints * visible_BTV[..., None])


class Resample(nn.Module):
    """Reads every clip at `frames` moments, the middles of equal stretches of it; None keeps each clip's own frames.

    Between two frames a joint is interpolated linearly from those in which it was seen, and counts as seen
    where these have half of the weight or more.
    """

    def __init__(self, frames: int | None):
        super().__init__()
        self.frames = frames

    def forward(self, batch: ClipBatch) -> ClipBatch:
        if self.frames is None:
            return batch
        step_S = (torch.arange(self.frames, device=batch.length.device) + 0.5) / self.frames
        position_BS = step_S * batch.length[:, None] - 0.5
        return read_at(batch, position_BS, torch.full_like(batch.length, self.frames))


def read_at(batch: ClipBatch, position_BS: Tensor, length: Tensor) -> ClipBatch:
    """The batch at fractional frame numbers, clamped to each clip; moments from the new `length` on are padding."""
    last_B1 = batch.length[:, None] - 1
    position_BS = torch.minimum(position_BS.clamp(min=0), last_B1)
    before_BS = position_BS.floor().long()
    after_BS = torch.minimum(before_BS + 1, last_B1)
    later_BS = (position_BS - before_BS).to(batch.joints.dtype)
    rows = torch.arange(batch.size, device=before_BS.device)[:, None]
    real_BS = torch.arange(position_BS.shape[1], device=length.device) < length[:, None]

    def between(values_BT_: Tensor, seen_BT_: Tensor) -> tuple[Tensor, Tensor]:
        weight_before = (1 - later_BS)[..., None] * seen_BT_[rows, before_BS]
        weight_after = later_BS[..., None] * seen_BT_[rows, after_BS]
        total_BS_ = weight_before + weight_after
        share_BS_ = torch.where(total_BS_ > 0, weight_after / total_BS_.clamp(min=1e-9), torch.zeros_like(total_BS_))
        seen_BS_ = (total_BS_ >= 0.5) & real_BS[..., None]
        values = torch.lerp(values_BT_[rows, before_BS], values_BT_[rows, after_BS], share_BS_[..., None])
        return values * seen_BS_[..., None], seen_BS_

    joints, visible = between(batch.joints, batch.visible)
    extra = batch.extra
    if extra is not None:
        # A frame in which no joint was seen has no extra channels either.
        extra = between(extra[:, :, None], batch.visible.any(dim=2, keepdim=True))[0][:, :, 0]
    return replace(batch, joints=joints, visible=visible, length=length, extra=extra)


class Channels(nn.Module):
    """Replaces the coordinates by what the net sees: the named channels side by side, then the extra ones.

    joint: the coordinates; bone: joint minus its parent (zero at a root); velocity: next frame minus this one
    (zero at a clip's last frame); visible: 1 or 0. A channel that needs a joint which was not seen is zero.
    Adding them early is the joint / bone / motion ensemble in one net (2s-AGCN, Shi et al. 2019).
    """

    def __init__(self, skeleton: Skeleton, names: Sequence[str]):
        super().__init__()
        self.names = list(names)
        self.register_buffer("parent_V", torch.from_numpy(skeleton.parent_index), persistent=False)

    def forward(self, batch: ClipBatch) -> ClipBatch:
        x_BTVC, visible_BTV = batch.joints, batch.visible
        parts = []
        for name in self.names:
            if name == "joint":
                parts.append(x_BTVC * visible_BTV[..., None])
            elif name == "bone":
                both = visible_BTV & visible_BTV[:, :, self.parent_V]
                parts.append((x_BTVC - x_BTVC[:, :, self.parent_V]) * both[..., None])
            elif name == "velocity":
                both = visible_BTV[:, 1:] & visible_BTV[:, :-1]
                moved = (x_BTVC[:, 1:] - x_BTVC[:, :-1]) * both[..., None]
                parts.append(nn.functional.pad(moved, (0, 0, 0, 0, 0, 1)))
            else:
                parts.append(visible_BTV[..., None].to(x_BTVC.dtype))
        if batch.extra is not None:
            parts.append(batch.extra[:, :, None].expand(-1, -1, x_BTVC.shape[2], -1))
        return replace(batch, joints=torch.cat(parts, dim=-1), extra=None)
