"""Layouts: what ships loads and mirrors; what does not hang together is refused with a readable line."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from schemas.errors import DataError
from schemas.skeleton import Skeleton, load_layout, shipped_layouts

JOINTS_OF = {
    "coco17": 17,
    "face62": 62,
    "h36m17": 17,
    "hand21": 21,
    "hands42": 42,
    "kinect20": 20,
    "natops8": 8,
    "ntu25": 25,
    "openpose18": 18,
    "pose_hands75": 75,
    "spoter54": 54,
}
GOOD = {
    "joints": ["hip", "left_hand", "right_hand"],
    "bones": {"left_hand": "hip", "right_hand": "hip"},
    "centre": "hip",
    "scale": [["hip", "left_hand"], ["hip", "right_hand"]],
}


def write_layout(folder: Path, **changes) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    return path


def test_every_published_layout_ships():
    assert dict.fromkeys(shipped_layouts()) == dict.fromkeys(sorted(JOINTS_OF))


@pytest.mark.parametrize("name", sorted(JOINTS_OF))
def test_a_shipped_layout_is_a_forest_that_mirrors_onto_itself(name):
    layout = load_layout(name)
    assert layout.name == name and layout.num_joints == JOINTS_OF[name]
    flip = layout.flip_index
    np.testing.assert_array_equal(flip[flip], np.arange(layout.num_joints))
    bones = {frozenset(bone) for bone in layout.bones}
    assert {frozenset(int(flip[joint]) for joint in bone) for bone in layout.bones} == bones
    # Following parents from any joint ends at a root.
    at = np.arange(layout.num_joints)
    for _ in range(layout.num_joints):
        at = layout.parent_index[at]
    np.testing.assert_array_equal(layout.parent_index[at], at)
    assert layout.graph_edges.shape[0] == 2 and not (layout.graph_edges[0] == layout.graph_edges[1]).any()
    assert sorted(set().union(*layout.parts.values())) == list(range(layout.num_joints))


@pytest.mark.parametrize("name", sorted(JOINTS_OF))
def test_a_layout_survives_json(name):
    layout = load_layout(name)
    assert Skeleton.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


def test_kinect_has_the_bones_of_its_documentation():
    documented = (
        "(0,1)(1,2)(2,3)(2,4)(4,5)(5,6)(6,7)(2,8)(8,9)(9,10)(10,11)(0,12)(12,13)(13,14)(14,15)(0,16)(16,17)(17,18)"
        "(18,19)"
    )
    pairs = {frozenset(map(int, pair.split(","))) for pair in documented.strip("()").split(")(")}
    assert {frozenset(bone) for bone in load_layout("kinect20").bones} == pairs


def test_a_face_is_a_band():
    face = load_layout("face62")
    edges = {tuple(sorted(map(int, edge))) for edge in face.graph_edges.T}
    assert edges == {(i, j) for i in range(62) for j in range(i + 1, 62) if j - i <= 5}


def test_ones_own_layout_loads_from_a_file(tmp_path):
    mine = load_layout(write_layout(tmp_path))
    assert mine.flip_pairs == ((1, 2),) and mine.centre == (0,) and mine.scale == ((0, 1), (0, 2))
    assert mine.parts == {"all": (0, 1, 2)}


BAD_LAYOUTS = {
    "circle": ({"bones": {"left_hand": "right_hand", "right_hand": "left_hand"}}, "circle"),
    "joint in a bone": ({"bones": {"left_foot": "hip"}}, "no joint called 'left_foot'"),
    "joint in a part": ({"parts": {"feet": ["*_foot"]}}, "no joint matches"),
    "joint as a centre": ({"centre": "chest"}, "no joint matches"),
    "joint in a flip pair": ({"flip_pairs": [["left_hand", "right_foot"]]}, "no joint called 'right_foot'"),
    "one-sided": ({"joints": ["hip", "left_hand"], "bones": {"left_hand": "hip"}}, "one side only"),
    "two of a name": ({"joints": ["hip", "hip", "left_hand", "right_hand"]}, "unique"),
    "joint in two flip pairs": (
        {"flip_pairs": [["left_hand", "right_hand"], ["left_hand", "hip"]]},
        "two flip pairs",
    ),
    "flip that breaks a bone": (
        {"joints": ["hip", "left_hand", "right_hand"], "bones": {"left_hand": "hip"}},
        "mirror image of left_hand - hip",
    ),
    "flip that breaks an edge": ({"edges": [["left_hand", "hip"]]}, "not among the edges"),
    "up": ({"up": "z"}, r"\+y or -y"),
    "unknown key": ({"bonse": {}}, "bonse"),
    "no joints": ({"joints": []}, "no joint called"),
    "bones as a list": ({"bones": ["left_hand", "hip"]}, "not a skeleton layout"),
}


@pytest.mark.parametrize("case", BAD_LAYOUTS)
def test_a_layout_that_does_not_fit_is_refused(case, tmp_path):
    changes, message = BAD_LAYOUTS[case]
    with pytest.raises(DataError, match=message) as caught:
        load_layout(write_layout(tmp_path, **changes))
    assert "mine" in str(caught.value)


def test_two_parents_are_refused():
    with pytest.raises(DataError, match="two parents"):
        Skeleton("mine", ("a", "b", "c"), bones=((1, 0), (1, 2)))


def test_a_joint_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match="joints 0 to 1"):
        Skeleton("mine", ("a", "b"), bones=((1, 7),))


@pytest.mark.parametrize("text", ["joints: [hip, {", "- hip", "", "42", "joints: hip: hand", "\x00"])
def test_a_file_that_is_no_layout_is_refused(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"mine\.yaml: not a skeleton layout"):
        load_layout(path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DataError, match=r"mine\.yaml"):
        load_layout(path)


def test_an_unknown_layout_names_those_that_ship():
    with pytest.raises(DataError, match="kinect20, natops8"):
        load_layout("kinect21")
