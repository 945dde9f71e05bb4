"""Batches gathered ahead: the same, in order, one at a time, and whatever fails is said where the batch is wanted."""

import threading

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.loading import batch_loader
from schemas.errors import DataError


class Rows(Dataset):
    """Whole batches of their own numbers; remembers who gathered how many."""

    def __init__(self, size: int, bad: int | None = None):
        self.size, self.bad = size, bad
        self.gathered, self.threads = [], set()

    def __len__(self) -> int:
        return self.size

    def __getitems__(self, indices: list[int]) -> torch.Tensor:
        if self.bad in indices:
            raise DataError("it is damaged", where="clip 7")
        self.gathered.append(indices)
        self.threads.add(threading.current_thread().name)
        return torch.tensor(indices)


def test_batches_are_those_of_torchs_own_loader():
    ours = [batch.tolist() for batch in batch_loader(Rows(23), 5, 0)]
    assert ours == [batch.tolist() for batch in DataLoader(torch.arange(23), 5)]


@pytest.mark.parametrize("size", [0, 1, 5])
def test_an_epoch_of_no_batch_or_one_ends(size):
    assert len(list(batch_loader(Rows(size), 5, 0))) == (size > 0)


def test_one_batch_is_gathered_ahead_by_another_thread():
    rows = Rows(40)
    batches = iter(batch_loader(rows, 5, 0))
    next(batches)
    next(batches)
    batches.close()  # waits for the one under way
    assert len(rows.gathered) == 3
    assert threading.current_thread().name not in rows.threads
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_what_fails_in_the_thread_is_raised_at_its_batch():
    batches = iter(batch_loader(Rows(20, bad=7), 5, 0))
    assert next(batches).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="clip 7: it is damaged"):
        next(batches)


def test_no_random_number_is_drawn_beside_the_loaders_own():
    states = []
    for loader in (batch_loader(Rows(20), 5, 0), DataLoader(torch.arange(20), 5)):
        torch.manual_seed(3)
        list(loader)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
