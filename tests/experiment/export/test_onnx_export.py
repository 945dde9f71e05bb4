"""An exported file beside the run's own predictions, clip by clip, at sizes it was neither traced nor checked with."""

import json
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from datamodules.skeletons.features import CHANNELS
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.export import onnx_graph
from experiment.export.onnx_check import CHECKED, open_session
from experiment.export.onnx_file import count_inputs, export_onnx
from experiment.prediction.in_memory import batch_of
from experiment.prediction.inference import ClipInference
from schemas.clips import ClipSchema
from schemas.errors import ConfigError
from schemas.skeleton import load_layout
from tests.experiment.small_checkpoint import SMALL, content_of, small_content, write

SCHEMA = ClipSchema(load_layout("kinect20"), ("wave", "nod", "walk"), 10)
FUSION = ("model=gcn_lstm_fusion", "model.attention.feed_forward=16", "model.attention.layers=1")
VARIANTS = {
    "default": (),
    "learned": ("model/adjacency=learned", "datamodule.frames=null"),
    "sparse": ("model.adjacency.sparse_above=4", "model.unused_norm=true", "datamodule.frames=null"),
    "parts": ("model/pooling=parts", "datamodule.frames=5"),
    "flatten": ("model/pooling=flatten", "model/block=residual"),
    "attention_max": ("model/readout=attention_max", "model.temporal_layers=1", "datamodule.frames=null"),
    "fusion": FUSION,
    "all": (
        *FUSION,
        "model.attention.positions=true",
        "model/adjacency=learned",
        "model/block=residual",
        "model/pooling=parts",
        "model/readout=attention_max",
        "datamodule.frames=null",
    ),
}


def as_if_trained(state: dict[str, torch.Tensor]) -> None:
    """Weights and statistics of a size that lets clips be told apart."""
    rng = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=rng))
        elif name.endswith("running_var"):
            tensor.copy_(0.2 + torch.rand(tensor.shape, generator=rng))
        elif tensor.dim() == 2:
            tensor.mul_(3)


def trained_run(folder: Path, overrides: tuple[str, ...] = (), schema: ClipSchema = SCHEMA) -> LoadedRun:
    content = content_of([*SMALL["clips"], *overrides], schema)
    as_if_trained(content["state_dict"])
    return load_run(write(folder / "a.ckpt", content))


@pytest.fixture
def make_run(tmp_path):
    return lambda *overrides, schema=SCHEMA: trained_run(tmp_path, overrides, schema)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> LoadedRun:
    """For those that change nothing in it."""
    return trained_run(tmp_path_factory.mktemp("run"), ("datamodule.frames=9",))


def clips_with_gaps(lengths: tuple[int, ...], coordinates: int = 3) -> list[np.ndarray]:
    """[T, 20, C] clips that are unlike one another; a joint that was not seen is NaN."""
    rng = np.random.default_rng(len(lengths))
    clips = [50 + 5 * rng.normal(size=(20, coordinates)) + rng.normal(size=(t, 20, coordinates)) for t in lengths]
    for clip in clips:
        clip[rng.random(clip.shape[:2]) < 0.25] = np.nan
        clip[0, 0] = 50
    return clips


def answers(path: Path, clips: list[np.ndarray], extra: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities as someone without our code has them; behind a shorter clip stands rubbish."""
    session = open_session(path)
    length = np.array([len(clip) for clip in clips])
    joints = np.full((len(clips), length.max() + 2, *clips[0].shape[1:]), 7e5, np.float32)
    for row, clip in zip(joints, clips, strict=True):
        row[: len(clip)] = clip
    feed = {"joints": joints, "visible": np.ones(joints.shape[:3], bool), "length": length}
    if extra is not None:
        feed["extra"] = np.pad(extra, ((0, 0), (0, 2), (0, 0)), constant_values=7e5)
    return tuple(session.run(None, feed))


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_the_file_says_what_the_run_says_of_each_clip_alone(overrides, make_run, tmp_path):
    run = make_run(*overrides)
    done = export_onnx(run, tmp_path / "a.onnx")
    assert set(done.differences) == set(CHECKED) and max(done.differences.values()) < 1e-4
    spread = []
    for lengths in ((9, 1, 3, 61), (130, 17)):
        clips = clips_with_gaps(lengths)
        expected = np.concatenate([run.predict([clip]).probabilities for clip in clips])
        assert np.allclose(answers(tmp_path / "a.onnx", clips)[1], expected, atol=3e-5, rtol=0)
        spread.append(np.ptp(expected, axis=0).max())
    assert max(spread) > 1e-3  # the clips are told apart


def test_a_joint_that_is_not_visible_is_one_that_is_nan(a_run, tmp_path):
    (clip,) = clips_with_gaps((12,))
    export_onnx(a_run, tmp_path / "a.onnx")
    seen = ~np.isnan(clip).any(axis=2)
    session = open_session(tmp_path / "a.onnx")
    joints = np.where(seen[..., None], clip, 3.0).astype(np.float32)[None]
    found = session.run(["logits"], {"joints": joints, "visible": seen[None], "length": np.array([12])})[0]
    assert np.allclose(found, answers(tmp_path / "a.onnx", [clip])[0], atol=1e-6)
    assert not np.allclose(found, answers(tmp_path / "a.onnx", list(joints))[0], atol=1e-3)


@pytest.mark.parametrize("frames", ["null", "6"])
def test_extra_channels_are_an_input(frames, make_run, tmp_path):
    run = make_run(f"datamodule.frames={frames}", schema=replace(SCHEMA, channels=14))
    clips = [np.nan_to_num(clip) for clip in clips_with_gaps((8, 8))]
    extra = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)
    batch = replace(batch_of(clips, SCHEMA), extra=torch.from_numpy(extra))
    done = export_onnx(run, tmp_path / "a.onnx", coordinates=3)
    found, _ = answers(tmp_path / "a.onnx", clips, extra)
    assert done.metadata["extra_channels"] == "4" and "extra" in done.inputs[3]
    assert np.allclose(found, ClipInference(run).logits(batch).numpy(), atol=1e-4)
    assert np.abs(found - answers(tmp_path / "a.onnx", clips, -extra)[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("channels", "names", "asked", "expected"),
    [
        (10, CHANNELS, None, (3, 0)),
        (7, CHANNELS, None, (2, 0)),
        (10, CHANNELS, 2, (2, 3)),
        (3, ["joint"], None, (3, 0)),
    ],
)
def test_coordinates_follow_from_the_channels(channels, names, asked, expected, a_run):
    assert count_inputs(replace(a_run, schema=replace(SCHEMA, channels=channels)), names, asked) == expected


@pytest.mark.parametrize(
    ("channels", "asked", "message"),
    [
        (31, None, "coordinates: its 31 channels are 3 coordinates and 21 extra or 2 coordinates and 24 extra"),
        (10, 4, "no 4 coordinates make the run's 10 channels"),
        (5, None, "no 3 or 2 coordinates make the run's 5 channels"),
    ],
)
def test_coordinates_that_cannot_be_told_are_asked_for(channels, asked, message, a_run, tmp_path):
    run = replace(a_run, schema=replace(SCHEMA, channels=channels))
    with pytest.raises(ConfigError, match=message):
        export_onnx(run, tmp_path / "a.onnx", asked)


def test_the_file_says_what_it_is(a_run, tmp_path):
    run = replace(a_run, provenance={"git": {"commit": "abc"}}, path=tmp_path / "a_run" / "checkpoints" / "best.ckpt")
    done = export_onnx(run, tmp_path / "a.onnx", temperature=2.5, facts={"temperature_from": "somewhere"})
    session = open_session(tmp_path / "a.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert told == done.metadata
    assert json.loads(told["classes"]) == list(SCHEMA.classes)
    assert json.loads(told["joints"]) == list(SCHEMA.skeleton.joints)
    some = {"layout": "kinect20", "coordinates": "3", "frames": "9", "temperature": "2.5", "commit": "abc"}
    assert some.items() <= told.items() and told["run"] == "a_run" and told["checkpoint"] == "best.ckpt"
    assert "scale 1, reads it at 9 even moments, derives the channels joint, bone" in told["preprocessing"]
    logits, probabilities = answers(tmp_path / "a.onnx", clips_with_gaps((4, 9)))
    weight = np.exp(logits / 2.5)
    assert np.allclose(probabilities, weight / weight.sum(axis=1, keepdims=True), atol=1e-6)


def test_mixed_precision_is_exported_as_float32(make_run, tmp_path):
    run, clips = make_run("precision=amp_bf16"), clips_with_gaps((5, 8))
    export_onnx(run, tmp_path / "a.onnx")
    expected = make_run("precision=fp32").predict(clips).probabilities
    assert np.allclose(answers(tmp_path / "a.onnx", clips)[1], expected, atol=1e-5)


def test_the_run_and_torch_are_left_as_they_were_and_nothing_is_printed(make_run, tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # it is not needed
    run = make_run("model.adjacency.sparse_above=4", "datamodule.frames=null")
    state, unflatten = deepcopy(run.model.state_dict()), torch.Tensor.unflatten
    export_onnx(run, tmp_path / "a.onnx")
    assert run.model.spatial.blocks[0].conv.sparse and not any(m.training for m in run.model.modules())
    assert all(tensor.equal(state[name]) for name, tensor in run.model.state_dict().items())
    assert torch.Tensor.unflatten is unflatten and torch.backends.mha.get_fastpath_enabled()
    assert capfd.readouterr() == ("", "")


class Frozen(nn.Linear):
    """Has the number of the traced clips as a constant."""

    def forward(self, x):
        return super().forward(x) + torch.zeros(len(x), 1)


class Bessel(nn.Linear):
    def forward(self, x):
        return torch.special.bessel_j0(super().forward(x))


def worse(net: nn.Module) -> nn.Module:
    net = deepcopy(net)
    net.classifier[-1].bias.data += 2e-4
    return net


def test_a_file_that_differs_from_the_model_is_not_written(a_run, tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"older")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(onnx_graph, "with_dense_graphs", worse)
    with pytest.raises(ConfigError, match=r"differs from the model by 0.0001 or more \(1 clips of up to 1 frames: 2"):
        export_onnx(a_run, path)
    assert path.read_bytes() == b"older" and sorted(tmp_path.iterdir()) == before


def test_a_file_whose_probabilities_are_no_numbers_is_not_written(a_run, tmp_path):
    with pytest.raises(ConfigError, match=r"differs from the model .* 4 clips of up to 2 frames: nan"):
        export_onnx(a_run, tmp_path / "a.onnx", temperature=1e-40)  # its logits are right
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("classifier", "message"),
    [(Frozen, r"differs from the model .* 5 clips of up to 40 frames: inf"), (Bessel, "no ONNX form .*bessel")],
)
def test_a_net_that_cannot_be_exported_is_refused(classifier, message, a_run, tmp_path, capfd):
    run = replace(a_run, model=deepcopy(a_run.model))
    run.model.classifier = classifier(run.model.temporal.width, 3).eval()
    with pytest.raises(ConfigError, match=message):
        export_onnx(run, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists() and capfd.readouterr() == ("", "")


def test_other_nets_and_events_are_refused(a_run, tmp_path):
    with pytest.raises(ConfigError, match=r"a net of the class torch\.nn\.modules\.linear\.Linear cannot be exported"):
        export_onnx(replace(a_run, model=nn.Linear(1, 1)), tmp_path / "a.onnx")
    with pytest.raises(ConfigError, match=r"a net of the class .*EventPredictor cannot be exported"):
        export_onnx(load_run(write(tmp_path / "e.ckpt", small_content("events"))), tmp_path / "a.onnx")
