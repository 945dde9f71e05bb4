"""How a clip is looked at in a test: whole, or as several crops and mirror images whose probabilities are averaged.

Legend: B clips, T frames, S moments, K classes, M views or members.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from datamodules.skeletons.features import Channels, Normalise, Resample, read_at
from datamodules.skeletons.transforms import Flip
from schemas.batches import ClipBatch
from schemas.errors import ConfigError
from schemas.skeleton import Skeleton

CROP = 0.9
"""The share of a clip that each of several temporal crops reads: the middle of what training reads by default."""


@dataclass(frozen=True)
class Views:
    """How often a clip is looked at.

    Raises:
        ConfigError: for less than one crop.
    """

    crops: int = 1
    """1: the whole clip; more: as many stretches of `CROP` of it, from its beginning to its end in equal steps."""
    flip: bool = False
    """Whether each crop is also read as its mirror image."""

    def __post_init__(self):
        if self.crops < 1:
            raise ConfigError(f"{self.crops} is less than 1", where="crops", remedy="As crops=5.")

    @property
    def count(self) -> int:
        return self.crops * (2 if self.flip else 1)

    def __str__(self) -> str:
        crops = f"{self.crops} crops of {CROP:.0%}" if self.crops > 1 else "the whole clip"
        return f"{crops} and the mirror image{'s' * (self.crops > 1)}" if self.flip else crops


class ClipViews(nn.Module):
    """From a raw batch to batches of channels, one a view, crop by crop and then their mirror images.

    With one view this is the deterministic half of a datamodule's transforms: normalise, resample, derive channels.
    A mirror image is taken of the normalised clip, where training takes it.
    """

    def __init__(self, skeleton: Skeleton, frames: int | None, channels: Sequence[str], views: Views):
        super().__init__()
        self.flip, places = views.flip, [i / max(views.crops - 1, 1) for i in range(views.crops)]
        self.normalise = Normalise(skeleton)
        self.mirror = Flip(skeleton, probability=1.0)
        self.crops = nn.ModuleList(Crop(frames, p) if views.crops > 1 else Resample(frames) for p in places)
        self.derive = Channels(skeleton, channels)

    def forward(self, batch: ClipBatch) -> Iterator[ClipBatch]:
        """Raises ConfigError for mirror images of clips with extra channels, of which none is known."""
        if self.flip and batch.extra is not None:
            raise ConfigError("extra channels have no mirror image", where="flip", remedy="Leave out flip=true.")
        batch = self.normalise(batch)
        for image in (batch, self.mirror(batch)) if self.flip else (batch,):
            for crop in self.crops:
                yield self.derive(crop(image))


class Crop(nn.Module):
    """Reads a stretch of `CROP` of every clip at `frames` moments; with `frames` None it keeps its frame rate.

    Args:
        place: 0: the stretch begins with the clip, 1: it ends with it.
    """

    def __init__(self, frames: int | None, place: float):
        super().__init__()
        self.frames, self.place = frames, place

    def forward(self, batch: ClipBatch) -> ClipBatch:
        device, stretch_B1 = batch.length.device, CROP * batch.length[:, None]
        start_B1 = self.place * (batch.length[:, None] - stretch_B1)
        if self.frames is None:
            length = stretch_B1[:, 0].round().long().clamp(min=1)
            return read_at(batch, start_B1.floor() + torch.arange(int(length.max()), device=device), length)
        step_S = (torch.arange(self.frames, device=device) + 0.5) / self.frames
        return read_at(batch, start_B1 + step_S * stretch_B1 - 0.5, torch.full_like(batch.length, self.frames))


def pooled(logits_MBK: Tensor, weight_M: Tensor | None = None) -> Tensor:
    """[M, B, K] logits -> [B, K] float64, the logarithm of the mean of the M distributions.

    With weights that add up to 1, of their weighted mean.

    Probabilities are averaged, not their logarithms: one that is sure of the wrong class cannot veto the others then.
    Of equal ones it is each one's own, to the bit: the mean is taken relative to the largest.
    """
    log_p_MBK = logits_MBK.double().log_softmax(dim=-1)
    if weight_M is not None:
        return torch.logsumexp(log_p_MBK + weight_M.double().log()[:, None, None], dim=0)
    largest_BK = log_p_MBK.max(dim=0).values
    return largest_BK + (log_p_MBK - largest_BK).exp().mean(dim=0).log()
