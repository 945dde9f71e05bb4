"""Several persons in a clip: who is kept, how two become one skeleton, and that nobody leaves uncounted."""

import numpy as np
import pytest

from datamodules.skeletons.importers.persons import Persons, doubled, movement
from schemas.skeleton import load_layout, shipped_layouts

SKELETON = load_layout("natops8")
V = SKELETON.num_joints


def clip(*steps: float) -> tuple[np.ndarray, np.ndarray]:
    """Persons who stand at their own number and move along x by `steps` a frame, for four frames."""
    time = np.arange(4)[:, None, None]
    persons = [np.full((4, V, 3), number + 1.0) + step * time * [1, 0, 0] for number, step in enumerate(steps)]
    return np.stack(persons), np.ones((len(steps), 4, V), dtype=bool)


def test_movement_is_the_squared_way_between_frames_in_which_a_joint_is_seen():
    joints, visible = clip(0.5)
    assert movement(joints[0], visible[0]) == pytest.approx(3 * V * 0.25)
    visible[0, 1, 2] = False  # two of the three steps of one joint are lost
    joints[0, 1, 2] = 1e9
    assert movement(joints[0], visible[0]) == pytest.approx((3 * V - 2) * 0.25)


def test_a_person_of_one_frame_has_not_moved():
    joints, visible = clip(0.5)
    assert movement(joints[0, :1], visible[0, :1]) == 0


@pytest.mark.parametrize(("policy", "kept"), [(None, 2), ("most_moving", 2), ("first", 0)])
def test_one_person_is_kept_and_the_others_are_counted(policy, kept):
    joints, visible = clip(0.1, 0, -0.2)
    persons = Persons(policy, SKELETON)
    frames, seen = persons.choose(joints, visible)
    np.testing.assert_array_equal(frames, joints[kept])
    assert seen.all() and persons.skeleton is SKELETON
    persons.choose(joints[:2], visible[:2])
    named = policy or "most_moving"
    assert persons.left_out == {f"left out, persons beyond {named}": 3, "clips with a person left out": 2}


def test_the_first_is_who_stands_first_where_nobody_moves():
    joints, visible = clip(0, 0)
    np.testing.assert_array_equal(Persons("most_moving", SKELETON).choose(joints, visible)[0], joints[0])


@pytest.mark.parametrize("policy", ["most_moving", "first", "both"])
def test_a_place_that_nobody_fills_is_no_person(policy):
    joints, visible = clip(0.1, 5, 0.2)
    visible[1] = False
    persons = Persons(policy, SKELETON)
    frames, _ = persons.choose(joints, visible)
    np.testing.assert_array_equal(frames[:, :V], joints[0 if policy == "first" else 2])
    assert sum(persons.left_out.values()) == (0 if policy == "both" else 2)


def test_a_clip_of_nobody_is_left_to_be_dropped():
    joints, visible = clip(1, 1)
    _, seen = Persons(None, SKELETON).choose(joints, np.zeros_like(visible))
    assert seen.shape == (4, V) and not seen.any()


def test_two_persons_become_one_skeleton_and_a_third_is_counted():
    joints, visible = clip(0.1, 0, -0.2)
    persons = Persons("both", SKELETON)
    frames, seen = persons.choose(joints, visible)
    np.testing.assert_array_equal(frames, np.concatenate([joints[2], joints[0]], axis=1))
    assert seen.all() and persons.skeleton.num_joints == 2 * V
    assert persons.left_out == {"left out, persons beyond both": 1, "clips with a person left out": 1}
    frames, seen = persons.choose(joints[:1], visible[:1])
    np.testing.assert_array_equal(frames[:, :V], joints[0])
    assert seen[:, :V].all() and not seen[:, V:].any() and not frames[:, V:].any()


@pytest.mark.parametrize("layout", shipped_layouts())
def test_each_half_of_a_doubled_skeleton_is_the_skeleton(layout):
    one = load_layout(layout)
    two, count = doubled(one), one.num_joints
    assert two.joints == tuple(f"person{n}_{joint}" for n in (1, 2) for joint in one.joints)
    for half in (slice(0, count), slice(count, 2 * count)):
        np.testing.assert_array_equal(two.flip_index[half] - half.start, one.flip_index)
        np.testing.assert_array_equal(two.parent_index[half] - half.start, one.parent_index)
    edges, own = two.graph_edges, one.graph_edges
    np.testing.assert_array_equal(edges, np.concatenate([own, own + count], axis=1))
    assert sorted(j for joints in two.parts.values() for j in joints) == sorted(
        j + shift for joints in one.parts.values() for j in joints for shift in (0, count)
    )
    assert two.centre == one.centre and len(two.scale) == 2 * len(one.scale)
