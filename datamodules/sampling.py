"""The order of training clips: a function of (seed, epoch) alone."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """A new permutation an epoch; with `weights`, as many draws with replacement in proportion to them.

    Lightning calls `set_epoch`, so a resumed run goes on with the order that an unbroken one would have had.
    """

    def __init__(self, size: int, seed: int, weights: Sequence[float] | None = None):
        self.size, self.seed, self.epoch = size, seed, 0
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float64)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
        if self.weights is None:
            order = torch.randperm(self.size, generator=generator)
        else:
            order = torch.multinomial(self.weights, self.size, replacement=True, generator=generator)
        return iter(order.tolist())
