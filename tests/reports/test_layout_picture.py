"""Layouts are drawn with bones of even length, mirror pairs opposite, heads up."""

import numpy as np
import pytest

from callbacks.pictures import as_png
from reports.layout_picture import layout_picture, positions
from schemas.skeleton import Skeleton, load_layout, shipped_layouts


def test_a_chain_is_a_straight_line_of_bones_of_one():
    place = positions(Skeleton("chain", tuple("abcd"), ((1, 0), (2, 1), (3, 2))))
    apart = np.linalg.norm(place[:, None] - place[None], axis=2)
    assert np.allclose(apart, np.abs(np.subtract.outer(range(4), range(4))), atol=0.01)


@pytest.mark.parametrize("name", shipped_layouts())
def test_every_layout_is_drawn_mirrored_and_apart(name):
    skeleton = load_layout(name)
    place = positions(skeleton)
    assert np.allclose(place[skeleton.flip_index] * [-1, 1], place) or not skeleton.flip_pairs
    apart = np.linalg.norm(place[:, None] - place[None], axis=2) + 10 * np.eye(skeleton.num_joints)
    assert apart.min() > 0.1, [skeleton.joints[i] for i in np.unravel_index(apart.argmin(), apart.shape)]
    assert as_png(layout_picture(skeleton)).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["kinect20", "ntu25", "coco17", "openpose18"])
def test_heads_are_above_feet(name):
    skeleton = load_layout(name)
    height = dict(zip(skeleton.joints, positions(skeleton)[:, 1], strict=True))
    head = next(joint for joint in height if "head" in joint or "nose" in joint)
    assert all(height[head] > height[joint] for joint in height if "ankle" in joint)
