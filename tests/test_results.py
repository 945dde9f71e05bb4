"""The front door: what a user types, what is printed, and what is left on disk."""

import csv
from pathlib import Path

import pytest

import results
from experiment.results.axes import bundles_of
from experiment.results.ranking import results_page
from experiment.results.runs import read_runs
from schemas.errors import ConfigError
from tests.experiment.many_runs import write_run


def run(capsys, *words: object) -> tuple[int, str, str]:
    try:
        code = results.main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def runs(tmp_path) -> Path:
    """Two sizes with three seeds, one run that failed and one that is damaged, at a path with an equals sign."""
    folder = tmp_path / "logs=1, (copy) [2]"
    for size in (64, 128):
        for seed in range(3):
            value = 0.5 + 0.01 * seed - 0.001 * size
            write_run(folder / f"{size}_{seed}", value, 0.8, seed=seed, model__spatial_dim=size)
    write_run(folder / "failed", seed=3, state="failed", why="DataError: no clips")
    write_run(folder / "damaged")
    (folder / "damaged" / "status.json").write_text("{")
    return folder


def test_everything_that_is_asked_for_is_printed_and_written(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    files = {"csv": tmp_path / "t=1.csv", "markdown": tmp_path / "t.md", "plot": tmp_path / "t.png"}
    files |= {"html": tmp_path / "t.html", "latex": tmp_path / "t.tex", "parallel": tmp_path / "p.png"}
    code, out, err = run(capsys, runs, *(f"{key}={path}" for key, path in files.items()), "compare=2,1")
    assert code == 0 and not err
    assert "test opened 6 times" in out and "spatial_dim=128" in out and "8 runs read, 6 in the tables" in out
    assert "2 minus 1, val/loss over 3 pairs" in out and "DataError: no clips" in out and "damaged or cut off" in out
    first, second = csv.DictReader(files["csv"].open())
    assert first["group"] == "spatial_dim=128" and float(first["val_mean"]) == pytest.approx(0.382)
    assert first["best_run"] == str(runs / "128_0") and float(second["val_sd"]) == pytest.approx(0.01)
    assert "spatial_dim=128" in files["markdown"].read_text()
    assert files["plot"].read_bytes().startswith(b"\x89PNG") and files["parallel"].read_bytes().startswith(b"\x89PNG")
    assert files["html"].read_text().count("data:image/png") == 2 and r"spatial\_dim=128" in files["latex"].read_text()


def test_nothing_is_written_that_was_not_asked_for(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(capsys, runs, "by=spatial_dim")[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no folder is named"),
        (["logs", "markdwon=a.md"], "'markdwon=a.md' cannot be used. Name folders, and by=, compare="),
        (["logs", "by="], "'by=' cannot be used"),
        (["logs", "by=a", "by=b"], "'by=b' is given twice"),
        (["logs", "plot=a.png", "parallel=a.png"], "'a.png' is named twice"),
        (["logs", "compare=1"], "compare: '1' is not two groups"),
        (["logs", "compare=1,1"], "compare: '1,1' is not two groups"),
        (["logs", "compare=1,b"], "compare: '1,b' is not two groups"),
        (["logs", "compare=1,2,3"], "is not two groups"),
        (["logs", "csv=a.txt"], "csv: 'a.txt' is no .csv file in a folder that exists"),
        (["logs", "plot=none/a.png"], "plot: 'none/a.png' is no .png file"),
        (["logs", "latex=a.md"], "latex: 'a.md' is no .tex file"),
    ],
)
def test_a_word_that_cannot_be_used_is_refused(words, message):
    with pytest.raises(ConfigError) as found:
        results.read_options(words)
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "none: there is no such folder"),
        (["."], "no run was found, that is a folder with config.yaml and status.json"),
        (["."], "train.py writes them to"),
    ],
)
def test_folders_without_runs_are_one_line_and_exit_code_2(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2 and not out and err.startswith("ConfigError ") and message in err
    assert len(err.splitlines()) == 1


def test_parallel_axes_are_the_keys_that_differ_and_hold_each_run(runs):
    for seed, value in ((0, 0.9), (1, 0.8)):
        keys = {"model__spatial_dim": 32, "model__name": "fusion", "model__net": {"spatial": {"width": 32}}}
        write_run(runs / f"sgd {seed}", value, seed=seed, optimizer___target_="torch.optim.SGD", **keys)
    read = read_runs([runs])
    (bundle,) = bundles_of(results_page(read), read)
    assert [axis.title for axis in bundle.axes] == ["model", "spatial_dim", "optimizer"]
    held = sorted(zip(*(axis.values for axis in bundle.axes), bundle.figures, strict=True))
    assert held[:2] == [("fusion", 32, "SGD", 0.8), ("fusion", 32, "SGD", 0.9)]
    assert [row[:3] for row in held[2:]] == 3 * [("gcn_lstm", 64, "AdamW")] + 3 * [("gcn_lstm", 128, "AdamW")]
    (bundle,) = bundles_of(results_page(read, ["lr"]), read, ["lr"])
    assert [(axis.title, set(axis.values)) for axis in bundle.axes] == [("lr", {0.01})] and len(bundle.figures) == 8


def test_runs_that_all_failed_are_listed(tmp_path, capsys):
    write_run(tmp_path / "a", state="failed", why="DataError: no clips")
    code, out, _ = run(capsys, tmp_path, f"csv={tmp_path / 'a.csv'}", f"plot={tmp_path / 'a.png'}")
    assert code == 0 and "1 run read, 0 in the tables" in out and "DataError: no clips" in out


def test_help_says_how_to_call_it(capsys):
    assert run(capsys, "--help")[0] == 0
    code, out, _ = run(capsys)
    assert code == 2 and "python results.py DIR" in out
