"""The front door: what a user types, what is printed, and what is left on disk."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import describe

ROOT = Path(__file__).parent.parent


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A small stranger's checkpoint at a path that a grammar would trip over."""
    path = tmp_path / "lr=0.1,a (copy) [1]" / "epoch=3-val{x}=${y}.pth"
    path.parent.mkdir()
    group = {"lr": 0.0009973422519357583, "initial_lr": 1e-3, "params": [0, 1]}
    weights = {"classifier.weight": torch.zeros(3, 4), "classifier.bias": torch.zeros(3)}
    torch.save({"model": weights, "optimizer": {"state": {}, "param_groups": [group]}, "epoch": 33}, path)
    return path


def run(capsys, *words: object) -> tuple[int, str, str]:
    try:
        code = describe.main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_page_is_printed_and_written_as_markdown(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = run(capsys, checkpoint, "epochs=100", f"output={tmp_path / 'a=b.md'}")
    assert code == 0 and not err
    markdown = (tmp_path / "a=b.md").read_text()
    for text in (out, markdown):
        assert "epoch 33 of 1000, not of 100" in text and "guess" in text and "stored" in text
    assert "| classes | 3 | names and shapes |" in markdown
    assert "numbers in the state dict     15" in out


def test_without_an_output_nothing_is_written(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(capsys, checkpoint)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["outptu=a.md"], "'outptu=a.md' cannot be used.*output=FILE.md or epochs=N"),
        (["a.md"], "'a.md' cannot be used"),
        (["output="], "cannot be used"),
        (["output=a.md", "output=b.md"], "cannot be used"),
        (["output=a.pth"], "output: 'a.pth' is no .md file"),
        (["output=none/a.md"], "in a folder that exists"),
        (["epochs=0"], "epochs: '0' is no whole number above 0"),
        (["epochs=1e3"], "epochs"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line_and_exit_code_2(words, message, checkpoint, capsys, tmp_path):
    code, out, err = run(capsys, checkpoint, *words)
    assert code == 2 and not out and len(err.splitlines()) == 1
    with pytest.raises(describe.ConfigError, match=message):
        describe.read_options(words)


def test_help_says_how_to_call_it(capsys):
    assert run(capsys, "--help")[0] == 0
    code, out, _ = run(capsys)
    assert code == 2 and "python describe.py PATH" in out


def test_a_missing_file_is_said_before_torch_is_imported(tmp_path):
    code = (
        "import sys, describe\n"
        "try: describe.main([sys.argv[1]])\n"
        "except SystemExit as end: sys.exit(9 if 'torch' in sys.modules else end.code)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "no=thing.pth")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("CheckpointError ") and "there is no such file" in done.stderr
