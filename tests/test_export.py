"""The front door: what a user types, what is printed, what is left on disk; and the example that uses the file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import export
from experiment.checkpoints.loading import load_run
from experiment.evaluation.opened_runs import FINGERPRINTS
from experiment.export import request as export_request
from experiment.export.request import Request
from schemas.clips import ClipSchema
from schemas.errors import CheckpointError, ConfigError
from schemas.skeleton import load_layout
from tests.experiment.small_checkpoint import SMALL, content_of, write

ROOT = Path(__file__).parent.parent
SCHEMA = ClipSchema(load_layout("kinect20"), ("wave", "nod", "walk"), 10)


@pytest.fixture
def a_run(tmp_path) -> Path:
    """A run's folder at a path that a grammar would trip over, of which one evaluation is known."""
    folder = tmp_path / "lr=0.1,a (copy) [1]"
    (folder / "checkpoints").mkdir(parents=True)
    content, data = content_of(list(SMALL["clips"]), SCHEMA), dict.fromkeys(FINGERPRINTS, "0a1b")
    content["assay"]["provenance"] |= data
    write(folder / "checkpoints" / "best.ckpt", content)
    evaluation = folder / "evaluations" / "monday_test"
    evaluation.mkdir(parents=True)
    (evaluation / "status.json").write_text(json.dumps({"state": "finished"} | data))
    numbers = {"runs": ["a"], "epochs": [1], "temperature": {"value": 0.25}}
    (evaluation / "evaluation.json").write_text(json.dumps(numbers))
    return folder


def run(capsys, *words: object) -> tuple[int, str, str]:
    try:
        code = export.main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_run_becomes_a_file_that_the_example_runs_without_our_code(a_run, tmp_path, capsys):
    code, out, err = run(capsys, f"run={a_run}", "format=onnx")
    assert code == 0 and not err
    assert out.startswith(f"{a_run / 'best.onnx'}: ") and "3 classes" in out
    assert "joints tensor(float) ['clips', 'frames', 20, 3]" in out and "2 clips of up to 300 frames: " in out
    assert "temperature: 0.25 (evaluation monday_test)" in out

    clips = {name: np.random.default_rng(t).normal(size=(t, 20, 3)) for name, t in (("a.npy", 9), ("b.npy", 4))}
    for name, clip in clips.items():
        clip[1, 3] = np.nan
        np.save(tmp_path / name, clip)
    hidden = "".join(f"sys.modules['{name}'] = None; " for name in ("torch", "onnx", "experiment", "schemas", "models"))
    code = (
        f"import sys, runpy; {hidden}runpy.run_path({str(ROOT / 'examples/classify_onnx.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(a_run / "best.onnx"), *clips]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = load_run(a_run).predict(list(clips.values()), temperature=0.25).top(3)
    for line, name, row in zip(done.stdout.splitlines(), clips, expected, strict=True):
        words = line.removeprefix(f"{name} ").replace(",", "").split()
        assert words[::2] == [each for each, _ in row]
        assert np.allclose([float(word) for word in words[1::2]], [each for _, each in row], atol=6e-4)


def test_a_lone_checkpoint_is_exported_beside_itself(a_run, capsys):
    path = a_run / "checkpoints" / "best.ckpt"
    code, out, _ = run(capsys, f"run={path}", "temperature=2")
    assert code == 0 and path.with_suffix(".onnx").is_file() and "temperature: 2.0 (as asked for)" in out


def test_without_an_evaluation_the_probabilities_are_called_uncalibrated(a_run, capsys):
    (a_run / "evaluations" / "monday_test" / "evaluation.json").unlink()
    code, out, _ = run(capsys, f"run={a_run}", f"output={a_run}/b=c.onnx", "coordinates=3")
    assert code == 0 and (a_run / "b=c.onnx").is_file()
    assert "temperature: unknown (no evaluation of this checkpoint" in out


def test_what_is_asked_for_is_read_as_it_stands(a_run):
    words = [f"run={a_run}", "trust=my.Net,my.Head", f"output={a_run}/b=c.onnx", "coordinates=2", "checkpoint=last"]
    assert Request.from_words(words) == Request(
        a_run, a_run / "b=c.onnx", "last", coordinates=2, trust=("my.Net", "my.Head")
    )
    assert Request.from_words([*words[:2], "checkpoint=last"]).output == a_run / "last.onnx"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["outptu=a.onnx"], "'outptu=a.onnx' cannot be used.*Keys"),
        (["best"], "'best' cannot be used"),
        (["output="], "cannot be used"),
        (["format=onnx", "format=onnx"], "cannot be used.*each once"),
        (["format=tflite"], "format: there is no format 'tflite'. Use format=onnx"),
        (["output=best.ckpt"], "output: 'best.ckpt' is no .onnx file"),
        (["output=none/a.onnx"], "in a folder that exists"),
        (["temperature=0"], "temperature: '0' is no number above 0"),
        (["temperature=inf"], "temperature"),
        (["temperature=warm"], "temperature"),
        (["coordinates=2.5"], "coordinates: '2.5' is no whole number above 0"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_word_that_cannot_be_used_is_one_line_and_exit_code_2(words, message, a_run, capsys):
    code, out, err = run(capsys, f"run={a_run}", *words)
    assert code == 2 and not out and len(err.splitlines()) == 1
    with pytest.raises(ConfigError, match=message):
        Request.from_words([f"run={a_run}", *words])


def test_a_run_must_be_named(tmp_path):
    with pytest.raises(ConfigError, match="run: no run is named"):
        Request.from_words([])
    with pytest.raises(CheckpointError, match=r"nothing: there is no such run"):
        Request.from_words([f"run={tmp_path / 'nothing'}"])


def test_a_folder_is_no_output(a_run):
    (a_run / "d.onnx").mkdir()
    for words in ([f"output={a_run / 'd.onnx'}"], ["checkpoint=d"]):
        with pytest.raises(ConfigError, match=r"output: '.*d\.onnx' is a folder\. Name a file"):
            Request.from_words([f"run={a_run}", *words])


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(a_run, monkeypatch):
    monkeypatch.setattr(export_request, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(ConfigError, match=r'format=onnx: onnxruntime must be installed. pip install -e "\.\[onnx\]"'):
        Request.from_words([f"run={a_run}"])


def test_help_says_how_to_call_it(capsys):
    assert run(capsys, "--help")[0] == 0
    code, out, _ = run(capsys)
    assert code == 2 and "python export.py run=RUN" in out


def test_words_are_judged_before_torch_is_imported(tmp_path):
    code = (
        "import sys, export\n"
        "try: export.main([sys.argv[1]])\n"
        "except SystemExit as end: sys.exit(9 if {'torch', 'onnx', 'onnxruntime'} & set(sys.modules) else end.code)"
    )
    command = [sys.executable, "-c", code, f"run={tmp_path / 'no=thing'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("CheckpointError ")
