"""A clip frame after frame, beside `predict` of the same frames at once."""

import weakref

import numpy as np
import pytest

from experiment.checkpoints.loading import LoadedRun, load_run
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError
from schemas.skeleton import load_layout
from tests.experiment.small_checkpoint import SMALL, content_of, small_content, write

SCHEMA = ClipSchema(load_layout("kinect20"), ("wave", "nod", "walk"), 10)


def small_run(folder, frames: str) -> LoadedRun:
    return load_run(write(folder / "a.ckpt", content_of([*SMALL["clips"], f"datamodule.frames={frames}"], SCHEMA)))


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> LoadedRun:
    return small_run(tmp_path_factory.mktemp("run"), "6")


def a_clip(frames: int = 15) -> np.ndarray:
    clip = np.random.default_rng(0).normal(size=(frames, 20, 3))
    clip[2, 5, 1] = clip[7] = np.nan
    return clip


@pytest.mark.parametrize("frames", ["6", "null"])
def test_each_answer_is_that_of_a_clip_of_the_newest_frames(frames, tmp_path):
    run, clip = small_run(tmp_path, frames), a_clip()
    live = run.stream(window=5, temperature=0.5)
    for number, frame in enumerate(clip, start=1):
        answer = live.add(frame)
        expected = run.predict([clip[max(number - 5, 0) : number]], temperature=0.5)
        assert np.array_equal(answer.probabilities, expected.probabilities)
    assert answer.predicted == expected.predicted and live.added == 15


def test_a_window_that_holds_the_whole_clip_ends_with_its_prediction(a_run):
    live, clip = a_run.stream(), a_clip()
    answers = [live.add(frame).probabilities for frame in clip]
    assert np.array_equal(answers[-1], a_run.predict([clip]).probabilities)
    assert not np.allclose(answers[0], answers[-1], atol=1e-4)


def test_joints_that_are_not_visible_are_those_that_are_nan(a_run):
    clip, seen = np.nan_to_num(a_clip(), nan=9.0), ~np.isnan(a_clip()).any(axis=2)
    live, also = a_run.stream(window=4), a_run.stream(window=4)
    for frame, visible, with_nan in zip(clip, seen, a_clip(), strict=True):
        assert np.array_equal(live.add(frame, visible).probabilities, also.add(with_nan).probabilities)


def test_until_a_joint_is_seen_there_is_no_number(a_run):
    live, clip = a_run.stream(window=3), a_clip()
    answer = live.add(np.full((20, 3), np.nan))
    assert np.isnan(answer.probabilities).all() and answer.predicted == [None]
    live.add(clip[0])
    # The first frame counts as one of the clip's, as it would in `predict`.
    expected = a_run.predict([np.concatenate([np.full((1, 20, 3), np.nan), clip[:2]])])
    assert np.array_equal(live.add(clip[1]).probabilities, expected.probabilities)


def test_frames_that_are_no_longer_read_are_let_go(a_run):
    live, frame = a_run.stream(window=4), a_clip()[0]
    live.add(frame)
    first = weakref.ref(live.frames[0])
    for number in range(2, 8):
        live.add(frame)
        assert len(live.frames) == min(number, 4) and (first() is None) == (number > 4)


@pytest.mark.parametrize(
    ("frame", "visible", "message"),
    [
        (np.zeros((19, 3)), None, r"frame 1: it has the shape \[19, 3\], the run reads \[20 joints, 3\]"),
        (np.zeros((20, 2)), None, r"reads \[20 joints, 3\]. The layout is kinect20"),
        (np.zeros((1, 20, 3)), None, r"shape \[1, 20, 3\]"),
        (np.zeros((20, 3)), np.ones(3), r"visible has the shape \[3\]"),
        (np.full((20, 3), np.inf), None, "an infinite coordinate counts as seen"),
        ("frame", None, "it is no array of numbers"),
    ],
    ids=["joints", "coordinates", "clip", "visible", "infinite", "text"],
)
def test_a_frame_that_does_not_fit_is_named_and_changes_nothing(frame, visible, message, a_run):
    live, clip = a_run.stream(), a_clip()
    live.add(clip[0])
    with pytest.raises(DataError, match=message):
        live.add(frame, visible)
    assert np.array_equal(live.add(clip[1]).probabilities, a_run.predict([clip[:2]]).probabilities)


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_a_first_frame_of_another_kind_changes_nothing(seen, a_run):
    live, clip = a_run.stream(), a_clip()
    with pytest.raises(DataError, match=r"frame 0: 2 coordinates a joint and 0 extra channels make 7 channels, .* 10"):
        live.add(clip[0, :, :2] if seen else np.full((20, 2), np.nan))
    assert not live.frames and live.added == 0
    assert np.array_equal(live.add(clip[0]).probabilities, a_run.predict([clip[:1]]).probabilities)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window: 0 is no whole number above 0"),
        ({"window": 64.0}, "window: 64.0 is no whole number above 0"),
        ({"window": "8"}, "window: '8' is no whole number above 0"),
        ({"window": True}, "window: True is no whole number above 0"),
        ({"temperature": 0.0}, "temperature: 0.0 is not above 0"),
        ({"temperature": -0.1}, "temperature: -0.1 is not above 0"),
        ({"temperature": float("nan")}, "temperature: nan is not above 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_option_that_cannot_be_used_is_named(options, message, a_run):
    with pytest.raises(ConfigError, match=message):
        a_run.stream(**options)


def test_a_run_of_events_is_not_streamed(tmp_path):
    events = load_run(write(tmp_path / "e.ckpt", small_content("events")))
    with pytest.raises(ConfigError, match="this is a run of events"):
        events.stream()
