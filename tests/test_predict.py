"""The front door: new clips and a growing log to predictions, cut off and gone on with."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import predict
from datamodules.skeletons.store import ClipStore
from experiment.checkpoints.loading import load_run
from experiment.configs.compose import compose_config
from experiment.evaluation.own_temperature import own_temperature
from experiment.prediction import file as prediction_file
from experiment.prediction.inference import ClipInference
from experiment.training import run_training
from tests.conftest import write_store
from tests.experiment.small_data import CLIP_RUN, EVENT_RUN, make_clips, make_events, write_clips, write_events

ROOT = Path(__file__).parent.parent
EVENTS = [*EVENT_RUN, "datamodule.context_at=event"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A run of clips and one of events, at a path with signs of grammars."""
    folder = tmp_path_factory.mktemp("a=b, (c)")
    write_clips(folder / "store", make_clips(100))
    source = write_events(folder / "events.csv", make_events(60))

    def train(name: str, *overrides: str) -> None:
        words = [*overrides, f"paths.log_dir='{folder / 'logs'}'", "trainer.max_epochs=2"]
        run_training(compose_config(words), str(folder / name), words, False)

    train("clips", *CLIP_RUN, f"datamodule.root='{folder / 'store'}'")
    train("events", *EVENTS, f"datamodule.source.path='{source}'")
    return folder


@pytest.fixture
def call(door):
    return door(predict.main)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(prediction_file, "PART", 16)


def clips_of(store: ClipStore) -> list[tuple[np.ndarray, np.ndarray]]:
    spans = [slice(a, b) for a, b in zip(store.offsets, store.offsets[1:], strict=False)]
    return [(store.frames[span], store.visible[span]) for span in spans]


def test_a_stores_clips_get_the_models_own_answers(runs, call, tmp_path):
    output = tmp_path / "p.parquet"
    code, out, err = call(
        f"run={runs / 'clips'}", f"input={runs / 'store'}", f"output={output}", "top=3", "batch_size=7"
    )
    assert code == 0 and not err, err
    assert "100 clips, predicted by" in out and "probabilities are not calibrated" in out
    store, frame = ClipStore(runs / "store"), pd.read_parquet(output)
    assert list(frame) == [
        *("clip", "class 1", "probability 1", "class 2", "probability 2", "class 3", "probability 3"),
        *("frames", "missing"),
    ]
    expected = load_run(runs / "clips").predict(clips_of(store), batch_size=100).probabilities
    order = np.argsort(-expected, axis=1)
    assert frame["clip"].tolist() == store.ids.tolist()
    for place in range(3):
        names = [f"class {k}" for k in order[:, place]]
        assert frame[f"class {place + 1}"].tolist() == names
        assert frame[f"probability {place + 1}"].to_numpy() == pytest.approx(
            np.take_along_axis(expected, order[:, place, None], 1)[:, 0], abs=1e-6
        )
    assert frame["frames"].tolist() == store.lengths.tolist()
    assert frame["missing"].to_numpy() == pytest.approx([1 - seen.mean() for _, seen in clips_of(store)], abs=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.parquet"]


@pytest.fixture(scope="module")
def unlabelled(runs) -> Path:
    """The same clips as files without a label: .npy one by one, and one .npz."""
    folder = runs / "new"
    (folder / "npy" / "deep").mkdir(parents=True)
    found = clips_of(ClipStore(runs / "store"))
    for number, (frames, seen) in enumerate(found):
        where = "deep/" if number % 2 else ""
        np.save(folder / "npy" / f"{where}{number:03d}.npy", np.where(seen[..., None], frames, np.nan))
    shutil.copy(folder / "npy" / "004.npy", folder / "one clip.npy")
    (folder / "npy" / "labels.csv").write_text("file,label\nnot there,a\n")  # no table is asked
    np.savez(
        folder / "all.npz",
        x=np.concatenate([frames for frames, _ in found]),
        visible=np.concatenate([seen for _, seen in found]),
        lengths=[len(frames) for frames, _ in found],
    )
    return folder


@pytest.mark.parametrize("name", ["npy", "all.npz", "one clip.npy"])
def test_clips_without_labels_are_predicted(name, runs, unlabelled, call, tmp_path):
    for source, output in ((runs / "store", "a.csv"), (unlabelled / name, "b.csv")):
        code, out, err = call(f"run={runs / 'clips'}", f"input={source}", f"output={tmp_path / output}")
        assert code == 0 and not err, err
    assert "does not say which joints these are; they are taken for the run's, kinect20" in out
    expected, found = (pd.read_csv(tmp_path / name, dtype={"clip": str}) for name in ("a.csv", "b.csv"))
    found = found.sort_values("clip", key=lambda clip: clip.str[-3:], ignore_index=True)
    expected = expected.iloc[[4]].reset_index(drop=True) if name == "one clip.npy" else expected
    assert len(found) == len(expected)
    pd.testing.assert_frame_equal(found.drop(columns="clip"), expected.drop(columns="clip"), atol=1e-5)


def test_a_clip_of_which_nothing_was_seen_has_no_prediction(runs, call, tmp_path):
    frames = make_clips(8)[0].frames
    np.savez(tmp_path / "x.npz", x=np.concatenate([frames, frames * np.nan]), lengths=[len(frames)] * 2)
    words = [f"run={runs / 'clips'}", f"input={tmp_path / 'x.npz'}", f"output={tmp_path / 'p.csv'}"]
    code, out, _ = call(*words)
    assert code == 0 and "without a prediction, no joint seen or no number from the net: 1" in out
    frame = pd.read_csv(tmp_path / "p.csv")
    assert frame["class 1"].notna().tolist() == [True, False] and frame["missing"].tolist() == [0, 1]


def evaluation(run: Path, name: str, value: float | None, **changes: object) -> None:
    """As evaluate.py leaves it."""
    origin = json.loads((run / "provenance.json").read_text())
    status = {"state": "finished", **{k: origin[k] for k in ("data_fingerprint", "split_fingerprint")}}
    numbers = {"runs": [str(run)], "epochs": [load_run(run).epoch], "temperature": value and {"value": value}}
    for key, change in changes.items():
        (status if key in status else numbers)[key] = change
    (run / "evaluations" / name).mkdir(parents=True)
    (run / "evaluations" / name / "status.json").write_text(json.dumps(status))
    (run / "evaluations" / name / "evaluation.json").write_text(json.dumps(numbers))


def test_the_temperature_is_that_of_the_latest_evaluation_that_holds(runs, call, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "clips", run)
    evaluation(run, "1_test", 3.0)
    evaluation(run, "2_test", 2.0)
    evaluation(run, "3_test", None)
    evaluation(run, "4_test", 5.0, views="3 crops")
    evaluation(run, "5_test", 5.0, runs=["a", "b"])
    evaluation(run, "6_test", 5.0, data_fingerprint="other")
    evaluation(run, "7_test", 5.0, epochs=[99])
    evaluation(run, "8_test", 5.0, state="failed")
    (run / "evaluations" / "9_test").mkdir()
    words = [f"run={run}", f"input={runs / 'store'}"]
    _, out, _ = call(*words, f"output={tmp_path / 'own.parquet'}")
    assert "probabilities are calibrated: temperature 2.000 of the evaluation 2_test" in out
    _, out, _ = call(*words, f"output={tmp_path / 'asked.parquet'}", "temperature=2")
    assert "at temperature 2, as asked for" in out
    expected = load_run(run).predict(clips_of(ClipStore(runs / "store")), temperature=2.0).probabilities.max(1)
    for name in ("own", "asked"):
        found = pd.read_parquet(tmp_path / f"{name}.parquet")["probability 1"].to_numpy()
        assert found == pytest.approx(expected, abs=1e-6)
    assert pq.read_schema(tmp_path / "own.parquet").metadata[b"temperature"] == b"2.0"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"temperature"', "[]", None], ids=["deep", "cut", "list", "huge"])
def test_a_damaged_evaluation_is_passed_over(content, runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "clips", run)
    evaluation(run, "1_test", 3.0)
    evaluation(run, "2_test", 10**400)  # a whole number that no float holds
    if content is not None:
        (run / "evaluations" / "2_test" / "evaluation.json").write_text(content)
    assert own_temperature(load_run(run)) == (3.0, run / "evaluations" / "1_test")


def cut_off(monkeypatch, owner: object, name: str, after: int, error: type[BaseException]) -> list:
    """Lets a function do its work `after` times, then raise; gives what it was called with."""
    real, calls = getattr(owner, name), []

    def answer(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, answer)
    return calls


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_call_that_was_cut_off_goes_on_to_the_same_bytes(ending, runs, call, tmp_path, monkeypatch, small_parts):
    words = [f"run={runs / 'clips'}", f"input={runs / 'store'}", "batch_size=8"]
    whole, output = tmp_path / f"whole.{ending}", tmp_path / f"p.{ending}"
    assert call(*words, f"output={whole}")[0] == 0
    with monkeypatch.context() as patch:
        cut_off(patch, ClipInference, "logits", 5, KeyboardInterrupt)
        code, _, err = call(*words, f"output={output}")
    assert code == 130 and "the same command goes on from there" in err and not output.exists()
    parts = tmp_path / f".p.{ending}.parts"
    assert len(list(parts.glob("part_*"))) == 2
    with monkeypatch.context() as patch:
        calls = cut_off(patch, ClipInference, "logits", 99, KeyboardInterrupt)
        code, out, _ = call(*words, f"output={output}")
    assert code == 0 and "32 clips had been predicted by an earlier call that was cut off" in out
    assert len(calls) == 9 and not parts.exists()  # 13 batches in all
    assert output.read_bytes() == whole.read_bytes()


def test_other_options_begin_anew(runs, call, tmp_path, monkeypatch, small_parts):
    words = [f"run={runs / 'clips'}", f"input={runs / 'store'}", "batch_size=8"]
    with monkeypatch.context() as patch:
        cut_off(patch, ClipInference, "logits", 5, OSError)
        with pytest.raises(OSError):
            call(*words, f"output={tmp_path / 'p.csv'}", "top=1")
    code, out, _ = call(*words, f"output={tmp_path / 'p.csv'}", "top=2")
    assert code == 0 and "cut off" not in out and "class 2" in pd.read_csv(tmp_path / "p.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_a_killed_process_is_gone_on_with(runs, call, tmp_path):
    words = [f"run={runs / 'clips'}", f"input={runs / 'store'}", "batch_size=8", f"output={tmp_path / 'p.csv'}"]
    code = (
        "import os, sys, predict\n"
        "from experiment.prediction import file as prediction_file, inference\n"
        "prediction_file.PART, real, calls = 16, inference.ClipInference.logits, []\n"
        "def logits(*args):\n"
        "    calls.append(os.kill(os.getpid(), 9) if len(calls) == 7 else None)\n"
        "    return real(*args)\n"
        "inference.ClipInference.logits = logits\n"
        "predict.main(sys.argv[1:])"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, env=environment, timeout=120)
    assert done.returncode == -9 and not (tmp_path / "p.csv").exists()
    before, prediction_file.PART = prediction_file.PART, 16
    try:
        code, out, err = call(*words)
    finally:
        prediction_file.PART = before
    assert code == 0 and "48 clips had been predicted by an earlier call" in out, err
    assert pd.read_csv(tmp_path / "p.csv")["clip"].tolist() == ClipStore(runs / "store").ids.tolist()


def test_an_error_in_a_clip_leaves_nothing(runs, call, tmp_path, small_parts):
    clips = [np.ones((5, 20, 3), np.float32) * (np.arange(1, 21)[None, :, None]) for _ in range(40)]
    (tmp_path / "in").mkdir()
    for number, clip in enumerate(clips):
        np.save(tmp_path / "in" / f"{number:02d}.npy", clip if number != 35 else clip[:, :7])
    words = [f"run={runs / 'clips'}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'p.csv'}", "batch_size=8"]
    code, _, err = call(*words)
    assert code == 2 and "35.npy: its shape is [5, 7, 3], that of the first clip" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.fixture(scope="module")
def log(runs) -> pd.DataFrame:
    return pd.read_csv(runs / "events.csv")


def last_events(runs: Path, log: pd.DataFrame, cases: list[str]) -> dict[str, list[dict[str, float]]]:
    """Of each case the distribution over every field of its last event, given all before it and nothing later, from
    windows that the run's own datamodule makes: case -> field -> value -> probability."""
    from experiment.build import build_datamodule

    run, found = load_run(runs / "events"), {}
    module = build_datamodule(run.config)
    windows, table = module.windows, module.table
    for case in cases:
        number = int(np.flatnonzero(table.sequence_names == case)[0])
        begin, end = table.starts[number], table.starts[number + 1]
        first = max(begin, end - 1 - run.schema.tgt_seq_len)
        batch = windows.gather(np.array([first]), np.array([end - 1 - first]), np.ones(len(table.time), bool))
        with torch.no_grad():
            h = run.model.decode(batch)
            target, history = run.model.heads._scored(h, batch)
            logits = run.model.heads._logits(run.model.heads._states(h, history, target), run.model.embedding)
        p_of = [each[-1].double() for each in logits]
        for p in p_of:
            p[1] = -torch.inf  # UNK is never predicted
        names = [run.schema.fields[number] for number in run.schema.dynamic]
        found[case] = [
            {field.name_of(v): float(x) for v, x in enumerate(p.softmax(0)) if v > 1}
            for field, p in zip(names, p_of, strict=True)
        ]
    return found


def test_the_next_event_of_a_log_is_what_the_model_says_of_it(runs, log, call, tmp_path):
    """The last event of some cases is cut off the log, and predicted."""
    cases = ["case 3", "case 17", "case 40"]
    last = log.groupby("case").tail(1)
    cut = log.drop(last[last["case"].isin(cases)].index).drop(columns="split")
    cut.to_csv(tmp_path / "log.csv", index=False)
    words = [f"run={runs / 'events'}", f"input={tmp_path / 'log.csv'}", f"output={tmp_path / 'p.parquet'}", "top=99"]
    code, out, err = call(*words)
    assert code == 0 and not err, err
    assert "the likeliest value of every field" in out
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert set(frame["sequence"]) == set(log["case"]) and set(frame["step"]) == {1}
    for case, distributions in last_events(runs, log, cases).items():
        for field, expected in zip(("activity", "user", "gap"), distributions, strict=True):
            rows = frame[(frame["sequence"] == case) & (frame["field"] == field)]
            assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
            assert rows["chosen"].tolist() == [True] + [False] * (len(rows) - 1)
            assert dict(zip(rows["value"], rows["probability"], strict=True)) == pytest.approx(expected, abs=1e-5)


def test_the_next_events_probabilities_are_at_the_runs_own_temperatures(runs, call, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "events", run)
    words, temperature = [f"run={run}", f"input={runs / 'events.csv'}", "top=99", "n=2"], {"activity": 2.0, "user": 0.5}
    _, out, _ = call(*words, f"output={tmp_path / 'raw.parquet'}")
    assert "no evaluation of this checkpoint on its own data has fitted temperatures" in out
    fields = {name: {"value": value} for name, value in {**temperature, "gap": 1.0}.items()}
    evaluation(run, "1_test", None, temperature={"fields": fields})
    _, out, err = call(*words, f"output={tmp_path / 'own.parquet'}")
    assert not err and "temperatures of the evaluation 1_test (activity 2.000, user 0.500, gap 1.000)" in out
    raw, own = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("raw", "own"))
    next_one = raw["step"] == 1
    power = 1 / raw["field"].map({**temperature, "gap": 1.0})
    scaled = raw["probability"].astype(float) ** power
    expected = scaled / scaled[next_one].groupby([raw["sequence"], raw["field"]]).transform("sum")
    assert own["probability"][next_one].to_numpy() == pytest.approx(expected[next_one].to_numpy(), abs=1e-5)
    assert own.drop(columns="probability").equals(raw.drop(columns="probability"))
    assert own[~next_one].equals(raw[~next_one]) and "those of later steps are not" in out
    _, out, _ = call(*words, "seed=1", f"output={tmp_path / 'drawn.parquet'}")
    assert "without a temperature: events are drawn by them" in out


@pytest.mark.parametrize("more", [[], ["seed=1"]], ids=["likeliest", "drawn"])
def test_events_are_not_predicted_by_weights_that_are_nan(more, runs, call, tmp_path):
    run = shutil.copytree(runs / "events", tmp_path / "run")
    for path in run.glob("checkpoints/*.ckpt"):
        content = torch.load(path, weights_only=True)
        next(iter(content["state_dict"].values()))[...] = float("nan")
        torch.save(content, path)
    code, _, err = call(f"run={run}", f"input={runs / 'events.csv'}", f"output={tmp_path / 'p.csv'}", *more)
    assert code == 2 and "its weights are not finite numbers (" in err and not (tmp_path / "p.csv").exists()


def test_unknown_values_are_counted(runs, log, call, tmp_path):
    other = log.drop(columns="split").assign(activity=log["activity"].replace("check", "never seen"))
    other.to_parquet(tmp_path / "log.parquet")
    code, out, err = call(
        f"run={runs / 'events'}", f"input={tmp_path / 'log.parquet'}", f"output={tmp_path / 'p.csv'}", "n=3", "top=2"
    )
    assert code == 0 and not err, err
    count = int((log["activity"] == "check").sum())
    assert f"activity: {count:,} of {len(log):,} values are unknown to the run" in out
    frame = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert len(frame) == 60 * 3 * (2 + 1 + 1) and "(unknown)" not in set(frame["value"])
    later = frame[frame["step"] > 1]
    assert set(later["rank"]) == {""} and later["chosen"].all() and set(frame["rank"]) == {"", "1", "2"}


def test_drawn_events_repeat_with_their_seed_and_go_on_after_a_cut(runs, call, tmp_path, monkeypatch, small_parts):
    from experiment.prediction import events as predict_events

    words = [f"run={runs / 'events'}", f"input={runs / 'events.csv'}", "n=4", "batch_size=8"]
    names = {"a.csv": 1, "b.csv": 1, "c.csv": 2}
    for name, seed in names.items():
        with monkeypatch.context() as patch:
            if name == "b.csv":
                cut_off(patch, predict_events, "generate", 5, KeyboardInterrupt)
                assert call(*words, f"seed={seed}", f"output={tmp_path / name}")[0] == 130
        code, out, _ = call(*words, f"seed={seed}", f"output={tmp_path / name}")
        assert code == 0 and f"drawn with seed {seed}" in out
        assert ("32 sequences had been predicted" in out) == (name == "b.csv")
    contents = {name: (tmp_path / name).read_bytes() for name in names}
    assert contents["a.csv"] == contents["b.csv"] != contents["c.csv"]
    frame = pd.read_csv(tmp_path / "a.csv")
    assert (frame.groupby(["sequence", "step", "field"])["chosen"].sum() == 1).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run={clips}", "input={natops}"], "its clips are of natops8, 8 joints; the run was trained on kinect20, 20"),
        (["run={clips}", "input={flat}"], "its 2 coordinates a joint and 0 extra channels make"),
        (["run={clips}", "input={store}", "layout=natops8"], "layout has no meaning for a processed store"),
        (["run={clips}", "input={store}", "n=2"], "n has no meaning for a run of clips"),
        (["run={clips}", "input={events_csv}"], "its names do not tell its format. Give format=NAME"),
        (["run={clips}", "input={events_csv}", "format=npz"], "it is no npz file"),
        (["run={clips}", "input={wrong}"], "its clips have 7 joints, the run was trained on 20 (kinect20)"),
        (["run={clips}", "input={twenty}", "layout=h36m17"], "its clips have 20 joints, layout 'h36m17' has 17"),
        (["run={events}", "input={events_csv}", "layout=x", "temperature=2"], "layout, temperature has no meaning"),
        (["run={events}", "input={store}"], "the folder holds no table"),
        (["run={events}", "input={short}"], "it has no column 'user'"),
        (["run={clips}", "input=nowhere"], "nowhere: there is no such file or folder"),
        (["run=nowhere", "input={store}"], "nowhere: there is no run here"),
        (["run={clips}", "input={store}", "checkpoint=epoch_9"], "no checkpoints/epoch_9.ckpt"),
        (["run={clips}", "input={store}", "format=video"], "there is no format 'video'"),
        (["run={clips}", "input={store}", "top=0"], "top: '0' is no whole number from 1 to 1000000"),
        (["run={clips}", "input={store}", "batch_size=1000001"], "batch_size: '1000001' is no whole number from 1"),
        (["run={clips}", "input={store}", f"n={'9' * 5000}"], "n: '99999999999999999999...' is no whole number"),
        (["run={events}", "input={events_csv}", "seed=4294967296"], "seed: '4294967296' is no whole number from 0"),
        (["run={clips}", "input={store}", "temperature=nan"], "temperature: 'nan' is no number above 0"),
        (["run={clips}", "input={store}", "persons=all"], "persons: there is no policy 'all'"),
        (["run={clips}", "input={store}", "output=p.json"], "output: 'p.json' does not end in .parquet or .csv"),
        (["run={clips}", "input={store}", "output=no/p.csv"], "no: there is no such folder"),
        (["run={clips}", "input={store}", "output={events_csv}"], "there is something here already"),
        (["run={clips}", "output=p.csv"], "input must be given"),
        (["run={clips}", "run={clips}"], "run: it is given twice"),
        (["run={clips}", "speed=1"], "'speed=1' cannot be used. Keys: run, input,"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(words, message, runs, call, tmp_path):
    names = {name: runs / name for name in ("clips", "events", "store")} | {"events_csv": runs / "events.csv"}
    wanted = " ".join(words)
    if "{natops}" in wanted:
        names["natops"] = write_store(tmp_path / "natops", "natops8", 4).folder
    for name, shape in (("flat", (5, 20, 2)), ("wrong", (5, 7, 3)), ("twenty", (5, 20, 3))):
        names[name] = tmp_path / f"{name}.npy"
        np.save(names[name], np.ones(shape))
    names["short"] = tmp_path / "short.csv"
    names["short"].write_text("case,time,activity,priority\na,2020-01-01,open,p1\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    words = [*words] if "output=" in wanted else [*words, f"output={tmp_path / 'p.csv'}"]
    code, out, err = call(*(word.format(**names) for word in words))
    assert code == 2 and not out and len(err.splitlines()) == 1, err
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_help_says_how_to_call_it(call):
    assert call("--help")[0] == 0
    code, out, _ = call()
    assert code == 2 and "python predict.py run=RUN input=FILE_OR_FOLDER" in out


def test_a_wrong_word_is_said_before_torch_is_imported(runs):
    code = (
        "import sys, predict\n"
        "try: predict.main(sys.argv[1:])\n"
        "except SystemExit as end: sys.exit(9 if 'torch' in sys.modules else end.code)"
    )
    words = [f"run={runs / 'clips'}", f"input={runs / 'store'}", "output=p.txt"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "does not end in" in done.stderr, done
