"""W&B and MLflow beside TensorBoard: in the run's folder and nowhere else, unless the environment says otherwise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.configs.compose import compose_config
from schemas.errors import ConfigError
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

ROOT = Path(__file__).parents[3]


def logger_of(name: str) -> dict:
    config = compose_config([f"logger={name}", "paths.run_dir='/runs/a b#1'"], judged=False)
    assert set(config.logger) == {"tensorboard", name}
    return config.logger[name]


def test_weights_and_biases_sends_nothing_unless_it_is_told_to(monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    settings = logger_of("wandb")
    assert (settings.mode, settings.save_dir, settings.notes) == ("offline", "/runs/a b#1", "/runs/a b#1")
    monkeypatch.setenv("WANDB_MODE", "online")
    assert logger_of("wandb").mode == "online"


def test_mlflow_writes_into_the_run_folder_whatever_another_run_left_in_the_environment(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "/runs/another/mlruns")
    assert logger_of("mlflow").tracking_uri == "/runs/a b#1/mlruns"


def test_a_key_that_the_logger_does_not_take_is_said():
    with pytest.raises(ConfigError, match=r"logger.mlflow.experimentname: .* unexpected keyword argument"):
        compose_config(["logger=mlflow", "+logger.mlflow.experimentname=mine"])


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_package_that_is_missing_is_said_before_torch_is_loaded(name, tmp_path):
    code = f"""
import sys
import experiment.configs.extras as extras
extras.find_spec = lambda package: None
sys.argv[1:] = ["logger={name}", "paths.log_dir={tmp_path / "logs"}"]
import train
try:
    train.main()
finally:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    said = f'ConfigError logger.{name}: {name} is not installed. pip install -e ".[{name}]"'
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (2, "False", said)
    assert not (tmp_path / "logs").exists()


def test_a_mode_that_weights_and_biases_does_not_know_is_said(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(ConfigError, match=r"logger.wandb.mode: 'of' is not one of offline, online, disabled"):
        compose_config(["logger=wandb"])


def train(top: Path, *words: str) -> list[Path]:
    """The folders of the jobs of a sweep over two seeds, an epoch each."""
    store = write_clips(top / "store", make_clips(60))
    words = [*CLIP_RUN, f"datamodule.root={store}", "trainer.max_epochs=1", f"paths.log_dir={top / 'logs'}", *words]
    done = subprocess.run(
        [sys.executable, "train.py", "-m", "seed=0,1", *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "WANDB_SILENT": "true", "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folders = sorted((top / "logs" / "clips" / "multiruns").glob("*/[01]"))
    assert [json.loads((folder / "status.json").read_text())["state"] for folder in folders] == ["finished"] * 2
    return folders


@pytest.mark.slow
def test_every_job_is_a_run_of_weights_and_biases(tmp_path):
    pytest.importorskip("wandb", reason='W&B is an extra: pip install -e ".[wandb]"')
    for folder in train(tmp_path, "logger=wandb"):
        (record,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
        assert b"val/loss" in record.read_bytes()


@pytest.mark.slow
def test_every_job_is_a_run_of_mlflow(tmp_path):
    pytest.importorskip("mlflow", reason='MLflow is an extra: pip install -e ".[mlflow]"')
    for folder in train(tmp_path, "logger=mlflow"):
        (metric,) = (folder / "mlruns").glob("*/*/metrics/val/loss")
        best = json.loads((folder / "status.json").read_text())["result"]["best_value"]
        assert float(metric.read_text().split()[1]) == pytest.approx(best)
