"""Batches and outputs on other devices: torch's own `meta` is one that is always there."""

from dataclasses import fields

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device

from schemas.batches import ClipBatch, ClipOutput


@pytest.fixture
def batch() -> ClipBatch:
    return ClipBatch(
        joints=torch.ones(2, 4, 3, 2),
        visible=torch.ones(2, 4, 3, dtype=torch.bool),
        length=torch.tensor([4, 2]),
        label=torch.tensor([0, 1]),
        clip_id=torch.tensor([5, 6]),
    )


def test_every_tensor_moves_and_what_is_not_there_stays_away(batch):
    moved = move_data_to_device(batch, torch.device("meta"))
    assert isinstance(moved, ClipBatch) and moved.extra is moved.mix is None
    present = [getattr(moved, f.name) for f in fields(moved) if getattr(batch, f.name) is not None]
    assert len(present) == 5 and all(tensor.is_meta for tensor in present)
    assert batch.joints.device.type == "cpu"


def test_a_batch_that_is_there_already_is_the_same_one(batch):
    assert move_data_to_device(batch, torch.device("cpu")) is batch
    assert ClipOutput(batch.joints, batch.label, batch.clip_id).to("cpu").logits is batch.joints


def test_a_batch_of_which_a_part_lies_elsewhere_moves(batch):
    batch.label = batch.label.to("meta")
    assert batch.to("meta").joints.is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_pinned_batch_comes_to_the_gpu_whole(batch):
    pinned = batch.pin_memory()
    assert pinned.joints.is_pinned()
    torch.testing.assert_close(pinned.to("cuda").to("cpu").joints, batch.joints)
