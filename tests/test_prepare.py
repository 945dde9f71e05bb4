"""The front door: what a user types, what is printed, and what is left on disk."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import prepare
from datamodules.skeletons.importers import Options, nw_ucla
from experiment.preparation import prepare as preparation
from experiment.preparation.prepare import Request
from schemas.errors import ConfigError
from schemas.skeleton import LAYOUTS

REPOSITORY = Path(__file__).parents[1]
CLIP = "a{action}_s01_e0{i}_v0{camera}.json"


@pytest.fixture(autouse=True)
def keep_signal_handlers():
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def source(tmp_path) -> Path:
    """Six clips, one of them in train and test."""
    folder = tmp_path / "a source, [with] {odd}=${signs}: (x)"
    folder.mkdir()
    for i in range(6):
        frames = np.random.default_rng(min(i, 4)).normal(size=(i % 4 + 2, 20, 3))
        name = CLIP.format(action=("01", "03")[i % 2], i=i, camera=i % 3 + 1)
        (folder / name).write_text(json.dumps({"skeletons": frames[:2].tolist()}))
    return folder


def run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        code = prepare.main(list(words))
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    "path", ["a=b", "x,y", "a(1)", "[x]", "{a: 1}", "C: d", "${HOME}", "1", "null", "true", "'q'", "1e3", "# x", " "]
)
def test_a_path_stays_what_was_typed(path):
    request = Request.from_words(["format=natops", f"source={path}", "name=x", f"root={path}"])
    assert str(request.source) == path and str(request.root) == path and request.name == "x"


def test_a_tilde_is_ones_home():
    words = ["format=npy_folder", "source=~/d", "name=x", "labels=~/l.csv", "layout=~/my.yaml"]
    request = Request.from_words(words)
    assert request.source == Path.home() / "d" and request.options.labels == Path.home() / "l.csv"
    assert request.options.layout == str(Path.home() / "my.yaml")


def test_options_reach_the_importer_as_typed():
    words = ["format=pyskl", "source=x", "name=x", "split=xsub", "persons=both", "layout=coco17", "labels=a=b, c.txt"]
    assert Request.from_words(words).options == Options("coco17", Path("a=b, c.txt"), "xsub", "both")


BAD_WORDS = {
    "no key": (["nw_ucla"], "'nw_ucla' is not `key=value`"),
    "empty value": (["format="], "'format=' is not"),
    "unknown key": (
        ["format=nw_ucla", "sourc=x"],
        "'sourc=x'.*Keys are format, source, name, root, seed, verify, inspect",
    ),
    "twice": (["name=a", "name=b"], "given twice"),
    "format missing": (["name=a", "source=b"], "format must be given.*faces, islr, kinetics, natops, npy_folder"),
    "source missing": (["format=nw_ucla", "name=x"], "source must be given"),
    "all missing": (["root=x"], "format and source and name must be given"),
    "unknown format": (["format=mp4", "source=x", "name=x"], "no format 'mp4'.*natops, npy_folder"),
    "source of a generated one": (["format=signs", "name=x", "source=y"], "source has no meaning for signs"),
    "seed of a real one": (["format=natops", "name=x", "source=y", "seed=1"], "seed has no meaning for natops"),
    "split of natops": (
        ["format=natops", "name=x", "source=y", "split=a"],
        "split has no meaning for natops. It heeds s",
    ),
    "layout of a generated one": (
        ["format=signs", "name=x", "layout=a"],
        "layout has no meaning for signs. It heeds seed",
    ),
    "options beside verify": (["verify=x", "persons=both"], "persons has no meaning beside verify"),
    "persons": (["format=pyskl", "name=x", "source=y", "persons=all"], "persons: .*'all'.*most_moving, first, both"),
    "seed": (["format=signs", "name=x", "seed=-1"], "'-1' is not a whole number"),
    "name with a folder": (["format=signs", "name=../x"], "plain name"),
    "hidden name": (["format=signs", "name=.."], "plain name"),
    "verify and more": (["verify=x", "format=signs"], "format has no meaning beside verify"),
}


@pytest.mark.parametrize("case", BAD_WORDS)
def test_what_cannot_be_used_is_one_readable_line(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, message = BAD_WORDS[case]
    with pytest.raises(ConfigError, match=message):
        Request.from_words(words)
    code, out, err = run(capsys, *words)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_import_says_what_it_read_and_verifies(source, capsys, tmp_path):
    (source / "README.txt").write_text("x")
    root = tmp_path / "[stores]"
    code, out, err = run(capsys, "format=nw_ucla", f"source={source}", "name=ucla", f"root={root}")
    assert code == 0, err
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["train", "4", "2", "2", "2", "2", "0.000%"],
        ["test", "2", "2", "2", "2", "2", "0.000%"],
    ]
    assert out.startswith(f"{root}/ucla: 10 classes, layout kinect20, 20 joints\n")
    assert "dropped, not named aXX_sXX_eXX_vXX.json: 1\n" in out
    assert "test clips that are also train clips, byte for byte: 1\n" in out
    for verify in ("ucla", str(root / "ucla")):
        assert run(capsys, f"verify={verify}", f"root={root}")[:2] == (0, f"OK {root / 'ucla'}\n")


def write_pyskl(path: Path) -> Path:
    """Two clips of two persons and a clip of one, of COCO key points."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=(2, 5, 17, 2)), axis=1).astype(np.float32)
    clips = [{"frame_dir": str(i), "label": i % 2, "keypoint": walk[: 2 - i // 2] + i} for i in range(3)]
    path.write_bytes(pickle.dumps(clips))
    return path


def test_what_is_left_out_of_clips_is_said(capsys, tmp_path):
    words = ("format=pyskl", f"source={write_pyskl(tmp_path / 'x.pkl')}", f"root={tmp_path}", "name=x")
    _, out, _ = run(capsys, *words)
    assert "layout coco17, 17 joints" in out and "dropped: nothing" in out
    assert "left out, persons beyond most_moving: 2\nclips with a person left out: 2\n" in out
    _, out, _ = run(capsys, *words, "persons=both")
    assert "layout coco17_two_persons, 34 joints" in out and "left out" not in out


@pytest.mark.parametrize("key", ["source", "labels", "layout"])
def test_nothing_that_is_read_lies_in_the_store_that_it_replaces(key, capsys, tmp_path):
    files = {
        "source": write_pyskl(tmp_path / "x.pkl"),
        "labels": tmp_path / "names.txt",
        "layout": tmp_path / "my.yaml",
    }
    files["labels"].write_text("one\ntwo\n")
    files["layout"].write_bytes((LAYOUTS / "coco17.yaml").read_bytes())

    def words() -> list[str]:
        return ["format=pyskl", "name=x", f"root={tmp_path}", *(f"{key}={path}" for key, path in files.items())]

    assert run(capsys, *words())[0] == 0
    files[key] = files[key].rename(tmp_path / "x" / files[key].name)
    code, _, err = run(capsys, *words())
    assert code == 2 and "would replace" in err and files[key].exists()


def test_verify_finds_a_flipped_byte(source, capsys, tmp_path):
    assert run(capsys, "format=nw_ucla", f"source={source}", "name=ucla", f"root={tmp_path}")[0] == 0
    path = tmp_path / "ucla" / "frames.bin"
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    code, out, err = run(capsys, "verify=ucla", f"root={tmp_path}")
    assert code == 2 and not out and "frames.bin: its contents do not match their checksum. Import" in err


def test_verify_of_nothing_says_so(capsys, tmp_path):
    code, _, err = run(capsys, "verify=ucla", f"root={tmp_path}")
    assert code == 2 and "there is no clip store here" in err and str(tmp_path / "ucla") in err


def test_a_folder_that_is_no_store_is_not_replaced(source, capsys, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter 1").write_text("It was")
    code, _, err = run(capsys, "format=nw_ucla", f"source={source}", "name=thesis", f"root={tmp_path}")
    assert code == 2 and "no clip store is in the way" in err
    assert (tmp_path / "thesis" / "chapter 1").read_text() == "It was"


def test_a_source_inside_the_store_is_not_deleted(source, capsys, tmp_path):
    words = ("format=nw_ucla", f"source={source}", "name=ucla", f"root={tmp_path}")
    assert run(capsys, *words)[0] == 0
    inside = source.rename(tmp_path / "ucla" / "raw")
    code, _, err = run(capsys, words[0], f"source={inside}", *words[2:])
    assert code == 2 and "would replace" in err and len(list(inside.iterdir())) == 6


def stopped_by(monkeypatch, stop) -> None:
    """Makes the importer stop after a few clips."""
    read = nw_ucla._frames
    seen = []

    def stopping(reader, name):
        seen.append(name)
        return stop() if len(seen) == 4 else read(reader, name)

    monkeypatch.setattr(nw_ucla, "_frames", stopping)


@pytest.mark.parametrize("older", [False, True])
def test_ctrl_c_leaves_nothing_behind(source, capsys, tmp_path, monkeypatch, older):
    root = tmp_path / "stores"
    root.mkdir()
    words = ("format=nw_ucla", f"source={source}", "name=ucla", f"root={root}")
    if older:
        assert run(capsys, *words)[0] == 0
    before = {path.name: path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
    stopped_by(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    code, out, err = run(capsys, *words)
    assert code == 130 and not out and "Interrupted" in err
    assert [path.name for path in root.iterdir()] == (["ucla"] if older else [])
    assert {path.name: path.read_bytes() for path in root.rglob("*.*") if path.is_file()} == before


def test_a_job_that_is_told_to_stop_leaves_nothing_behind(source, capsys, tmp_path, monkeypatch):
    root = tmp_path / "stores"
    stopped_by(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGTERM))
    code, _, _ = run(capsys, "format=nw_ucla", f"source={source}", "name=ucla", f"root={root}")
    assert code == 143
    assert not list(root.iterdir())


def test_a_full_disk_is_one_readable_line(source, capsys, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    root = tmp_path / "stores"
    code, _, err = run(capsys, "format=nw_ucla", f"source={source}", "name=ucla", f"root={root}")
    assert code == 2 and "No space left on device" in err and len(err.splitlines()) == 1
    assert not list(root.iterdir())


@pytest.mark.parametrize("name", sorted(preparation.GENERATORS))
def test_a_generator_gets_the_folder_and_the_seed(name, capsys, tmp_path, monkeypatch, source):
    """The generators themselves are tested beside them; here only that the door reaches them."""
    assert run(capsys, "format=nw_ucla", f"source={source}", "name=other", f"root={tmp_path}")[0] == 0
    asked = []

    class Generator:
        @staticmethod
        def write(target: Path, seed: int):
            asked.append((target, seed))
            (tmp_path / "other").rename(target)

    module, function = preparation.GENERATORS[name]
    setattr(Generator, function, Generator.write)
    monkeypatch.setitem(sys.modules, module, Generator)
    assert run(capsys, f"format={name}", "name=made", f"root={tmp_path}", "seed=7")[0] == 0
    assert asked == [(tmp_path / "made", 7)]


def test_help_shows_the_commands(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0 and "prepare.py format=nw_ucla source=PATH" in out and "verify=" in out


def test_a_typo_is_found_before_torch_is_loaded():
    """In a process of its own, as a user runs it."""
    check = "atexit.register(lambda: print('torch' in sys.modules))"
    code = f"import atexit, sys, prepare; {check}; prepare.main(['format=mp4'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "False\n" and "Traceback" not in done.stderr


def test_the_command_itself_exits_with_2_and_no_traceback(tmp_path):
    words = ["format=natops", f"source={tmp_path / 'no where'}", "name=x", f"root={tmp_path / 'out'}"]
    command = [sys.executable, "prepare.py", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "timeseriesclassification.com" in done.stderr
    assert not list(tmp_path.iterdir())
