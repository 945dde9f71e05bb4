"""The GIF of several clips, read back by Pillow."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageColor

from callbacks.animation import CAPTION, COLUMNS, MARGIN, MOMENTS, REST, SIDE, ShownClip, animate
from callbacks.pictures import line_colours
from schemas.skeleton import load_layout, shipped_layouts

CELL = SIDE + 2 * MARGIN, SIDE + CAPTION + 2 * MARGIN
CAPTIONS, FIGURE = slice(MARGIN, MARGIN + CAPTION), slice(MARGIN + CAPTION, MARGIN + CAPTION + SIDE - 1)


def clip_of(joints: np.ndarray, visible: np.ndarray | None = None, said: str = "a") -> ShownClip:
    seen = np.ones(joints.shape[:2], dtype=bool) if visible is None else visible
    return ShownClip(joints, seen, "a", said, 0.93)


def pixels(gif: bytes) -> np.ndarray:
    """[moments, height, width, 3]."""
    picture, frames = Image.open(io.BytesIO(gif)), []
    for moment in range(getattr(picture, "n_frames", 1)):
        picture.seek(moment)
        frames.append(np.asarray(picture.convert("RGB")))
    return np.stack(frames).astype(int)


def has(part: np.ndarray, colour: str) -> bool:
    return bool((np.abs(part - ImageColor.getrgb(colour)).max(axis=-1) <= 2).any())


def test_it_moves_repeats_and_rests_at_its_end():
    skeleton = load_layout("kinect20")
    joints = np.random.default_rng(0).normal(size=(60, 20, 3))
    picture = Image.open(io.BytesIO(animate([clip_of(joints)], skeleton)))
    assert (picture.n_frames, picture.info["loop"], picture.size) == (MOMENTS, 0, CELL)
    picture.seek(MOMENTS - 1)
    assert picture.info["duration"] == REST
    frames = pixels(animate([clip_of(joints)], skeleton))
    assert all((one[FIGURE] != other[FIGURE]).any() for one, other in pairwise(frames))
    assert all((one[CAPTIONS] == frames[0][CAPTIONS]).all() for one in frames)


@pytest.mark.parametrize(("clips", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 2, 3), (6, 2, 3)])
def test_the_grid_is_filled_row_by_row(clips, columns, rows):
    joints = np.random.default_rng(0).normal(size=(1, 20, 3))
    (frame,) = pixels(animate([clip_of(joints)] * clips, load_layout("kinect20")))
    assert frame.shape[:2] == (CELL[1] * rows, CELL[0] * columns) and columns <= COLUMNS
    filled = [
        (frame[y * CELL[1] : (y + 1) * CELL[1], x * CELL[0] : (x + 1) * CELL[0]][FIGURE] < 200).any()
        for y in range(rows)
        for x in range(columns)
    ]
    assert filled == [True] * clips + [False] * (rows * columns - clips)


@pytest.mark.parametrize("layout", shipped_layouts())
def test_bones_have_the_colours_of_every_picture_and_hidden_joints_are_not_drawn(layout):
    skeleton = load_layout(layout)
    joints = np.random.default_rng(0).normal(size=(1, skeleton.num_joints, 3))
    visible = np.zeros((1, skeleton.num_joints), dtype=bool)
    (frame,) = pixels(animate([clip_of(joints), clip_of(joints, visible)], skeleton))
    seen, hidden = frame[FIGURE, : CELL[0]], frame[FIGURE, CELL[0] :]
    assert all(has(seen, colour) for colour in set(line_colours(skeleton)))
    assert (hidden == 255).all()


@pytest.mark.parametrize("layout", ["kinect20", "hands42"])
def test_a_person_stands_upright(layout):
    skeleton = load_layout(layout)
    joints = np.zeros((1, skeleton.num_joints, 3))
    one, other = skeleton.lines[0]
    # One bone alone, from below at the right to far above at the left, as the source counts it.
    joints[0, one, 1], joints[0, other, 0] = {"+y": 1, "-y": -1}[skeleton.up], 0.4
    visible = np.zeros((1, skeleton.num_joints), dtype=bool)
    visible[0, [one, other]] = True
    (frame,) = pixels(animate([clip_of(joints, visible)], skeleton))
    rows, columns = np.nonzero(frame[FIGURE].min(axis=-1) < 200)
    assert columns[rows < SIDE / 4].mean() < columns[rows > SIDE * 3 / 4].mean()


@pytest.mark.parametrize("said", ["a", "b"])
def test_a_caption_is_green_where_the_net_was_right_and_else_red(said):
    hidden = np.zeros((1, 20), dtype=bool)
    (frame,) = pixels(animate([clip_of(np.zeros((1, 20, 3)), hidden, said)], load_layout("kinect20")))
    words = frame[CAPTIONS]
    green, red = (words[..., 1] > words[..., 0] + 40).any(), (words[..., 0] > words[..., 1] + 40).any()
    assert (green, red) == (said == "a", said != "a")


@pytest.mark.parametrize("name", ["a", "much too long a name for a class " * 3, "two\nlines", "手话", ""])
def test_any_name_stays_in_its_cell(name):
    joints, hidden = np.zeros((1, 20, 3)), np.zeros((1, 20), dtype=bool)
    clips = [ShownClip(joints, hidden, name, name, float("nan"))] * 2
    (frame,) = pixels(animate(clips, load_layout("kinect20")))
    between = frame[CAPTIONS, CELL[0] - MARGIN : CELL[0] + MARGIN]
    assert (between == 255).all()


def test_six_clips_of_75_joints_stay_small():
    skeleton, rng = load_layout("pose_hands75"), np.random.default_rng(0)
    swing = np.sin(np.linspace(0, 6, 80))[:, None, None] * rng.normal(size=(75, 3))
    assert len(animate([clip_of(rng.normal(size=(75, 3)) + 0.2 * swing)] * 6, skeleton)) < 800_000
