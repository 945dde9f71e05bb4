"""A run once more gives the same bytes, and says what has changed since."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from experiment.configs.compose import compose_config
from experiment.repeat import changes_since, repeated_config
from experiment.training import run_training
from schemas.errors import ConfigError
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("repeat")
    write_clips(folder / "clips", make_clips(100))
    words = [*CLIP_RUN, f"datamodule.root={folder / 'clips'}", f"paths.log_dir={folder}", "trainer.max_epochs=2"]
    run_training(compose_config(words), str(folder / "first"), words, False)
    return folder / "first"


@pytest.mark.slow
def test_the_front_door_repeats_a_run_to_the_byte(first, tmp_path):
    command = [sys.executable, "train.py", f"repeat={first}", f"paths.log_dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (again,) = (tmp_path / "clips" / "runs").iterdir()
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (first, again)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert again.name.endswith(again.name.split("_")[-1]) and "gcn_lstm" in again.name
    assert f"Repeats {first}. Changed since:" in done.stdout
    assert str(first) not in (again / "config.yaml").read_text().replace(f"repeat: {first}", "")


def test_what_is_repeated_is_the_config_of_then(first):
    config = compose_config([f"repeat={first}", "paths.log_dir=elsewhere"])
    again = repeated_config(config, [f"repeat={first}", "paths.log_dir=elsewhere"])
    assert again.trainer.max_epochs == 2 and again.paths.log_dir == "elsewhere"
    again.paths.run_dir = "new"
    assert OmegaConf.to_container(again, resolve=True)["callbacks"]["history"]["path"] == "new/metrics.csv"


def test_other_settings_beside_it_are_refused(first):
    words = [f"repeat={first}", "optimizer.lr=1"]
    with pytest.raises(ConfigError, match=r"optimizer\.lr=1 cannot be said beside it"):
        repeated_config(compose_config(words), words)


def test_a_run_that_is_not_there(tmp_path):
    words = [f"repeat={tmp_path}"]
    with pytest.raises(ConfigError, match="there is no run"):
        repeated_config(compose_config(words), words)


def test_every_kind_of_change_is_named(first):
    now = json.loads((first / "provenance.json").read_text())
    assert changes_since(first, now) == []
    now["git"] = {"commit": "other"}
    now["packages"] |= {"torch": "3.0"}
    now |= {"data_fingerprint": "other", "host": "elsewhere"}
    said = " | ".join(changes_since(first, now))
    for word in ("-> other", "package torch:", "-> 3.0", "data: other contents", "host:", "elsewhere"):
        assert word in said
