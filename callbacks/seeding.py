"""Stateless randomness: every batch begins from a seed that is a function of where it stands."""

import hashlib

import lightning as L
import torch


def batch_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """A 63-bit number that differs for every place in every run."""
    place = f"{seed} {epoch} {batch} {rank}".encode()
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little") >> 1


class SeedEachBatch(L.Callback):
    """Reseeds torch's generators before each training batch from (seed, epoch, batch, rank).

    Augmentation and dropout draw from that stream, so the number of workers or a resume changes nothing.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch, batch_idx: int) -> None:
        seed = batch_seed(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        if pl_module.device.type == "cpu":
            # For each kind of device that is not there torch.manual_seed prints the call stack into a string.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
