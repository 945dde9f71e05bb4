"""Loaders of whole batches: a dataset's `__getitems__` gathers one at once."""

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


def batch_loader(dataset: Dataset, batch_size: int, num_workers: int, sampler: Sampler | None = None) -> DataLoader:
    """A loader over a dataset whose `__getitems__` returns a batch; in order where there is no sampler."""
    return DataLoader(
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
