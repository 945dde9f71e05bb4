"""A run of our own: what its checkpoints store is called stored, and its cosine is no guess."""

import json
from pathlib import Path

import pytest

from experiment.configs.compose import compose_config
from experiment.training import run_training
from reports.describe.facts import Known
from reports.describe.page import describe

OVERRIDES = (
    "datamodule=nw_ucla",
    "model.spatial_dim=8",
    "model.spatial_layers=2",
    "model.temporal_dim=6",
    "model.temporal_layers=1",
    "datamodule.num_workers=0",
    "datamodule.batch_size=8",
    "trainer.max_epochs=3",
    "logger=none",
    "test=false",
    "seed=5",
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, data_dir) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_training(compose_config([*OVERRIDES, f"paths.data_dir={data_dir}"]), str(folder), list(OVERRIDES), False)
    return folder


def test_a_runs_folder_tells_of_its_best_epoch(run_folder):
    page = describe(run_folder)
    best = json.loads((run_folder / "status.json").read_text())["result"]["best"]["epoch"]
    # Lightning counts from 0, the history and people from 1
    assert page.fact("Training", "epoch").text == f"{best - 1}, counted from 0"
    assert page.fact("History", "epochs").value == best
    assert page.disagreements == []


def test_its_config_data_seed_and_commit_are_stored(run_folder):
    page = describe(run_folder / "checkpoints" / "last.ckpt")
    provenance = json.loads((run_folder / "provenance.json").read_text())
    expected = {
        "model": "gcn_lstm",
        "seed": 5,
        "epochs asked for": 3,
        "data_fingerprint": provenance["data_fingerprint"],
    }
    if provenance["git"]["commit"]:
        expected["commit"] = provenance["git"]["commit"]
    for what, value in expected.items():
        fact = page.fact("Run", what)
        assert (fact.value, fact.known) == (value, Known.STORED), what
    assert page.fact("Training", "optimizer").value == "AdamW"
    assert page.fact("Graph part", "graph convolutions").value == 2
    assert page.fact("Temporal part: LSTM", "hidden dimension").value == 6


def test_its_cosine_is_known_from_the_config_and_has_the_runs_length(run_folder):
    page = describe(run_folder / "checkpoints" / "last.ckpt")
    fact = page.fact("What the learning rate implies", "cosine down to 1e-05")
    assert fact.known is Known.COMPUTED and fact.text == "epoch 3 of 3 (saved as epoch 2)"
