"""What the documents say is finished, and what they name is there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import experiment.configs.compose
from experiment.configs.compose import compose_config
from experiment.resume import spelled_out
from experiment.training import run_training
from tests.experiment.test_healthy_runs import HEALTHY
from tests.experiment.test_planted_faults import FAULTS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "models/gcn_lstm/README.md",
    ROOT / "models/event_predictor/README.md",
    ROOT / "benchmarks/README.md",
    ROOT / "callbacks/README.md",
    ROOT / "experiment/README.md",
]
FOUND = {line for path in DOCUMENTS for line in re.findall(r"python train\.py ([^`\n#]+)", path.read_text())}
# Not the mistake that the README shows, nor the data set that its reader writes.
COMMANDS = sorted(line for line in FOUND if "spatal" not in line and "tickets" not in line)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_figure_is_missing(path):
    assert not re.findall(r"@[A-Z]+@|TODO|TBD", path.read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_linked_files_exist(path):
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


def test_the_table_of_planted_faults_is_the_one_that_is_tested():
    table = (ROOT / "callbacks/README.md").read_text().split("| planted |")[1].split("| healthy")
    rows = dict(re.findall(r"^\| ([^|`]+?) \| [^|]+ \| (yes|no) \|$", table[0], re.MULTILINE))
    assert rows == {name: "yes" if fault.stops else "no" for name, fault in FAULTS.items()}
    healthy = re.findall(r"^\| ([^|-]+) \|$", table[1], re.MULTILINE)
    assert set(HEALTHY) < set(healthy) and len(healthy) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_every_train_command_composes(command):
    words = [word for word in command.split() if not word.startswith("-")]
    compose_config(spelled_out([re.sub(r"=([^\[,]+),.*", r"=\1", word) for word in words]))


def test_the_commands_are_found():
    assert len(COMMANDS) >= 8


def test_the_lines_for_clips_of_ones_own_work(tmp_path, monkeypatch):
    """The README's own code writes a store of two-dimensional clips, and its command trains on it."""
    code = re.search(r"```python\n(from datamodules.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    rng = np.random.default_rng(0)
    mine = [
        (rng.normal(size=(9, 17, 2)), rng.random((9, 17)) > 0.1, number % 2, ("train", "val", "test")[number // 2 % 3])
        for number in range(24)
    ]
    monkeypatch.chdir(tmp_path)
    exec(code, {"my_clips": mine})
    words = ["experiment=natops", "datamodule=clips", "datamodule.root=data/processed/mine", "trainer.max_epochs=1"]
    run_training(compose_config(words), str(tmp_path / "run"), words, False)
    assert (tmp_path / "run" / "curves.png").is_file()


def test_the_yaml_for_events_of_ones_own_works(tmp_path, monkeypatch):
    """The README's own description, put where it says, reads a CSV, and its command trains on it."""
    described = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (conf / "datamodule" / "tickets.yaml").write_text(described)
    monkeypatch.setattr(experiment.configs.compose, "CONF", conf)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ticket = np.repeat(np.arange(40), 5)
    columns = {"activity": ["open", "work", "close"], "user": ["a", "b"], "priority": ["high", "low"]}
    frame = pd.DataFrame({name: rng.choice(values, len(ticket)) for name, values in columns.items()})
    opened = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(ticket)) * 997, unit="s")
    frame.assign(ticket=ticket, opened=opened).to_csv("tickets.csv", index=False)
    words = ["model=event_predictor", "datamodule=tickets", "trainer.max_epochs=1", "model.d_model=16"]
    run_training(compose_config(words), str(tmp_path / "run"), words, False)
    assert (tmp_path / "run" / "curves.png").is_file()
