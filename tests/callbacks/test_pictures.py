import numpy as np
import pytest

from callbacks.pictures import (
    HIGH,
    LEFT,
    MIDDLE,
    MOMENTS,
    RIGHT,
    WIDE,
    as_png,
    clip_strip,
    confusion_picture,
    fitted,
    line_colours,
    short,
)
from schemas.skeleton import load_layout, shipped_layouts


def drawn_lines(figure) -> list[int]:
    """Of each moment of each clip, row by row."""
    (axis,) = figure.axes
    return [len(collection.get_segments()) for collection in axis.collections]


@pytest.mark.parametrize("layout", shipped_layouts())
def test_every_visible_line_is_drawn_at_every_moment(layout):
    skeleton = load_layout(layout)
    joints = np.random.default_rng(0).normal(size=(9, skeleton.num_joints, 3))
    visible = np.ones((9, skeleton.num_joints), dtype=bool)
    hidden = np.zeros((1, skeleton.num_joints), bool)
    figure = clip_strip([(joints, visible, "a $ b_$"), (joints[:1], hidden, "b")], skeleton, "two")
    assert drawn_lines(figure) == [len(skeleton.lines)] * MOMENTS + [0] * MOMENTS
    assert [text.get_text() for text in figure.axes[0].texts] == ["a $ b_$", "b"]


def test_moments_stand_beside_and_clips_below_each_other():
    skeleton = load_layout("kinect20")
    joints, visible = np.random.default_rng(0).normal(size=(9, 20, 3)), np.ones((9, 20), dtype=bool)
    (axis,) = clip_strip([(joints, visible, "")] * 3, skeleton).axes
    boxes = [np.concatenate(moment.get_segments()) for moment in axis.collections]
    for number, box in enumerate(boxes):
        row, column = divmod(number, MOMENTS)
        assert (box[:, 0] > WIDE * column).all() and (box[:, 0] < WIDE * (column + 1)).all()
        assert (box[:, 1] > HIGH * (2 - row)).all() and (box[:, 1] < HIGH * (3 - row)).all()


@pytest.mark.parametrize("moments", [3, MOMENTS])
def test_a_strip_is_as_wide_as_its_moments(moments):
    joints, visible = np.random.default_rng(0).normal(size=(9, 20, 3)), np.ones((9, 20), dtype=bool)
    figure = clip_strip([(joints, visible, "")], load_layout("kinect20"), moments=moments)
    assert figure.get_figwidth() == pytest.approx(WIDE * moments)
    assert len(drawn_lines(figure)) == moments


@pytest.mark.parametrize(
    ("name", "shown"),
    [("wave", "wave"), ("a\nb", "a b"), ("123456789", "123456789"), ("1234567890", "12345678…"), ("", "")],
)
def test_a_long_name_is_cut_and_stays_on_its_line(name, shown):
    assert short(name, 9) == shown


def test_a_hidden_joint_takes_its_bones_with_it():
    skeleton = load_layout("kinect20")
    joints, visible = np.zeros((1, 20, 3)), np.ones((1, 20), dtype=bool)
    visible[:, skeleton.joints.index("left_elbow")] = False
    assert drawn_lines(clip_strip([(joints, visible, "")], skeleton))[0] == len(skeleton.bones) - 2


@pytest.mark.parametrize("layout", ["kinect20", "hands42"])
def test_a_clip_is_fitted_upright_at_one_scale(layout):
    skeleton = load_layout(layout)
    up = {"+y": 1, "-y": -1}[skeleton.up]
    joints = np.zeros((2, skeleton.num_joints, 3))
    joints[0, 1, :2], joints[1, 2, :2], joints[1, 3, :2] = (2.0, 0.0), (0.0, up * 4.0), (1e6, 1e6)
    visible = np.ones((2, skeleton.num_joints), dtype=bool)
    visible[1, 3] = False  # what was not seen sets no scale
    places = fitted(joints, visible, skeleton)
    # 2 wide and 4 high: the height and a tenth fill the square, and all is in its middle.
    assert places[0, 1] == pytest.approx([0.5 + 1 / 4.4, 0.5 - 2 / 4.4])
    assert places[1, 2] == pytest.approx([0.5 - 1 / 4.4, 0.5 + 2 / 4.4])
    assert np.isfinite(fitted(joints, np.zeros_like(visible), skeleton)).all()


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


@pytest.mark.parametrize("name", [r"$\foo$", "$x_$", "a\nb\tc", "long " * 40])
def test_any_class_name_can_stand_in_a_confusion_matrix(name):
    figure = confusion_picture(np.eye(2, dtype=int), (name, "other"), "validation")
    assert as_png(figure).startswith(b"\x89PNG")
    assert len(figure.axes[0].get_yticklabels()[0].get_text()) <= 28
