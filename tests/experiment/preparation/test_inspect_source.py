"""What is said of a source that nobody has described yet."""

import json
import shlex

import numpy as np
import pytest
import yaml

import prepare
from datamodules.skeletons.importers import Options
from experiment.preparation.inspect_source import inspect
from experiment.preparation.prepare import Request
from schemas.errors import ConfigError, DataError


@pytest.fixture
def call(door):
    return door(prepare.main)


def npz(path, clips=6):
    lengths = np.full(clips, 4)
    np.savez(path, x=np.ones((4 * clips, 20, 3)), lengths=lengths, y=np.arange(clips) % 2)
    return path


def test_clips_are_found_and_the_command_that_is_named_reads_them(call, tmp_path):
    source = npz(tmp_path / "a = b.npz")
    code, out, err = call(f"inspect={source}", "layout=kinect20")
    assert code == 0 and not err
    assert "format npz" in out and "6 clips, 2 classes" in out and "layout kinect20, 20 joints in 3D" in out
    command = next(line for line in out.splitlines() if "prepare.py" in line)
    words = shlex.split(command)[2:]
    assert call(*words, f"root={tmp_path}")[0] == 0 and (tmp_path / "mine" / "meta.json").is_file()


def test_a_folder_of_json_is_known(tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, 20, 3)).tolist()
    (tmp_path / "a01_s01_e00_v01.json").write_text(json.dumps({"skeletons": frames}))
    said = inspect(tmp_path, Options())
    assert said.startswith("format nw_ucla") and "first clip: a01_s01_e00_v01, 3 frames" in said


def test_a_log_of_events_is_drafted(call, tmp_path):
    lines = [f"c{number // 3},2024-01-{number % 28 + 1:02d},{'ab'[number % 2]}" for number in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["case,time,activity", *lines]))
    code, out, _ = call(f"inspect={tmp_path / 'log.csv'}")
    assert code == 0 and yaml.safe_load(out)["sequence"] == "case"


def test_what_is_nothing_says_what_each_format_said(call, tmp_path):
    (tmp_path / "thesis.txt").write_text("It was")
    code, out, err = call(f"inspect={tmp_path / 'thesis.txt'}")
    assert code == 2 and not out
    assert "in no format that can be read" in err and "as pyskl:" in err and "as a log of events:" in err


def test_nothing_there_is_said_once(tmp_path):
    with pytest.raises(DataError, match="there is no such file or folder"):
        inspect(tmp_path / "nowhere", Options())


def test_a_layout_of_ones_own_is_drawn(call, tmp_path):
    layout = {"joints": ["head", "neck", "hip"], "bones": {"neck": "hip", "head": "neck"}, "centre": ["hip"]}
    layout |= {"scale": [["neck", "hip"]]}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(layout))
    code, out, _ = call(f"layout={tmp_path / 'my.yaml'}", f"draw={tmp_path / 'my.png'}")
    assert code == 0 and "my, 3 joints, 2 bones" in out
    assert (tmp_path / "my.png").read_bytes().startswith(b"\x89PNG")


BAD = {
    "no layout": (["draw=x.png"], "layout: it is not said what to draw"),
    "unknown layout": (["layout=hand2", "draw=x.png"], "there is no such skeleton layout"),
    "no picture": (["layout=hand21", "draw=x.jpg"], "does not end in .png"),
    "no folder": (["layout=hand21", "draw=/nowhere/x.png"], "there is no such folder"),
    "inspect and more": (["inspect=x", "name=y"], "name has no meaning beside inspect"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_line(name, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, said = BAD[name]
    code, out, err = call(*words)
    assert code == 2 and not out and said in err and len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_paths_are_taken_as_they_stand():
    assert str(Request.from_words(["inspect=a=b,(c)"]).inspect) == "a=b,(c)"
    with pytest.raises(ConfigError, match="given twice"):
        Request.from_words(["inspect=a", "inspect=b"])
