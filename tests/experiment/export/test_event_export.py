"""An exported event predictor beside what scoring and prediction say, at sizes it was not traced with."""

import csv
import json
import runpy
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import export
import predict
from datamodules.events.moments import NEVER
from experiment.build import build_datamodule
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.configs.compose import compose_config
from experiment.export import event_graph
from experiment.export.event_check import checked_sizes, inputs_of, random_windows
from experiment.export.event_file import describe, export_events, source_rows
from experiment.export.onnx_check import open_session
from experiment.prediction.inference import chain_of
from schemas.errors import ConfigError
from schemas.events import PAD, UNK, EventSchema, Stream
from tests.experiment.small_checkpoint import EVENTS, SMALL, content_of, write
from tests.experiment.small_data import EVENT_RUN, make_events, write_events

ROOT = Path(__file__).parents[3]
AT_EVENT = replace(EVENTS, context_at="event")
CHAINED = ("model.heads=chained", "model.head_width=8")
COPIED = ("model.copy=[carrier,gap_bin]", "+model.impossible.carrier=[open]")
VARIANTS = {
    "default": (EVENTS, ()),
    "chained": (AT_EVENT, (*CHAINED, *COPIED)),
    "full": (AT_EVENT, ("model.memory=full", "model.encoder_layers=2", "model.tied=true", "model.head_width=0")),
    "attention": (replace(EVENTS, streams=(Stream("c", "carrier"),)), ("model.stream_attention=1", *COPIED)),
    "alone": (replace(EVENTS, streams=(), tgt_seq_len=1), ("model.head_width=0",)),
}


def as_if_trained(content: dict) -> dict:
    """With weights of a size that lets windows be told apart; some maps begin at zero, the memory's among them."""
    rng = torch.Generator().manual_seed(0)
    for tensor in content["state_dict"].values():
        if tensor.dim() > 1:
            tensor.mul_(3).add_(0.3 * torch.randn(tensor.shape, generator=rng))
    return content


def trained_run(folder: Path, overrides: tuple[str, ...] = (), schema: EventSchema = EVENTS) -> LoadedRun:
    return load_run(write(folder / "a.ckpt", as_if_trained(content_of([*SMALL["events"], *overrides], schema))))


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> LoadedRun:
    """For those that change nothing in it."""
    return trained_run(tmp_path_factory.mktemp("run"))


def scored(run: LoadedRun, windows: int, events: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Inputs, and -log p of each value of each field of the next event, as a test of the run scores them."""
    schema = run.schema
    batch = random_windows(schema, windows, events, schema.src_seq_len)
    following = random_windows(schema, windows, 1, 1).target
    last_B = batch.target_length - 1
    target = torch.cat([batch.target, torch.zeros_like(following)], dim=1)
    target[torch.arange(windows), last_B + 1] = following[:, 0]
    whole = replace(
        batch,
        target=target,
        target_gap=nn.functional.pad(batch.target_gap, (0, 1)),
        scored=torch.arange(events) == last_B[:, None],
    )
    costs = []
    for place, number in enumerate(schema.dynamic):
        of_values = []
        for value in range(schema.fields[number].size):
            whole.target = target.clone()
            whole.target[torch.arange(windows), last_B + 1, number] = value
            with torch.no_grad():
                of_values.append(run.model.evaluate(whole).nll[torch.arange(windows), last_B, place])
        costs.append(torch.stack(of_values, dim=1).numpy())
    chosen = following[:, 0, list(schema.dynamic)] if chain_of(run.model) else None
    return {name: tensor.numpy() for name, tensor in inputs_of(batch, chosen).given.items()}, costs


@pytest.mark.parametrize(("schema", "overrides"), VARIANTS.values(), ids=VARIANTS)
def test_the_file_gives_the_probabilities_by_which_the_run_is_scored(schema, overrides, tmp_path):
    run = trained_run(tmp_path, overrides, schema)
    done = export_events(run, tmp_path / "a.onnx")
    assert list(done.differences) == checked_sizes(schema) and max(done.differences.values()) < 1e-4
    session = open_session(tmp_path / "a.onnx")
    names = [f"probability_{name}" for name in schema.dynamic_names]
    for windows, events in ((6, min(5, schema.tgt_seq_len)), (2, min(3, schema.tgt_seq_len))):
        feed, costs = scored(run, windows, events)
        for found, cost in zip(session.run(names, feed), costs, strict=True):
            p = np.exp(-cost)
            assert p.sum(axis=1) == pytest.approx(np.ones(windows), abs=1e-5)
            p[:, UNK] = 0  # as in prediction
            assert np.allclose(found, p / p.sum(axis=1, keepdims=True), atol=3e-5)
            assert not found[:, [PAD, UNK]].any() and (windows == 2 or np.ptp(found, axis=0).max() > 1e-3)


def test_the_file_says_what_it_is(a_run, tmp_path):
    run = replace(a_run, provenance={"git": {"commit": "abc"}}, path=tmp_path / "a_run" / "checkpoints" / "best.ckpt")
    done = export_events(run, tmp_path / "a.onnx")
    told = open_session(tmp_path / "a.onnx").get_modelmeta().custom_metadata_map
    assert told == done.metadata
    fields = json.loads(told["fields"])
    assert [field["name"] for field in fields] == ["carrier", "gap_bin", "${oc.env:HOME}"]
    assert fields[0]["values"] == ["(pad)", "(unknown)", "open", "work", "close"] and fields[2]["role"] == "static"
    some = {"src_seq_len": "4", "tgt_seq_len": "6", "context_at": "window", "heads": "independent", "commit": "abc"}
    assert (
        some.items() <= told.items() and told["run"] == "a_run" and json.loads(told["order"]) == ["carrier", "gap_bin"]
    )
    assert json.loads(told["source_rows"]) == source_rows(EVENTS)
    said = str(done)
    assert "the next event's 2 fields" in said and "2 windows of up to 6 events, source rows of up to 4: " in said
    assert "source tensor(int32) ['windows', 1, 5, 'past', 3]" in said and "temperature: unknown" in said


def test_the_file_says_of_which_fields_others_learn_later(a_run):
    carrier, gap_bin, static = EVENTS.fields
    later = replace(EVENTS, fields=(carrier, replace(gap_bin, known_later=True), static))
    told, plain = (describe(replace(a_run, schema=schema), None)["preprocessing"] for schema in (later, EVENTS))
    assert "of other sequences' events gap_bin only where it was known by then (else 1); " in told
    assert "other sequences" not in plain


def test_each_field_has_its_temperature(a_run, tmp_path):
    plain, warm = (tmp_path / name for name in ("plain.onnx", "warm.onnx"))
    export_events(a_run, plain)
    done = export_events(a_run, warm, {"carrier": 2.0, "gap_bin": 0.5}, {"temperature_from": "somewhere"})
    assert json.loads(done.metadata["temperature"]) == {"carrier": 2.0, "gap_bin": 0.5} and "(somewhere)" in str(done)
    feed, _ = scored(a_run, 3, 4)
    answers = (open_session(path).run(None, feed) for path in (plain, warm))
    for p, found, power in zip(*answers, (0.5, 2), strict=True):
        assert np.allclose(found, p**power / (p**power).sum(axis=1, keepdims=True), atol=1e-6)


def test_source_rows_are_named():
    rows = source_rows(EVENTS)
    assert rows[0] == {"stream": "own", "key": None, "value": None}
    assert rows[1:] == [{"stream": "carrier", "key": "carrier", "value": value} for value in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "overrides",
    [
        ("datamodule.context_at=window",),
        ("datamodule.context_at=event", *CHAINED),
        ("datamodule.context_at=event", "+datamodule.fields.activity.known_at=told"),
    ],
    ids=["window", "event", "known later"],
)
def test_the_example_says_what_prediction_says_without_our_code(overrides, tmp_path, capsys):
    events = make_events(12)
    delay = np.random.default_rng(0).choice([0, 3600, 500_000], len(events))
    events["told"] = (pd.to_datetime(events.time) + pd.to_timedelta(delay, "s")).astype(str)
    events.loc[::5, "told"] = ""
    source = write_events(tmp_path / "log.csv", events)
    words = [*EVENT_RUN, *overrides, f"datamodule.source.path='{source}'", "+datamodule.streams.own={key:case}"]
    module = build_datamodule(compose_config(words))
    path = write(tmp_path / "a.ckpt", as_if_trained(content_of(words, module.schema)))
    assert export.main([f"run={path}"]) == 0
    assert predict.main([f"run={path}", f"input={source}", f"output={tmp_path / 'p.csv'}", "top=3"]) == 0
    capsys.readouterr()

    with open(tmp_path / "coded.csv", "w", newline="") as lines:
        table, rows = module.table, csv.writer(lines)
        names = [field.name for field in table.fields]
        rows.writerow(["sequence", "seconds", *names, *(f"known_at_{names[number]}" for number in table.known_at)])
        for row, values in enumerate(table.values):
            named = [field.name_of(value) for field, value in zip(table.fields, values, strict=True)]
            moments = [table.time[row], *(of_field[row] for of_field in table.known_at.values())]
            seconds, *known = ["" if at == NEVER else f"{(at - table.time.min()) / 1e6:.6f}" for at in moments]
            rows.writerow([table.sequence_names[table.sequence[row]], seconds, *named, *known])
    expected = pd.read_csv(tmp_path / "p.csv").query("sequence == 'case 7' and step == 1 and rank > 0")
    hidden = "".join(f"sys.modules['{name}'] = None; " for name in ("torch", "onnx", "experiment", "schemas", "models"))
    example = str(ROOT / "examples/next_event_onnx.py")
    code = f"import sys, runpy; {hidden}runpy.run_path({example!r}, run_name='__main__')"
    command = [sys.executable, "-c", code, str(path.with_suffix(".onnx")), "coded.csv", "case 7"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = {}
    for line in done.stdout.splitlines():
        field, _, rest = line.partition(" ")
        said[field] = {name: float(p) for name, p in (pair.rsplit(" ", 1) for pair in rest.split(", "))}
    assert list(said) == json.loads(
        open_session(path.with_suffix(".onnx")).get_modelmeta().custom_metadata_map["order"]
    )
    for field, found in said.items():
        rows = expected[expected.field == field]
        assert found == pytest.approx(dict(zip(rows.value, rows.probability, strict=True)), abs=6e-4)


@pytest.mark.parametrize("rows", ["", "somebody,0,open,short,a\n"], ids=["empty", "others"])
def test_the_example_says_that_a_sequence_is_not_in_the_log(rows, a_run, tmp_path):
    export_events(a_run, tmp_path / "a.onnx")
    log = tmp_path / "log.csv"
    log.write_text("sequence,seconds,carrier,gap_bin,${oc.env:HOME}\n" + rows)
    main = runpy.run_path(str(ROOT / "examples/next_event_onnx.py"))["main"]
    with pytest.raises(SystemExit) as end:
        main(str(tmp_path / "a.onnx"), str(log), "nobody")
    assert end.value.code == f"{log} has no sequence 'nobody'"


def test_the_run_and_torch_are_left_as_they_were_and_nothing_is_printed(a_run, tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # it is not needed
    state, before = deepcopy(a_run.model.state_dict()), (nn.functional.layer_norm, torch.logaddexp, torch.Tensor.mT)
    export_events(a_run, tmp_path / "a.onnx")
    assert all(tensor.equal(state[name]) for name, tensor in a_run.model.state_dict().items())
    assert (nn.functional.layer_norm, torch.logaddexp, torch.Tensor.mT) == before
    assert capfd.readouterr() == ("", "")


def test_a_file_that_differs_from_the_model_is_not_written(a_run, tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr(event_graph, "_logaddexp", torch.logaddexp)
    with pytest.raises(ConfigError, match=r"a part of its net has no ONNX form .*logaddexp"):
        export_events(trained_run(tmp_path, COPIED), path)
    monkeypatch.setattr(event_graph, "_without_unknown", lambda log_p_BV: log_p_BV)
    with pytest.raises(ConfigError, match=r"differs from the model by 0.0001 or more \(1 windows of up to 1 events"):
        export_events(a_run, path)
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize(("overrides", "spoilt"), [((), "all"), (CHAINED, "last")], ids=["all", "last field"])
def test_a_model_whose_weights_are_no_numbers_is_not_written(overrides, spoilt, tmp_path):
    run = trained_run(tmp_path, overrides)
    with torch.no_grad():
        for parameter in run.model.parameters() if spoilt == "all" else [run.model.heads.bias_U[-1:]]:
            parameter.fill_(torch.nan)
    with pytest.raises(ConfigError, match=r"differs from the model .* 4 windows of up to 2 events, .*: nan"):
        export_events(run, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_other_nets_are_refused(a_run, tmp_path):
    with pytest.raises(ConfigError, match=r"a net of the class torch\.nn\.modules\.linear\.Linear cannot be exported"):
        export_events(replace(a_run, model=nn.Linear(1, 1)), tmp_path / "a.onnx")


@pytest.mark.parametrize("word", ["temperature=2", "coordinates=3"])
def test_what_has_no_meaning_for_events_is_refused(word, a_run, capsys):
    with pytest.raises(SystemExit) as end:
        export.main([f"run={a_run.path}", word])
    assert end.value.code == 2 and "has no meaning for a run of events" in " ".join(capsys.readouterr().err.split())
