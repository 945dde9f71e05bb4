"""Many runs: at once in eight processes, and one after another in one process."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiment.configs.compose import compose_config
from experiment.run_folder import RunFolder
from experiment.training import run_training
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("ASSAY_TORTURE") == "full"
JOBS = 200 if FULL else 12
TOGETHER = 8 if FULL else 3
GROWTH = 1.05


def words_of(folder: Path, *more: str) -> list[str]:
    root = folder / "store" if (folder / "store").exists() else write_clips(folder / "store", make_clips(60))
    return [*CLIP_RUN, f"datamodule.root={root}", f"paths.log_dir={folder / 'logs'}", "trainer.max_epochs=1", *more]


@pytest.mark.slow
def test_jobs_of_the_same_second_have_folders_of_their_own(tmp_path):
    words = words_of(tmp_path)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    jobs = [
        subprocess.Popen(
            [sys.executable, "train.py", *words, f"seed={seed}"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        for seed in range(TOGETHER)
    ]
    assert [job.wait() for job in jobs] == [0] * TOGETHER
    folders = list((tmp_path / "logs" / "clips" / "runs").iterdir())
    assert len(folders) == TOGETHER
    for folder in folders:
        assert RunFolder.read_status(folder)["state"] == "finished"
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    seeds = {(folder / "overrides.yaml").read_text().split("seed=")[1].split()[0] for folder in folders}
    assert seeds == {str(seed) for seed in range(TOGETHER)}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_short_jobs_in_one_process_leak_neither_memory_nor_state(tmp_path):
    """Seeds go round: every third job is the same one, whatever ran before it."""
    sizes, first = [], {}
    for number in range(JOBS):
        seed, folder = number % 3, tmp_path / f"run {number}"
        words = words_of(tmp_path, f"seed={seed}")
        run_training(compose_config(words), str(folder), words, False)
        trained = weights(folder)
        known = first.setdefault(seed, trained)
        assert all(torch.equal(known[name], trained[name]) for name in known)
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").exists() else 0
        sizes.append(pages * resource.getpagesize())
    assert not all(torch.equal(first[0][name], first[1][name]) for name in first[0])
    early = sizes[min(10, JOBS - 2)]
    print(f"{JOBS} jobs: {early / 2**20:.0f} MB after the tenth, {sizes[-1] / 2**20:.0f} MB after the last")
    assert sizes[-1] <= GROWTH * early
