"""From a loaded run to logits: beside the run's own module, beside views made by hand, and in too small a memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from datamodules.skeletons.features import Channels, Normalise
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.prediction.in_memory import batch_of
from experiment.prediction.inference import ClipInference, EventInference, rows_of
from experiment.prediction.views import Views
from models.gcn_lstm.classifier import GCNLSTM
from schemas.batches import ClipBatch
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError
from schemas.skeleton import load_layout
from tests.experiment.small_checkpoint import SMALL, content_of, small_content, write

SCHEMA = ClipSchema(load_layout("kinect20"), ("wave", "nod", "walk"), 10)


@pytest.fixture
def make_run(tmp_path):
    def make(*overrides: str, schema: ClipSchema = SCHEMA) -> LoadedRun:
        return load_run(write(tmp_path / "a.ckpt", content_of([*SMALL["clips"], *overrides], schema)))

    return make


def some_clips(count: int = 7, joints: int = 20, coordinates: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 15, count)
    return [(rng.normal(size=(t, joints, coordinates)), rng.random((t, joints)) > 0.2) for t in lengths]


def some_batch(**settings: int) -> ClipBatch:
    return batch_of(some_clips(**settings), SCHEMA)


def through(run: LoadedRun, batch: ClipBatch, frames: slice = slice(None)) -> torch.Tensor:
    """Logits of some frames of normalised clips, step by step."""
    skeleton = run.schema.skeleton
    batch = Normalise(skeleton)(batch)
    batch = replace(batch, joints=batch.joints[:, frames], visible=batch.visible[:, frames])
    batch = replace(batch, length=torch.full_like(batch.length, batch.joints.shape[1]))
    batch = Channels(skeleton, list(run.config.datamodule.channels))(batch)
    with torch.no_grad():
        return run.model(batch.joints, batch.length)


def of_ten_frames(count: int = 4) -> ClipBatch:
    return batch_of([np.random.default_rng(i).normal(size=(10, 20, 3)) for i in range(count)], SCHEMA)


def test_the_whole_clip_goes_through_the_runs_own_preprocessing(make_run):
    run, batch = make_run("datamodule.frames=null"), of_ten_frames()
    assert ClipInference(run).logits(batch).equal(through(run, batch))


def test_crops_are_evenly_placed_and_their_probabilities_averaged(make_run):
    run, batch = make_run("datamodule.frames=null"), of_ten_frames()
    first, last = (through(run, batch, frames).softmax(1) for frames in (slice(9), slice(1, None)))
    found = ClipInference(run, views=Views(crops=2)).logits(batch)
    assert torch.allclose(found, ((first + last) / 2).log(), atol=1e-6)


def test_crops_of_a_clip_that_stands_still_are_the_clip(make_run):
    run = make_run("datamodule.frames=6")
    batch = batch_of([np.random.default_rng(0).normal(size=(1, 20, 3)).repeat(9, 0)], SCHEMA)
    whole, cropped = (ClipInference(run, views=Views(crops=crops)).logits(batch) for crops in (1, 3))
    assert torch.allclose(whole.log_softmax(1), cropped, atol=1e-5)


def test_a_mirror_image_changes_nothing_of_a_symmetric_clip(make_run):
    run, batch = make_run(), of_ten_frames()
    mirrored = batch.joints[:, :, torch.from_numpy(SCHEMA.skeleton.flip_index)] * torch.tensor([-1.0, 1.0, 1.0])
    symmetric = replace(batch, joints=(batch.joints + mirrored) / 2)

    def change(clips: ClipBatch) -> float:
        plain, both = (ClipInference(run, views=Views(flip=flip)).logits(clips) for flip in (False, True))
        return float((plain.log_softmax(1) - both).abs().max())

    assert change(symmetric) < 1e-5 < 1e-3 < change(batch)


def test_one_clip_says_the_same_in_any_batch(make_run):
    inference, batch = ClipInference(make_run(), views=Views(crops=3, flip=True)), some_batch()
    alone = torch.cat([inference.logits(rows_of(batch, slice(i, i + 1))) for i in range(batch.size)])
    assert torch.allclose(alone, inference.logits(batch), atol=1e-5)


def test_a_batch_too_large_for_the_memory_is_done_in_halves(make_run, monkeypatch):
    inference, batch = ClipInference(make_run()), some_batch()
    whole, forward, sizes = inference.logits(batch), GCNLSTM.forward, []

    def small(most: int):
        def refuse(self, x, length):
            sizes.append(len(x))
            if len(x) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(self, x, length)

        return refuse

    monkeypatch.setattr(GCNLSTM, "forward", small(2))
    assert torch.allclose(inference.logits(batch), whole, atol=1e-5)
    assert sizes == [7, 3, 1, 2, 4, 2, 2]
    monkeypatch.setattr(GCNLSTM, "forward", small(0))
    with pytest.raises(DataError, match=r"clip 0: a clip of \d+ frames does not fit into the memory of cpu"):
        inference.logits(batch)


def test_another_error_is_not_taken_for_a_full_memory(make_run, monkeypatch):
    def fail(self, x, length):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(GCNLSTM, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        ClipInference(make_run()).logits(some_batch())


def test_mixed_precision_is_the_runs_own(make_run):
    batch = some_batch()
    plain, mixed = (ClipInference(make_run(f"precision={name}")).logits(batch) for name in ("fp32", "amp_bf16"))
    assert mixed.dtype == torch.float32 and not mixed.equal(plain) and torch.allclose(mixed, plain, atol=0.05)
    assert ClipInference(make_run("precision=auto")).logits(batch).equal(plain)  # on a CPU


def test_clips_of_another_kind_are_refused(make_run):
    inference = ClipInference(make_run())
    hands = ClipSchema(load_layout("hands42"), SCHEMA.classes, 10)
    with pytest.raises(DataError, match=r"the clips have 42 joints, the run was trained on 20 \(kinect20\)"):
        inference.logits(batch_of(some_clips(joints=42), hands))
    with pytest.raises(
        DataError, match=r"2 coordinates a joint and 0 extra channels make 7 channels, .* trained on 10"
    ):
        inference.logits(some_batch(coordinates=2))


def test_extra_channels_have_no_mirror_image(make_run):
    run = make_run(schema=replace(SCHEMA, channels=12))
    batch = some_batch()
    batch = replace(batch, extra=torch.zeros(*batch.visible.shape[:2], 2))
    assert ClipInference(run, views=Views(crops=2)).logits(batch).shape == (7, 3)
    with pytest.raises(ConfigError, match="flip: extra channels have no mirror image"):
        ClipInference(run, views=Views(flip=True)).logits(batch)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("frames", 0, "0 is no number of frames"),
        ("frames", "x", "'x' is no number of frames"),
        ("channels", ["smell"], "is no channel"),
        ("channels", None, "is no channel"),
    ],
)
def test_a_strangers_settings_are_judged(key, value, message, tmp_path):
    content = content_of(list(SMALL["clips"]), SCHEMA)
    content["assay"]["config"]["datamodule"][key] = value
    with pytest.raises(ConfigError, match=message):
        ClipInference(load_run(write(tmp_path / "a.ckpt", content)))


def test_each_task_has_its_own_inference(make_run, tmp_path):
    events = load_run(write(tmp_path / "events.ckpt", small_content("events")))
    with pytest.raises(ConfigError, match="this is a run of events"):
        ClipInference(events)
    with pytest.raises(ConfigError, match="this is a run of clips"):
        EventInference(make_run())
    with pytest.raises(ConfigError, match="crops: 0 is less than 1"):
        Views(crops=0)
    with pytest.raises(ConfigError, match="device"):
        ClipInference(make_run(), device="abacus")
    with pytest.raises(ConfigError, match=r"run of events, and predict reads clips. `python predict\.py"):
        events.predict([])


def test_predictions_are_the_softmax_of_the_logits_in_order(make_run):
    run, clips = make_run(), some_clips(13)
    found = run.predict(clips, batch_size=4)
    expected = ClipInference(run).logits(batch_of(clips, SCHEMA)).softmax(1).numpy()
    assert found.classes == SCHEMA.classes and np.allclose(found.probabilities, expected, atol=1e-6)
    assert found.predicted == [SCHEMA.classes[k] for k in expected.argmax(1)]
    assert run.predict(clips, temperature=1e6).probabilities == pytest.approx(np.full((13, 3), 1 / 3), abs=1e-5)


def test_a_joint_that_is_nan_was_not_seen(make_run):
    run, clips = make_run(), some_clips()
    with_nan = [np.where(visible[..., None], frames, np.nan) for frames, visible in clips]
    assert np.array_equal(run.predict(with_nan).probabilities, run.predict(clips).probabilities)


def test_predictions_can_be_read(make_run):
    found = make_run().predict(some_clips(12))
    frame = found.to_pandas(top=2)
    assert list(frame.columns) == ["class 1", "probability 1", "class 2", "probability 2"] and len(frame) == 12
    assert list(frame["class 1"]) == found.predicted and (frame["probability 1"] >= frame["probability 2"]).all()
    assert len(found.to_pandas(top=9).columns) == 6
    assert repr(found).startswith("12 clips, 3 classes\n    0  ") and repr(found).endswith("... and 2 more")
    assert len(make_run().predict([])) == 0


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((4, 19, 3)), r"clip 1: it has the shape \[4, 19, 3\], the run reads \[frames, 20 joints, coord"),
        (np.zeros((0, 20, 3)), r"shape \[0, 20, 3\]"),
        (np.full((4, 20, 3), np.nan), "no joint was seen in any frame"),
        (np.full((4, 20, 3), np.inf), "an infinite coordinate counts as seen"),
        ((np.zeros((4, 20, 3)), np.ones((3, 20))), r"visible has the shape \[3, 20\], its frames \[4, 20\]"),
        ("clip.npy", "it is no array of numbers"),
        (np.zeros((4, 20, 2)), "it has 2 coordinates a joint, clip 0 has 3"),
    ],
    ids=["joints", "empty", "unseen", "infinite", "visible", "text", "coordinates"],
)
def test_a_clip_that_does_not_fit_is_named(clip, message, make_run):
    with pytest.raises(DataError, match=message):
        make_run().predict([np.zeros((4, 20, 3)), clip])
