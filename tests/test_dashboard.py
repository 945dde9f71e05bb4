"""The front door to TensorBoard: what is shown, what is said, and a server that answers."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

import dashboard
from schemas.errors import ConfigError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def logs(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, when in (("old", 100), ("new", 200)):
        run = tmp_path / "logs" / "clips" / "runs" / name
        with SummaryWriter(run / "tensorboard") as writer:
            writer.add_scalar("val/loss", 1.0, 0)
        (run / "status.json").write_text("{}")
        os.utime(run / "status.json", (when, when))
    return tmp_path / "logs"


@pytest.mark.parametrize(
    ("words", "shown", "said"),
    [
        ([], "logs/clips/runs/new", "The newest run: logs/clips/runs/new\n1 more: python dashboard.py logs\n"),
        (["logs", "port=7000"], "logs", "All runs under logs\n"),
    ],
    ids=["newest", "all"],
)
def test_it_says_what_it_shows(words, shown, said, logs, monkeypatch, capsys):
    served = []
    monkeypatch.setattr(dashboard, "serve", lambda *arguments: served.append(arguments) or 0)
    assert dashboard.main(words) == 0
    assert served == [(Path(shown), 7000 if words else None)] and capsys.readouterr().out == said


@pytest.mark.parametrize("word", ["nowhere", "port=0", "port=x", "port=99999", "colour=red"])
def test_a_word_that_cannot_be_used(word, logs):
    with pytest.raises(ConfigError, match=re.escape(word.partition("=")[2] or word)):
        dashboard.read_options([word])


def test_without_a_run_it_ends_with_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        dashboard.main([])
    assert "no such folder" in capsys.readouterr().err


def test_a_server_answers_and_ends_with_its_door(logs):
    door = [sys.executable, str(ROOT / "dashboard.py")]
    with subprocess.Popen(door, stderr=subprocess.PIPE, text=True, env=os.environ | {"DISPLAY": ""}) as process:
        address = next(found[1] for line in process.stderr if (found := dashboard.SERVED.search(line)))
        assert process.stderr.readline() == f"Unsmoothed: {address}{dashboard.OPTIONS}\n"
        page = urllib.request.urlopen(f"{address}data/plugins_listing").read().decode()
        process.send_signal(signal.SIGTERM)
    assert "custom_scalars" in page and process.returncode == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=5)
