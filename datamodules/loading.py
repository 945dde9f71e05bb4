"""Loaders of whole batches: a dataset's `__getitems__` gathers one at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class LateLoader(DataLoader):
    """Asks its sampler for an order when the first batch is wanted, not before.

    Lightning 2.6 makes the iterator of a resumed fit before it calls the sampler's `set_epoch`, and workers are given
    their first batches then: they would be those of epoch 0.
    """

    def __iter__(self) -> Iterator:
        batches = super().__iter__()
        yield from batches if self.num_workers else _ahead(batches)


def _ahead(batches: Iterator) -> Iterator:
    """The same batches, each gathered by a thread while the one before it is trained on."""
    end = object()
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(next, batches, end)
        while (batch := coming.result()) is not end:
            coming = thread.submit(next, batches, end)
            yield batch


def batch_loader(dataset: Dataset, batch_size: int, num_workers: int, sampler: Sampler | None = None) -> DataLoader:
    """A loader over a dataset whose `__getitems__` returns a batch; in order where there is no sampler."""
    return LateLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        collate_fn=_whole,
        pin_memory=torch.cuda.is_available(),
    )


def _whole(batch: object) -> object:
    return batch
