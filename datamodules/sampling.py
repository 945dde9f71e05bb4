"""The order of training data: a function of (seed, epoch) alone."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch.utils.data import Sampler

Item = TypeVar("Item")


class EpochSampler(Sampler[Item]):
    """An epoch is one pass over the data in an order of its own, or the next `draws` items of such passes in a row.

    Lightning calls `set_epoch`, so a resumed run goes on with the order that an unbroken one would have had.
    """

    def __init__(self, size: int, draws: int | None = None):
        self.size, self.draws, self.epoch = size, draws, 0

    @abstractmethod
    def order(self, number: int) -> Sequence[Item]:
        """The pass of that number, from 0: about `size` items."""

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size if self.draws is None else self.draws

    def __iter__(self) -> Iterator[Item]:
        if self.draws is None:
            yield from self.order(self.epoch)
            return
        (number, skip), wanted = divmod(self.epoch * self.draws, self.size), self.draws
        while wanted:
            items = self.order(number)[skip : skip + wanted]
            yield from items
            number, skip, wanted = number + 1, 0, wanted - len(items)


class ClipSampler(EpochSampler[int]):
    """Permutations of the clips; with `weights`, as many draws with replacement in proportion to them."""

    def __init__(self, size: int, seed: int, weights: Sequence[float] | None = None, draws: int | None = None):
        super().__init__(size, draws)
        self.seed = seed
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float64)

    def order(self, number: int) -> list[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)
        if self.weights is None:
            return torch.randperm(self.size, generator=generator).tolist()
        return torch.multinomial(self.weights, self.size, replacement=True, generator=generator).tolist()
