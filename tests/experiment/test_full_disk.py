"""A disk that is full: one clear error, and what was there before is still there."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
import torch

from callbacks.epoch_history import EpochHistory
from experiment.checkpoints.file import read_checkpoint
from experiment.checkpoints.lightning_io import TrustedCheckpointIO
from experiment.configs.compose import compose_config
from experiment.training import run_training
from reports.report import write_report
from tests.conftest import write_store
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

MEGABYTE = 2**20


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int) -> None:
    """Takes all of the room but `leave` bytes."""
    free = os.statvfs(folder)
    (folder / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - leave))


def test_a_checkpoint(small_disk):
    io, path = TrustedCheckpointIO(), small_disk / "last.ckpt"
    io.save_checkpoint({"epoch": 1, "state_dict": {"w": torch.ones(50_000)}}, path)
    fill(small_disk, leave=50_000)
    with pytest.raises(OSError) as caught:
        io.save_checkpoint({"epoch": 2, "state_dict": {"w": torch.ones(100_000)}}, path)
    assert caught.value.errno == errno.ENOSPC
    assert read_checkpoint(path)["epoch"] == 1
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "last.ckpt"]


def test_metrics_csv(small_disk):
    history = EpochHistory(small_disk / "metrics.csv")
    history.rows = [{"epoch": 1, "train/loss": 0.5}]
    history._write({})
    before = (small_disk / "metrics.csv").read_text()
    fill(small_disk, leave=0)
    history.rows = [{"epoch": number, "train/loss": 0.5} for number in range(2_000)]
    with pytest.raises(OSError) as caught:
        history._write({})
    assert caught.value.errno == errno.ENOSPC and (small_disk / "metrics.csv").read_text() == before


def test_a_store(small_disk):
    with pytest.raises(OSError) as caught:
        write_store(small_disk / "store", layout="face62", clips=4_000)
    assert caught.value.errno == errno.ENOSPC and not list(small_disk.iterdir())


def test_a_report(small_disk, tmp_path):
    run = small_disk / "run"
    run.mkdir()
    (run / "status.json").write_text('{"state": "finished"}')
    first = write_report(run).read_text()
    fill(small_disk, leave=0)
    with pytest.raises(OSError) as caught:
        write_report(run)
    assert caught.value.errno == errno.ENOSPC and (run / "report.md").read_text() == first


def test_a_whole_run_says_one_thing(small_disk, tmp_path):
    store = write_clips(tmp_path / "store", make_clips(60))
    words = [*CLIP_RUN, f"datamodule.root={store}", f"paths.log_dir={small_disk}", "model.temporal_dim=64"]
    fill(small_disk, leave=300_000)
    with pytest.raises(OSError) as caught:
        run_training(compose_config(words), str(small_disk / "run"), words, False)
    assert caught.value.errno == errno.ENOSPC
