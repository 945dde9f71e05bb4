"""A skeleton layout: the one place that knows joints, bones, mirror pairs, parts, centre and scale.

Graph, bone features, flip, normalisation, part pooling and drawing all derive from it.
Layouts ship as YAML files in `schemas/layouts/`; a user's own is a file of the same form.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import yaml

from schemas.errors import DataError

LAYOUTS = Path(__file__).parent / "layouts"
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Skeleton:
    """Joints and how they hang together; joints are numbered from 0 in the order of `joints`.

    Raises:
        DataError: when bones, edges, mirror pairs or parts do not fit the joints.
    """

    name: str
    joints: tuple[str, ...]
    bones: Pairs
    """(child, parent); a joint has at most one parent, and following parents never returns."""
    edges: Pairs | None = None
    """Where given, these replace the bones as the graph's edges (undirected)."""
    flip_pairs: Pairs = ()
    """(left, right) joints that a mirror exchanges; the others stay where they are."""
    parts: Mapping[str, tuple[int, ...]] | None = None
    """Named groups of joints, for pooling; None is one part of all joints."""
    centre: tuple[int, ...] = (0,)
    """The mean of these joints is the origin of a clip."""
    scale: Pairs = ()
    """The mean distance between the joints of each pair is the unit of length of a clip; a body length that the
    movement itself does not change."""
    up: str = "+y"
    """Which way is up in the recorded coordinates: +y (metres) or -y (image rows)."""

    def __post_init__(self):
        object.__setattr__(self, "parts", dict(self.parts or {"all": tuple(range(len(self.joints)))}))
        self._check_joints()
        self._check_bones()
        self._check_flip()

    def _fail(self, what: str):
        raise DataError(what, where=f"layout {self.name!r}", remedy="Mend the layout's YAML file.")

    def _check_joints(self):
        if len(set(self.joints)) != len(self.joints) or not self.joints:
            self._fail("joint names must be unique, and there must be one at least")
        groups = {"bones": self.bones, "edges": self.edges or (), "flip_pairs": self.flip_pairs, "scale": self.scale}
        groups |= {f"part {name!r}": [joints] for name, joints in self.parts.items()}
        groups |= {"centre": [self.centre]}
        for what, rows in groups.items():
            for row in rows:
                if not row or not all(0 <= joint < self.num_joints for joint in row):
                    self._fail(f"{what} names joint(s) {list(row)}, the layout has joints 0 to {self.num_joints - 1}")
        if self.up not in ("+y", "-y"):
            self._fail(f"up is {self.up!r}, it must be +y or -y")

    def _check_bones(self):
        parent = dict(self.bones)
        if len(parent) != len(self.bones):
            self._fail("a joint has two parents")
        for joint in parent:
            seen = {joint}
            while (joint := parent.get(joint)) is not None:
                if joint in seen:
                    self._fail(f"the bones run in a circle through joint {self.joints[joint]!r}")
                seen.add(joint)

    def _check_flip(self):
        paired = [joint for pair in self.flip_pairs for joint in pair]
        if len(set(paired)) != len(paired):
            self._fail("a joint stands in two flip pairs")
        flip = self.flip_index
        for what, pairs in (("bones", self.bones), ("edges", self.edges or ())):
            undirected = {frozenset(pair) for pair in pairs}
            for child, other in pairs:
                if frozenset((int(flip[child]), int(flip[other]))) not in undirected:
                    names = f"{self.joints[child]} - {self.joints[other]}"
                    self._fail(f"the mirror image of {names} is not among the {what}")

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def flip_index(self) -> np.ndarray:
        """[V] where each joint's mirrored coordinates come from; applied twice it is the identity."""
        index = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            index[left], index[right] = right, left
        return index

    @property
    def parent_index(self) -> np.ndarray:
        """[V] each joint's parent; a root is its own parent."""
        index = np.arange(self.num_joints)
        for child, parent in self.bones:
            index[child] = parent
        return index

    @property
    def graph_edges(self) -> np.ndarray:
        """[2, E] the graph's edges, each once, (child, parent) where they are bones; no self-loops."""
        return np.asarray(self.bones if self.edges is None else self.edges, dtype=np.int64).reshape(-1, 2).T

    @property
    def lines(self) -> Pairs:
        """What a drawing shows: the edges where they are few, the bones of a dense graph (a band of landmarks)."""
        return self.edges if self.edges is not None and len(self.edges) < 2 * self.num_joints else self.bones

    def to_dict(self) -> dict:
        """Plain lists, dicts, strings and numbers: fit for JSON and for a `weights_only` checkpoint."""
        plain = asdict(self)
        for key in ("bones", "edges", "flip_pairs", "scale"):
            plain[key] = None if plain[key] is None else [list(pair) for pair in plain[key]]
        for key in ("joints", "centre"):
            plain[key] = list(plain[key])
        return plain | {"parts": {name: list(joints) for name, joints in self.parts.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping) -> "Skeleton":
        """The inverse of `to_dict`; raises DataError where a key is missing or unknown."""
        fields = dict(plain)
        try:
            for key in ("bones", "edges", "flip_pairs", "scale"):
                if fields.get(key) is not None:
                    fields[key] = tuple((int(a), int(b)) for a, b in fields[key])
            for key in ("joints", "centre"):
                fields[key] = tuple(fields[key])
            fields["parts"] = {name: tuple(joints) for name, joints in (fields.get("parts") or {}).items()}
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"not a skeleton: {error}", where=f"layout {plain.get('name', '?')!r}") from error


def shipped_layouts() -> list[str]:
    """The names of the layouts that come with assay, sorted."""
    return sorted(path.stem for path in LAYOUTS.glob("*.yaml"))


def load_layout(name_or_path: str | Path) -> Skeleton:
    """A shipped layout by name, or one's own from a YAML file.

    The file lists `joints`; `bones` as child: parent; optionally `edges` (pairs, or `band: k` for all
    |i - j| <= k) or `extra_edges` (added to the bones); `parts` and `centre` as joint names or patterns
    (`left_hand_*`), `scale` as pairs of joints. Joints called `left_*` and `right_*` are mirror pairs unless
    `flip_pairs` says otherwise.

    Raises:
        DataError: when there is no such layout, or the file does not describe one.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = LAYOUTS / f"{name_or_path}.yaml"
    if not path.is_file():
        raise DataError(
            "there is no such skeleton layout",
            where=name_or_path,
            remedy=f"Shipped are: {', '.join(shipped_layouts())}; or give the path of a YAML file of your own.",
        )
    try:
        written = yaml.safe_load(path.read_text())
        return _from_names(path.stem, **written)
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"not a skeleton layout: {error}", where=path) from error


def _from_names(
    name: str,
    joints: list[str],
    bones: dict[str, str],
    centre: list[str] | str,
    scale: list[list[str]],
    edges: list[list[str]] | dict[str, int] | None = None,
    extra_edges: list[list[str]] | None = None,
    flip_pairs: list[list[str]] | None = None,
    parts: dict[str, list[str] | str] | None = None,
    up: str = "+y",
) -> Skeleton:
    number = {joint: i for i, joint in enumerate(joints)}

    def index(joint: str) -> int:
        if joint not in number:
            raise DataError(f"there is no joint called {joint!r}", where=f"layout {name!r}")
        return number[joint]

    def matching(patterns: list[str] | str) -> tuple[int, ...]:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        found = [i for i, joint in enumerate(joints) if any(fnmatchcase(joint, p) for p in patterns)]
        if not found:
            raise DataError(f"no joint matches {patterns}", where=f"layout {name!r}")
        return tuple(found)

    bone_pairs = tuple((index(child), index(parent)) for child, parent in bones.items())
    if isinstance(edges, dict):
        band, count = edges["band"], len(joints)
        edge_pairs = tuple((i, j) for i in range(count) for j in range(i) if i - j <= band)
    elif edges is not None:
        edge_pairs = tuple((index(a), index(b)) for a, b in edges)
    elif extra_edges is not None:
        edge_pairs = bone_pairs + tuple((index(a), index(b)) for a, b in extra_edges)
    else:
        edge_pairs = None
    if flip_pairs is None:
        flip_pairs = _pairs_by_name(joints, name)
    return Skeleton(
        name=name,
        joints=tuple(joints),
        bones=bone_pairs,
        edges=edge_pairs,
        flip_pairs=tuple((index(left), index(right)) for left, right in flip_pairs),
        parts={part: matching(patterns) for part, patterns in parts.items()} if parts else None,
        centre=matching(centre),
        scale=tuple((index(a), index(b)) for a, b in scale),
        up=up,
    )


def _pairs_by_name(joints: list[str], name: str) -> list[list[str]]:
    sides = {side: {j.removeprefix(side) for j in joints if j.startswith(side)} for side in ("left_", "right_")}
    if alone := sides["left_"] ^ sides["right_"]:
        raise DataError(f"these joints exist on one side only: {sorted(alone)}", where=f"layout {name!r}")
    return [[joint, "right_" + joint.removeprefix("left_")] for joint in joints if joint.startswith("left_")]
