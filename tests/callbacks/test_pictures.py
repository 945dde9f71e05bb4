import numpy as np
import pytest

from callbacks.pictures import LEFT, MIDDLE, MOMENTS, RIGHT, as_png, clip_strip, confusion_picture, line_colours
from schemas.skeleton import load_layout, shipped_layouts


def drawn_lines(axis) -> int:
    return sum(len(collection.get_segments()) for collection in axis.collections)


@pytest.mark.parametrize("layout", shipped_layouts())
def test_every_visible_line_is_drawn_at_every_moment(layout):
    skeleton = load_layout(layout)
    joints = np.random.default_rng(0).normal(size=(9, skeleton.num_joints, 3))
    visible = np.ones((9, skeleton.num_joints), dtype=bool)
    figure = clip_strip([(joints, visible, "a"), (joints[:1], np.zeros((1, skeleton.num_joints), bool), "b")], skeleton)
    drawn = [drawn_lines(axis) for axis in figure.axes]
    assert drawn == [len(skeleton.lines)] * MOMENTS + [0] * MOMENTS
    assert figure.axes[0].yaxis_inverted() == (skeleton.up == "-y")


def test_a_hidden_joint_takes_its_bones_with_it():
    skeleton = load_layout("kinect20")
    joints, visible = np.zeros((1, 20, 3)), np.ones((1, 20), dtype=bool)
    visible[:, skeleton.joints.index("left_elbow")] = False
    assert drawn_lines(clip_strip([(joints, visible, "")], skeleton).axes[0]) == len(skeleton.bones) - 2


def test_left_is_blue_and_right_is_red():
    skeleton = load_layout("kinect20")
    colour = dict(zip((child for child, _ in skeleton.lines), line_colours(skeleton), strict=True))
    expected = {"left_knee": LEFT, "right_knee": RIGHT, "head": MIDDLE}
    assert {name: colour[skeleton.joints.index(name)] for name in expected} == expected


@pytest.mark.parametrize("classes", [3, 100])
def test_confusion_is_shown_in_shares_of_the_true_class(classes):
    counts = np.eye(classes, dtype=int) * 4
    counts[0] = 0
    counts[1, :2] = [3, 1]
    figure = confusion_picture(counts, tuple(map(str, range(classes))), "val")
    shown = figure.axes[0].images[0].get_array()
    assert shown[0].sum() == 0 and shown[1, 0] == 0.75 and shown[2, 2] == 1
    assert as_png(figure).startswith(b"\x89PNG")
