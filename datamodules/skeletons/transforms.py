"""The random half of what happens to a batch of clips in training: augmentation, batched, on the batch's device.

All randomness comes from torch's generator of that device, which is reseeded before every batch from
(seed, epoch, batch, rank): workers hold none, so their number cannot change a result.
Each module takes and returns a ClipBatch of normalised clips (centre 0, scale 1), so lengths are in units of scale;
those that `Augmentation.joints` names are built as factory(skeleton).
Legend: B clips, T frames, S resampled frames, V joints, C coordinates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from datamodules.skeletons.features import Channels, Normalise, read_at
from schemas.batches import ClipBatch
from schemas.skeleton import Skeleton


@dataclass(frozen=True)
class Augmentation:
    """What training does to its clips at random."""

    joints: Mapping[str, Callable[[Skeleton], nn.Module]]
    """Factories of the modules that change joints, applied in their order."""
    crop: Sequence[float]
    """The lowest and highest share of a clip that is read."""
    mixup: float
    """alpha of mixup, 0 for none."""

    def build(self, skeleton: Skeleton, frames: int | None, channels: Sequence[str]) -> nn.Sequential:
        """Normalise, change joints, read a random stretch at `frames` moments, derive the channels, mix."""
        steps = [Normalise(skeleton), *(factory(skeleton) for factory in self.joints.values())]
        steps += [RandomResample(frames, self.crop), Channels(skeleton, channels)]
        return nn.Sequential(*steps, *([Mixup(self.mixup)] if self.mixup else []))


def _uniform(shape: Sequence[int], low: float, high: float, like: Tensor) -> Tensor:
    return torch.empty(shape, device=like.device).uniform_(low, high)


class Flip(nn.Module):
    """Mirrors a clip with a probability: left and right joints change places and x changes its sign."""

    def __init__(self, skeleton: Skeleton, probability: float):
        super().__init__()
        self.probability = probability
        self.register_buffer("flip_V", torch.from_numpy(skeleton.flip_index), persistent=False)

    def forward(self, batch: ClipBatch) -> ClipBatch:
        chosen_B = torch.rand(batch.size, device=batch.joints.device) < self.probability
        mirrored = batch.joints[:, :, self.flip_V]
        mirrored = torch.cat([-mirrored[..., :1], mirrored[..., 1:]], dim=-1)
        return replace(
            batch,
            joints=torch.where(chosen_B[:, None, None, None], mirrored, batch.joints),
            visible=torch.where(chosen_B[:, None, None], batch.visible[:, :, self.flip_V], batch.visible),
        )


class Affine(nn.Module):
    """Rotates, scales, shears and shifts each clip as a whole, one random affine map a clip.

    Args:
        rotate: largest angle about x, y and z in degrees, either way; clips in 2D turn about z only.
        scale: largest relative change of size, each axis of its own.
        shear: largest shear coefficient.
        shift: largest shift along each axis.
    """

    def __init__(self, skeleton: Skeleton, rotate: Sequence[float], scale: float, shear: float, shift: float):
        super().__init__()
        self.rotate, self.scale, self.shear, self.shift = list(rotate), scale, shear, shift

    def forward(self, batch: ClipBatch) -> ClipBatch:
        x_BTVC = batch.joints
        B, C = batch.size, x_BTVC.shape[-1]
        map_BCC = self._rotation(B, x_BTVC)[:, :C, :C]
        stretch_BC = 1 + _uniform((B, C), -self.scale, self.scale, x_BTVC)
        shear_BCC = _uniform((B, C, C), -self.shear, self.shear, x_BTVC)
        eye_CC = torch.eye(C, device=x_BTVC.device)
        map_BCC = map_BCC @ (eye_CC + shear_BCC * (1 - eye_CC)) * stretch_BC[:, None]
        shift_BC = _uniform((B, C), -self.shift, self.shift, x_BTVC)
        moved = torch.einsum("btvc,bdc->btvd", x_BTVC, map_BCC) + shift_BC[:, None, None]
        return replace(batch, joints=moved * batch.visible[..., None])

    def _rotation(self, count: int, like: Tensor) -> Tensor:
        limits = self.rotate if like.shape[-1] == 3 else [0.0, 0.0, self.rotate[2]]
        matrix = torch.eye(3, device=like.device).expand(count, 3, 3)
        for axis, limit in enumerate(limits):
            angle = _uniform((count,), -math.radians(limit), math.radians(limit), like)
            i, j = [(1, 2), (2, 0), (0, 1)][axis]
            turn = torch.eye(3, device=like.device).repeat(count, 1, 1)
            turn[:, i, i] = turn[:, j, j] = angle.cos()
            turn[:, j, i] = angle.sin()
            turn[:, i, j] = -angle.sin()
            matrix = turn @ matrix
        return matrix


class JointNoise(nn.Module):
    """Adds Gaussian noise of the given standard deviation to every visible coordinate."""

    def __init__(self, skeleton: Skeleton, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, batch: ClipBatch) -> ClipBatch:
        noise = torch.randn_like(batch.joints) * self.deviation
        return replace(batch, joints=batch.joints + noise * batch.visible[..., None])


class Drop(nn.Module):
    """Hides joints for a whole clip, and whole frames, each with its own probability."""

    def __init__(self, skeleton: Skeleton, joint: float, frame: float):
        super().__init__()
        self.joint, self.frame = joint, frame

    def forward(self, batch: ClipBatch) -> ClipBatch:
        B, T, V = batch.visible.shape
        device = batch.joints.device
        kept_B1V = torch.rand(B, 1, V, device=device) >= self.joint
        kept_BT1 = torch.rand(B, T, 1, device=device) >= self.frame
        visible = batch.visible & kept_B1V & kept_BT1
        return replace(batch, visible=visible, joints=batch.joints * visible[..., None])


class RandomResample(nn.Module):
    """Reads a random stretch of every clip at `frames` random moments, one in each of as many equal parts.

    Temporal crop, speed and phase in one: a stretch of `crop` (lowest and highest share of the clip) is read at
    `frames` moments, so that a short stretch plays slower. Uniform sampling with random phase follows PoseC3D
    (Duan et al. 2022). With `frames` None the stretch keeps its frame rate and clips their uneven lengths.
    """

    def __init__(self, frames: int | None, crop: Sequence[float]):
        super().__init__()
        self.frames, self.crop = frames, list(crop)

    def forward(self, batch: ClipBatch) -> ClipBatch:
        B, T = batch.joints.shape[:2]
        stretch_B1 = _uniform((B, 1), *self.crop, batch.joints) * batch.length[:, None]
        start_B1 = torch.rand_like(stretch_B1) * (batch.length[:, None] - stretch_B1)
        if self.frames is None:
            length = stretch_B1[:, 0].round().long().clamp(min=1)
            position_BS = start_B1.floor() + torch.arange(T, device=length.device)
        else:
            length = torch.full_like(batch.length, self.frames)
            phase_BS = torch.rand(B, self.frames, device=length.device)
            step_BS = (torch.arange(self.frames, device=length.device) + phase_BS) / self.frames
            position_BS = start_B1 + step_BS * stretch_B1 - 0.5
        return read_at(batch, position_BS, length)


class Mixup(nn.Module):
    """Mixes every clip with another of its batch by a weight from Beta(alpha, alpha) (Zhang et al. 2018).

    Runs after the channels; the mixed clip is as long as the longer of the two.
    """

    def __init__(self, alpha: float):
        super().__init__()
        self.alpha = alpha

    def forward(self, batch: ClipBatch) -> ClipBatch:
        other = torch.randperm(batch.size, device=batch.label.device)
        alpha_B = torch.full((batch.size,), self.alpha, device=batch.joints.device)
        mix_B = torch.distributions.Beta(alpha_B, alpha_B).sample()
        joints = torch.lerp(batch.joints[other], batch.joints, mix_B[:, None, None, None])
        return replace(
            batch,
            joints=joints,
            visible=batch.visible | batch.visible[other],
            length=torch.maximum(batch.length, batch.length[other]),
            other_label=batch.label[other],
            mix=mix_B,
        )
