"""A clip's features against numpy's interpolation, joint by joint."""

from dataclasses import dataclass

import numpy as np
import pytest

from models.baselines.clip_features import FRAMES, LARGEST, clip_features, filled, normalised, resampled
from schemas.skeleton import Skeleton

BODY = Skeleton("three", ("hip", "neck", "head"), bones=((1, 0), (2, 1)), centre=(0,), scale=((0, 1),))


@dataclass
class Recording:
    """Clips one after another, as a store has them."""

    frames: np.ndarray
    visible: np.ndarray
    offsets: np.ndarray
    extra: np.ndarray | None = None
    skeleton: Skeleton = BODY


def recording(lengths: tuple[int, ...], extra: int = 0, seen: float = 0.7) -> Recording:
    rng, total = np.random.default_rng(0), sum(lengths)
    visible = rng.random((total, 3)) < seen
    frames = np.where(visible[..., None], rng.normal(size=(total, 3, 2)), 0).astype(np.float32)
    channels = rng.normal(size=(total, extra)).astype(np.float32) if extra else None
    return Recording(frames, visible, np.cumsum([0, *lengths]), channels)


def by_hand(clips: Recording, row: int) -> np.ndarray:
    """[D] one number after the other: every joint as np.interp reads it, at 32 even moments."""
    part = slice(clips.offsets[row], clips.offsets[row + 1])
    frames, visible = clips.frames[part].astype(float), clips.visible[part]
    moments, time = np.linspace(0, len(frames) - 1, FRAMES), np.arange(len(frames))
    hips = [frame[0] for frame, seen in zip(frames, visible, strict=True) if seen[0]]
    centre = np.mean(hips, axis=0) if hips else np.zeros(2)
    lengths = [
        np.hypot(*(frame[0] - frame[1])) for frame, seen in zip(frames, visible, strict=True) if seen[0] and seen[1]
    ]
    unit = np.mean(lengths) if lengths else 1.0
    out = np.zeros((FRAMES, 3, 2))
    for joint in range(3):
        seen = visible[:, joint]
        for axis in range(2):
            if seen.any():
                place = np.interp(time, time[seen], frames[seen, joint, axis])
                out[:, joint, axis] = (np.interp(moments, time, place) - centre[axis]) / unit
    channels = [np.interp(moments, time, c) for c in clips.extra[part].T] if clips.extra is not None else []
    return np.concatenate([out.ravel(), np.array(channels).T.ravel()])


@pytest.mark.parametrize("extra", [0, 5])
@pytest.mark.parametrize("seen", [1.0, 0.7, 0.2])
def test_features_are_what_interpolation_by_hand_gives(extra, seen):
    clips = recording((9, 1, 40, 2, 100), extra, seen)
    features = clip_features(clips, range(5))
    assert features.dtype == np.float32 and features.shape == (5, FRAMES * (6 + extra))
    for row in range(5):
        np.testing.assert_allclose(features[row], by_hand(clips, row), atol=1e-4)


def test_rows_come_in_the_order_asked_for():
    clips = recording((9, 4, 12))
    assert np.array_equal(clip_features(clips, [2, 0]), clip_features(clips, range(3))[[2, 0]])


def test_features_do_not_depend_on_where_and_how_large_the_clip_is():
    clips = recording((30, 8))
    moved = Recording(3 * clips.frames + 5, clips.visible, clips.offsets)
    np.testing.assert_allclose(clip_features(moved, [0, 1]), clip_features(clips, [0, 1]), atol=1e-3)


def test_hidden_frames_are_filled_in_time_and_held_at_the_ends():
    joints = np.array([9, 1, 9, 9, 4, 9], np.float32)[:, None, None]
    visible = np.array([0, 1, 0, 0, 1, 0], bool)[:, None]
    assert filled(joints, visible).ravel().tolist() == [1, 1, 2, 3, 4, 4]
    assert not filled(joints, np.zeros_like(visible)).any()


def test_a_clip_without_its_centre_or_scale_keeps_its_own():
    joints, visible = np.full((4, 3, 2), 2.5, np.float32), np.ones((4, 3), bool)
    visible[:, 0] = False
    assert (normalised(joints, visible, BODY)[:, 1:] == 2.5).all()


def test_first_and_last_frames_are_read_as_they_are():
    values = np.arange(7.0) ** 2
    assert resampled(values)[0] == 0 and resampled(values)[-1] == 36
    assert np.array_equal(resampled(np.array([3.0])), np.full(FRAMES, 3.0))


def test_a_joint_at_an_absurd_place_stays_finite():
    clips = recording((9, 9), seen=1.0)
    clips.frames[4, 2] = 1e30
    features = clip_features(clips, [0, 1])
    assert np.isfinite(features).all() and features.max() == np.float32(LARGEST)
