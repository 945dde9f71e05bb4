"""The front door: what a user types, what is printed, and what is left on disk."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

import evaluate
from datamodules.skeletons.store import ClipStore
from datamodules.splits import OfficialSplit
from experiment.checkpoints.loading import load_run
from experiment.configs.compose import compose_config
from experiment.evaluation import clips as evaluated_clips
from experiment.evaluation.config import evaluated_config
from experiment.evaluation.own_temperature import own_temperatures
from experiment.evaluation.request import Request
from experiment.evaluation.tables import _members
from experiment.results.runs import read_run
from experiment.run_folder import config_checksum
from experiment.training import run_training
from schemas.errors import ConfigError, DataError
from tests.conftest import write_store
from tests.experiment.small_data import CLIP_RUN, EVENT_RUN, make_clips, make_events, write_clips, write_events

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two streams of one store with seeds of their own, and two runs of events; at a path with signs of grammars."""
    folder = tmp_path_factory.mktemp("a=b, (c)")
    write_clips(folder / "data" / "store", make_clips(200))
    source = write_events(folder / "events.csv", make_events(120))

    def train(name: str, *overrides: str) -> None:
        words = [*overrides, f"paths.log_dir='{folder / 'logs'}'", "trainer.max_epochs=1"]
        run_training(compose_config(words), str(folder / name), words, False)

    clips = (*CLIP_RUN, f"paths.data_dir='{folder / 'data'}'", "datamodule.root=${paths.data_dir}/store")
    train("a", *clips)
    train("b", *clips, "seed=1", "datamodule.channels=[bone]")
    train("events", *EVENT_RUN, f"datamodule.source.path='{source}'")
    train("seed_1", *EVENT_RUN, f"datamodule.source.path='{source}'", "seed=1")
    return folder


@pytest.fixture
def call(door):
    return door(evaluate.main)


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def newest(run: Path) -> Path:
    """The folder of the latest evaluation."""
    return max((run / "evaluations").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)


def status_of_run(run: Path) -> dict:
    return read(run / "status.json")


def edited(run: Path, copy: Path, **datamodule: object) -> Path:
    """A copy of a run whose data settings say something else, its checksum right again."""
    return rewritten(run, copy, lambda config: config["datamodule"].update(datamodule))


def rewritten(run: Path, copy: Path, change: Callable[[dict], object]) -> Path:
    """A copy of a run whose config `change` has been at, its checksum right again."""
    shutil.copytree(run, copy)
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    (copy / "status.json").write_text(json.dumps({"config_checksum": config_checksum(config)}))
    return copy


def test_a_runs_own_test_figures_come_out_again(runs, call):
    run = runs / "a"
    code, out, err = call(f"run={run}")
    output = newest(run)
    assert code == 0 and not err, err
    own, found = status_of_run(run)["result"], read(output / "evaluation.json")
    for name, figure in found["figures"].items():
        assert figure["value"] == pytest.approx(own["test"]["metrics"][f"test/{name}"], abs=1e-6)
        assert f"{own['test']['metrics'][f'test/{name}']:.4f}" in out
    assert found["figures"]["accuracy"]["interval"] == own["test"]["interval"]
    assert found["baselines"] == own["test"]["baselines"] and own["verdict"]["sentence"] in out
    assert read(output / "status.json")["verdict"] == own["verdict"]
    # Class by class, confused and calibrated as in the run's own.
    known = read(run / "evaluation.json")
    assert {key: found[key] for key in known} == known and not found["notes"]


def test_what_is_written_is_whole(runs, call):
    run = runs / "a"
    assert call(f"run={run}")[0] == 0
    folder = newest(run)
    assert "_test" in folder.name  # and a number, where two are of one second
    status, own, origin = read(folder / "status.json"), status_of_run(run), read(run / "provenance.json")
    assert (status["state"], status["on"], status["evaluates"]) == ("finished", "test", [str(run)])
    assert status["split_fingerprint"] in read_run(run).evaluated
    for key in ("data_fingerprint", "split_fingerprint"):
        assert status[key] == origin[key]
    rows, store = pq.read_table(folder / "predictions.parquet"), ClipStore(runs / "data" / "store")
    assert rows["clip"].to_pylist() == store.ids[store.rows("test")].tolist()
    hits = np.mean([a == b for a, b in zip(rows["label"].to_pylist(), rows["predicted"].to_pylist(), strict=True)])
    assert hits == pytest.approx(own["result"]["test"]["metrics"]["test/accuracy"])
    temperature = read(folder / "evaluation.json")["temperature"]["value"]
    logits = np.array(rows["logits"].to_pylist()) / temperature
    calibrated = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert rows["probability"].to_numpy() == pytest.approx((calibrated / calibrated.sum(1, keepdims=True)).max(1))
    assert json.loads(rows.schema.metadata[b"classes"]) == list(store.classes)
    report = (folder / "report.md").read_text()
    assert f"Temperature {temperature:.3f}, fitted on 40 validation clips" in report
    assert own["result"]["verdict"]["sentence"][1:] in report and "confusion.png" in report
    assert (folder / "calibrated.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "report.html").read_text().count("data:image/png;base64") == 4


def test_validation_is_said_to_be_selected_on(runs, call):
    code, out, _ = call(f"run={runs / 'a'}", "on=val", "crops=3", "flip=true")
    assert code == 0 and "3 crops of 90% and the mirror images" in out
    assert "this checkpoint was chosen on these very clips" in out and "the clips that it was fitted on" in out
    assert read(newest(runs / "a") / "status.json")["on"] == "val"


def test_seeds_and_streams_make_an_ensemble(runs, call):
    names = [str(runs / name) for name in ("a", "b")]
    code, out, err = call(f"run=[{','.join(names)}]")
    assert code == 0 and not err and "ensemble of 2 runs" in out
    found = read(newest(runs / "a") / "evaluation.json")
    for name, member in zip(names, found["members"], strict=True):
        own = status_of_run(Path(name))["result"]["test"]
        assert member["run"] == name and member["temperature"] > 0
        assert member["figures"]["accuracy"]["value"] == pytest.approx(own["metrics"]["test/accuracy"])
    best = max(member["figures"]["accuracy"]["value"] for member in found["members"])
    lead = found["beside_its_best"]["accuracy"]["value"]
    assert found["figures"]["accuracy"]["value"] == pytest.approx(best + lead)
    report = (newest(runs / "a") / "report.md").read_text()
    assert "Mean of its members" in report and "over its best member" in report


@pytest.mark.parametrize("on", ["test", "val"])
def test_members_are_weighed_by_what_validation_says(on, runs, call):
    code, out, err = call(f"run=[{runs / 'a'},{runs / 'b'}]", "weights=learned", f"on={on}")
    assert code == 0 and not err and "Weights learned on 40 validation clips: a " in out, err
    found = read(newest(runs / "a") / "evaluation.json")
    known = found["weights"]
    assert sum(known["values"]) == pytest.approx(1) and known["clips"] == 40 and known["val"][1] <= known["val"][0]
    assert found["figures"]["loss"]["value"] == pytest.approx(known[on][1])
    assert ("clips that they were learned on" in out) == (on == "val")
    assert "Weights learned on" in (newest(runs / "a") / "report.md").read_text()


def test_weights_that_cannot_be_learned_cost_no_opening(runs, call, monkeypatch):
    whole = OfficialSplit.__call__

    def without_validation(self, store):
        return whole(self, store) | {"val": np.empty(0, dtype=np.int64)}

    monkeypatch.setattr(OfficialSplit, "__call__", without_validation)
    before = set(runs.rglob("evaluations/*"))
    code, _, err = call(f"run=[{runs / 'a'},{runs / 'b'}]", "weights=learned")
    assert set(runs.rglob("evaluations/*")) == before
    assert code == 2 and "weights are learned on validation clips, of which there are none" in err, err


ONE, ALL = slice(1), slice(None)


@pytest.mark.parametrize(
    ("words", "clips", "where", "said"),
    [
        (["run={b}"], ONE, "b", ["cross-entropy no number -> no number nats"]),
        (["run={b}"], ALL, "b", ["calibration error no number -> no number, cross-entropy no number"]),
        (
            ["run=[{a},{b}]", "weights=learned"],
            ONE,
            "a",
            ["cross-entropy no number. Lead over that mean", "test no number -> no number nats"],
        ),
    ],
    ids=["one clip", "all clips", "a member"],
)
def test_where_a_net_has_no_number_the_report_says_so(words, clips, where, said, runs, call, monkeypatch):
    collect = evaluated_clips.collect

    def broken(member, split, answer):
        output = collect(member, split, answer)
        if split == "test" and member.folder.name == "b":
            output.logits[clips] = math.nan
        return output

    monkeypatch.setattr(evaluated_clips, "collect", broken)
    code, out, err = call(*(word.format(a=runs / "a", b=runs / "b") for word in words))
    assert code == 0, err
    report = (newest(runs / where) / "report.md").read_text()
    for sentence in said:
        assert sentence in out and sentence in report


def test_events_come_out_again_too(runs, call):
    run = runs / "events"
    code, out, err = call(f"run={run}")
    assert code == 0 and not err, err
    own, found = status_of_run(run)["result"], read(newest(runs / "events") / "evaluation.json")
    assert {f"test/{name}": value for name, value in found["metrics"].items()} == own["test"]["metrics"]
    assert found["figures"]["loss"]["interval"] == own["test"]["interval"]
    known = read(run / "evaluation.json")
    assert {key: found[key] for key in known} == known and own["verdict"]["sentence"] in out
    rows = pq.read_table(newest(runs / "events") / "predictions.parquet")
    assert rows["activity nll"].to_numpy().mean() == pytest.approx(found["metrics"]["ce/activity"], abs=1e-6)
    assert set(rows["sequence"].to_pylist()) <= {f"case {number}" for number in range(120)}


def test_every_field_of_events_has_a_temperature(runs, call):
    code, out, err = call(f"run={runs / 'events'}", "on=val")
    assert code == 0 and not err, err
    found = read(newest(runs / "events") / "evaluation.json")
    known = found["temperature"]
    assert list(known["fields"]) == ["activity", "user", "gap"]
    for field, row in known["fields"].items():
        assert row["loss"][0] == found["metrics"][f"ce/{field}"]
        # On what it was fitted on nothing is lost.
        assert 0.05 <= row["value"] <= 20 and row["loss"][1] <= row["loss"][0] + 1e-6
    assert f"Temperatures fitted on {known['events']:,} validation events: activity " in out.replace("\n", " ")
    assert "the events that they were fitted on" in out and known["loss"][1] <= known["loss"][0]
    assert own_temperatures(load_run(runs / "events")) == (
        {field: row["value"] for field, row in known["fields"].items()},
        newest(runs / "events"),
    )


def test_chained_heads_of_a_single_field_are_evaluated_too(runs, call, tmp_path):
    several = ("datamodule.fields=", "+datamodule.streams", "model.head_width=", "trainer.max_epochs=")
    words = [word for word in EVENT_RUN if not word.startswith(several)]
    words += ["datamodule.fields={activity:{}}", "model.heads=chained", "model.head_width=8", "trainer.max_epochs=1"]
    words += [f"datamodule.source.path='{runs / 'events.csv'}'", f"paths.log_dir='{runs / 'logs'}'"]
    run_training(compose_config(words), str(tmp_path / "one"), words, False)
    code, _, err = call(f"run={tmp_path / 'one'}")
    assert code == 0 and not err, err
    found = read(newest(tmp_path / "one") / "evaluation.json")
    known = found["temperature"]["fields"]
    assert list(known) == ["activity"]
    assert known["activity"]["loss"][0] == found["metrics"]["ce_given_earlier/activity"]


def test_runs_of_events_make_an_ensemble(runs, call):
    names = [str(runs / name) for name in ("events", "seed_1")]
    code, out, err = call(f"run=[{','.join(names)}]")
    assert code == 0 and not err and "ensemble of 2 runs" in out, err
    assert "members, each at its temperatures" in out
    found = read(newest(runs / "events") / "evaluation.json")
    members = found["of_members"]
    assert [member["run"] for member in members] == names
    assert all(list(member["temperature"]) == ["activity", "user", "gap"] for member in members)
    nats = [member["figures"]["joint_nll"]["value"] for member in members]
    # -log is convex: the mean of probabilities costs no more than the mean of the members' costs.
    assert found["figures"]["joint_nll"]["value"] <= sum(nats) / 2
    whole, beside = found["figures"], found["beside_their_mean"]
    assert found["beside_its_best"]["joint_nll"]["value"] == pytest.approx(
        min(nats) - whole["joint_nll"]["value"], abs=1e-5
    )
    for name, sign in (("accuracy", 1), ("joint_nll", -1)):
        mean = sum(member["figures"][name]["value"] for member in members) / 2
        assert beside["figures"][name]["value"] == pytest.approx(mean, abs=1e-5)
        assert beside["lead"][name]["value"] == pytest.approx(sign * (whole[name]["value"] - mean), abs=1e-5)
    report = (newest(runs / "events") / "report.md").read_text()
    section = report.split("## Members\n")[1].split("\n## ")[0]
    for member, cost in zip(members, nats, strict=True):
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{Path(member['run']).name}` |")]
        assert f"| {cost:.3f} |" in row and f"activity {member['temperature']['activity']:.3f}, user " in row
    for text in (out, section):
        assert "Mean of its members: accuracy " in text and "Lead over that mean, event by event" in text
        assert "over its best member (" in text
    assert read(newest(runs / "events") / "status.json")["verdict"]["sentence"] in out


def test_members_of_events_read_the_same_windows(runs, call, tmp_path):
    config = yaml.safe_load((runs / "seed_1" / "config.yaml").read_text())
    words = [*EVENT_RUN, f"datamodule.source.path='{config['datamodule']['source']['path']}'", "trainer.max_epochs=1"]
    words += [f"paths.log_dir='{runs / 'logs'}'", "datamodule.src_seq_len=3"]
    run_training(compose_config(words), str(tmp_path / "other"), words, False)
    code, _, err = call(f"run={runs / 'events'},{tmp_path / 'other'}")
    assert code == 2 and "its src_seq_len is 3, the run's is 4" in err and "Members read the same windows" in err


def test_data_that_was_moved_is_found(runs, call, tmp_path):
    shutil.copytree(runs / "data", tmp_path / "elsewhere")
    code, out, _ = call(f"run={runs / 'a'}", f"paths.data_dir={tmp_path / 'elsewhere'}")
    assert code == 0 and "note" not in out
    used = yaml.safe_load((newest(runs / "a") / "datamodule.yaml").read_text())
    assert used["root"] == str(tmp_path / "elsewhere" / "store")


def test_clips_that_were_trained_on_are_counted(runs, call, tmp_path):
    clips = [clip for clip in make_clips(200) if clip.split == "train"]
    for number, clip in enumerate(clips):
        clip.split = "test" if number % 2 else "train"
    store = write_clips(tmp_path / "other", clips)
    code, out, _ = call(f"run={runs / 'a'}", f"datamodule.root={store}")
    assert code == 0, out
    assert "a was trained on other data or another split: it has seen 60 of these 60 clips in training" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run={a}", "datamodule.root={natops}"], "it has 8 joints, the run 20: the run's model cannot read it"),
        (["run={a}", "datamodule.root={classes}"], "number 0 is 'class_0' and the run's 'class 0'"),
        (["run={a}", "datamodule.root={flat}"], "it has 5 classes, the run 4"),
        (["run={a}", "datamodule.root=nowhere"], "nowhere: this data set has not been imported"),
        (["run={a}", "datamodule=helpdesk"], "model 'gcn_lstm' is for clips, these data are events"),
        (["run={a}", "datamodule=kinetics"], "datamodule: there is no 'kinetics'. Known: bpic2013,"),
        (["run={a}", "datamodule.batch_size=0"], "datamodule.batch_size: 0 is not"),
        (["run={a}", "datamodule.batchsize=1"], "there is no such key. Did you mean batch_size?"),
        (["run={a}", "datamodule.frames=4"], "datamodule.frames: the model reads what it was trained to read"),
        (["run={events}", "paths.data_dir=/nowhere"], "paths.data_dir: the run's data does not lie below"),
        (["run={events}", "crops=2"], "events have neither crops nor mirror images"),
        (["run=[{events},{a}]"], "it is of clips, "),
        (["run=[{events},{a}]", "weights=learned"], "weights: weights are learned of runs of clips"),
        (["run=[{a},{b}]", "datamodule.split.seed=1", "checkpoint=epoch_7"], "no checkpoints/epoch_7.ckpt"),
        (["run=[{a},{a}]"], "run: a run is named twice"),
        (["run={a}/checkpoints"], "there is no run here"),
        (["run={a}", "run={b}"], "run: it is given twice"),
        (["on=test"], "run: no run is named"),
        (["run={a}", "on=train"], "on: there is no split 'train'"),
        (["run={a}", "crops=0"], "crops: '0' is no whole number from 1 to 1000"),
        (["run={a}", "crops=1001"], "crops: '1001' is no whole number from 1 to 1000"),
        (["run={a}", f"crops={'9' * 5000}"], "crops: '99999999999999999999...' is no whole number"),
        (["run={a}", "datamodule.root=${{nothing}}"], "datamodule: Interpolation key 'nothing' not found"),
        (["run={a}", "flip=yes"], "flip: 'yes' is neither true nor false"),
        (["run={a}", "datamodule.split={{"], "datamodule.split: is no valid YAML"),
        (["run={a}", "seed=1"], "'seed=1' cannot be used. Keys: run, on,"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(words, message, runs, call, tmp_path):
    names = {name: runs / name for name in ("a", "b", "events")}
    for name, layout, classes in (("natops", "natops8", 4), ("classes", "kinect20", 4), ("flat", "kinect20", 5)):
        if any(f"{{{name}}}" in word for word in words):
            names[name] = write_store(tmp_path / name, layout, classes).folder
    before = set(runs.rglob("evaluations/*"))
    code, out, err = call(*(word.format(**names) for word in words))
    assert code == 2 and not out and len(err.splitlines()) == 1, err
    assert message in err
    assert set(runs.rglob("evaluations/*")) == before


def test_runs_of_other_splits_make_no_ensemble(runs, call, tmp_path):
    store = write_clips(tmp_path / "store", make_clips(100, seed=2))
    other = edited(runs / "b", tmp_path / "other", root=str(store))
    code, _, err = call(f"run={runs / 'a'},{other}")
    assert code == 2 and "its data is not that of" in err and "name runs of one store and split" in err


def test_an_evaluation_that_ends_early_is_recorded_with_its_reason(runs, call, tmp_path, monkeypatch):
    def fail(*_):
        raise ConfigError("no luck")

    monkeypatch.setattr(evaluated_clips, "_calibration", fail)
    code, _, err = call(f"run={runs / 'a'}")
    status = read(newest(runs / "a") / "status.json")
    assert code == 2 and "no luck" in err
    assert status["state"] == "failed" and status["why"] == "no luck" and status["split_fingerprint"]


def test_a_strangers_data_settings_build_nothing_that_is_not_ours(runs, tmp_path):
    run = edited(runs / "a", tmp_path / "stranger", split={"_target_": "os.system", "command": "touch hacked"})
    with pytest.raises(ConfigError, match=r"ask for os\.system, which is no part of assay; nothing was built"):
        evaluated_config(run, Request((run,)))
    assert evaluated_config(run, Request((run,), trust=("os.system",))).datamodule.split.command == "touch hacked"


@pytest.mark.parametrize("whole", [False, True], ids=["a target", "the datamodule"])
def test_a_strangers_config_looks_nothing_up(whole, runs, tmp_path):
    def interpolate(config: dict) -> None:
        config["paths"]["evil"] = {**config["datamodule"], "split": {"_target_": "pandas.read_pickle"}}
        if whole:
            config["datamodule"] = "${paths.evil}"
        else:
            config["datamodule"]["split"] = "${paths.evil.split}"

    run = rewritten(runs / "a", tmp_path / "stranger", interpolate)
    for trust in ((), ("pandas.read_pickle",)):
        with pytest.raises(ConfigError, match=r"config\.yaml: datamodule.*looked up elsewhere"):
            evaluated_config(run, Request((run,), trust=trust))


def test_a_config_without_data_settings_is_refused(runs, tmp_path):
    run = rewritten(runs / "a", tmp_path / "stranger", lambda config: config.update(datamodule="clips"))
    with pytest.raises(ConfigError, match="it has no data settings"):
        evaluated_config(run, Request((run,)))


def test_targets_that_a_typed_word_looks_up_are_judged(runs, tmp_path):
    evil = {"evil": {"_target_": "pandas.read_pickle"}}
    run = rewritten(runs / "a", tmp_path / "stranger", lambda config: config["paths"].update(evil))
    with pytest.raises(ConfigError, match=r"ask for pandas\.read_pickle.*nothing was built"):
        evaluated_config(run, Request((run,), changes={"split": "${paths.evil}"}))


def test_data_that_are_gone_are_told_with_what_to_type(runs, tmp_path, monkeypatch):
    below = edited(runs / "a", tmp_path / "below", root=str(runs / "data" / "gone"))
    with pytest.raises(DataError, match=r"gone: the run read its data here.*data_dir=FOLDER with FOLDER/gone in it"):
        evaluated_config(below, Request((below,)))
    beside = edited(runs / "a", tmp_path / "beside", root="gone")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^gone: .*seen from /.*\)\. Say where they are: datamodule\.root=PLACE\."):
        evaluated_config(beside, Request((beside,)))
    with pytest.raises(ConfigError, match=r"Say datamodule\.root=PLACE, which was gone"):
        evaluated_config(beside, Request((beside,), data_dir="/elsewhere"))


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_data_of_a_relative_data_dir_are_moved(absolute, runs, tmp_path, monkeypatch):
    """As by default, data/processed: the store may have been named below it or by its whole path."""
    monkeypatch.chdir(tmp_path)
    root = f"{tmp_path}/data/processed/store" if absolute else "data/processed/store"
    then = edited(runs / "a", tmp_path / "then", root=root)
    run = rewritten(then, tmp_path / "run", lambda config: config["paths"].update(data_dir="data/processed"))
    with pytest.raises(DataError, match=r"data_dir=FOLDER with FOLDER/store in it, or datamodule\.root=PLACE"):
        evaluated_config(run, Request((run,)))
    moved = evaluated_config(run, Request((run,), data_dir=str(runs / "data")))
    assert moved.datamodule.root == str(runs / "data" / "store")


def test_members_are_readable_at_80_columns():
    figure = {"value": 0.6123, "interval": (0.512, 0.701)}
    names = [f"2026-11-21_21-30-{second}_gcn_lstm_032f5636" for second in (57, 58)]
    figures = {"accuracy": figure, "macro_f1": {"value": 0.4321}, "loss": {"value": 12.3456, "interval": (11.9, 12.8)}}
    members = [{"run": name, "figures": figures, "temperature": 1.25} for name in names]
    console = Console(width=80, record=True, file=StringIO())
    console.print(_members({"members": members}))
    lines = console.export_text().splitlines()
    assert max(len(line) for line in lines) <= 80
    heading = next(line for line in lines if "run" in line)
    assert heading.split() == ["run", "accuracy", "macro-F1", "cross-entropy", "temperature"]
    for second in (57, 58):
        row = next(place for place, line in enumerate(lines) if f"21-30-{second}" in line)
        name, *numbers = lines[row].split()
        assert name.endswith("…") and numbers == ["0.6123", "0.4321", "12.3456", "1.250"]
        assert lines[row + 1].split() == ["0.512-0.701", "11.900-12.800"]


def test_help_says_how_to_call_it(call):
    assert call("--help")[0] == 0
    code, out, _ = call()
    assert code == 2 and "python evaluate.py run=RUN" in out


def test_a_wrong_word_is_said_before_torch_is_imported(runs):
    code = (
        "import sys, evaluate\n"
        "try: evaluate.main(sys.argv[1:])\n"
        "except SystemExit as end: sys.exit(9 if 'torch' in sys.modules else end.code)"
    )
    command = [sys.executable, "-c", code, f"run={runs / 'a'}", "datamodule.batch_size=x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "datamodule.batch_size: 'x' is not" in done.stderr, done
