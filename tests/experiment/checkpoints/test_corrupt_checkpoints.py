"""Seeded corruptions of a run's own checkpoint: each is refused, or what is loaded is the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from experiment import load_run
from experiment.checkpoints.file import read_checkpoint
from experiment.configs.compose import compose_config
from experiment.training import run_training
from schemas.errors import CheckpointError
from tests.corruptions import EACH, KINDS, appended, bit_flipped, emptied, truncated
from tests.experiment.small_checkpoint import equal
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The bytes of last.ckpt of a short run, optimizer and all."""
    folder = tmp_path_factory.mktemp("whole")
    store = write_clips(folder / "store", make_clips(60))
    overrides = [*CLIP_RUN, f"datamodule.root={store}", f"paths.log_dir={folder / 'logs'}", "trainer.max_epochs=1"]
    run_training(compose_config(overrides), str(folder / "run"), overrides, False)
    return (folder / "run" / "checkpoints" / "last.ckpt").read_bytes()


@pytest.mark.parametrize("corrupt", KINDS, ids=lambda kind: kind.__name__)
def test_a_corrupted_checkpoint_is_refused_or_the_same(corrupt: Callable, whole, tmp_path):
    path, refused = tmp_path / "last.ckpt", 0
    path.write_bytes(whole)
    content, rng = read_checkpoint(path), np.random.default_rng(KINDS.index(corrupt))
    for _ in range(EACH):
        path.write_bytes(corrupt(whole, rng))
        try:
            loaded = read_checkpoint(path)
        except CheckpointError as error:
            assert str(error).startswith(str(path))
            refused += 1
        else:
            assert equal(loaded, content)
    assert refused == EACH if corrupt in (truncated, emptied, appended) else refused > EACH // 2


def test_without_verification_torch_takes_some_of_them(whole, tmp_path):
    """The corruptions are such that they matter: torch alone loads some, with another content."""
    path, rng, taken = tmp_path / "last.ckpt", np.random.default_rng(1), 0
    path.write_bytes(whole)
    content = read_checkpoint(path)
    for _ in range(12):
        path.write_bytes(bit_flipped(whole, rng))
        try:
            taken += not equal(torch.load(path, weights_only=True), content)
        except Exception:  # whatever it says of a file that is not what it was
            continue
    assert taken > 0


def test_the_whole_checkpoint_gives_its_model(whole, tmp_path):
    (tmp_path / "last.ckpt").write_bytes(whole)
    assert load_run(tmp_path / "last.ckpt").epoch == 1
