"""A skeleton layout drawn for the eye: its joints, lines, mirror pairs, parts, centre and scale.

A layout has no coordinates. Joints are placed so that their distances are those along the bones (stress
majorisation: Gansner, Koren and North, "Graph Drawing by Stress Majorization", 2004), mirror pairs opposite each other.
Legend: V joints.
"""

import re

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from callbacks.pictures import line_colours
from schemas.skeleton import Skeleton

STEPS = 300
HIGH, LOW = "head|nose|eye|ear|brow|neck", "hip|knee|ankle|foot|leg|heel|toe"
"""What stands up and down in a picture, since distances know neither."""
APART = 2.0
"""Bones between joints that nothing joins, beyond the widest piece."""
PART_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#ff9da7")


def layout_picture(skeleton: Skeleton) -> Figure:
    """One page: the joints with number and name at left, what is derived from them in words below."""
    place_V2 = positions(skeleton)
    wide, high = np.ptp(place_V2, axis=0)
    inch = float(np.clip(4 + 0.09 * skeleton.num_joints, 6, 14)) / max(wide, high, 1e-9)
    figure = Figure(figsize=(wide * inch + 4, max(high * inch, 2.5) + 1.5), layout="constrained")
    axis = figure.subplots()
    colours, ends = line_colours(skeleton), np.array(skeleton.lines, dtype=int).reshape(-1, 2)
    axis.add_collection(LineCollection(place_V2[ends], colors=colours, linewidths=2, zorder=1))
    for a, b in skeleton.scale:
        axis.plot(*place_V2[[a, b]].T, color="#222222", linewidth=1, linestyle=":", zorder=2)
    for colour, (part, joints) in zip(_cycle(len(skeleton.parts)), skeleton.parts.items(), strict=True):
        axis.scatter(*place_V2[list(joints)].T, s=70, color=colour, zorder=3, label=f"part {part} ({len(joints)})")
    centre = place_V2[list(skeleton.centre)]
    axis.scatter(*centre.T, s=170, facecolors="none", edgecolors="#222222", zorder=4, label="centre")
    size = 8 if skeleton.num_joints <= 30 else 6
    for number, ((x, y), joint) in enumerate(zip(place_V2, skeleton.joints, strict=True)):
        axis.annotate(f"{number} {joint}", (x, y), xytext=(5, 4), textcoords="offset points", fontsize=size)
    axis.set_aspect("equal")
    axis.margins(0.12)
    axis.axis("off")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    axis.set_title(_title(skeleton), fontsize=10, loc="left")
    return figure


def positions(skeleton: Skeleton) -> np.ndarray:
    """[V, 2] places whose distances come close to those along the bones; left joints at positive x."""
    wanted_VV = _distances(skeleton)
    weight_VV = np.where(wanted_VV > 0, 1 / np.maximum(wanted_VV, 1) ** 2, 0)
    pull_VV = np.diag(weight_VV.sum(axis=1)) - weight_VV
    inverse_VV = np.linalg.pinv(pull_VV)
    place_V2 = _start(skeleton, wanted_VV)
    for _ in range(STEPS):
        apart_VV = np.linalg.norm(place_V2[:, None] - place_V2[None], axis=2)
        ratio_VV = weight_VV * np.divide(wanted_VV, apart_VV, out=np.zeros_like(apart_VV), where=apart_VV > 1e-9)
        place_V2 = inverse_VV @ ((np.diag(ratio_VV.sum(axis=1)) - ratio_VV) @ place_V2)
        place_V2 = _mirrored(skeleton, place_V2)
    return place_V2


def _distances(skeleton: Skeleton) -> np.ndarray:
    """[V, V] bones on the shortest way; between pieces that nothing joins, a little more than any of those."""
    V = skeleton.num_joints
    steps_VV = np.full((V, V), np.inf)
    np.fill_diagonal(steps_VV, 0)
    for a, b in skeleton.lines:
        steps_VV[a, b] = steps_VV[b, a] = 1
    for k in range(V):
        steps_VV = np.minimum(steps_VV, steps_VV[:, k, None] + steps_VV[None, k])
    far = steps_VV[np.isfinite(steps_VV)].max() + APART
    return np.where(np.isfinite(steps_VV), steps_VV, far)


def _start(skeleton: Skeleton, wanted_VV: np.ndarray) -> np.ndarray:
    """Left and right of the middle, what is called after a head above it and after a leg below it."""
    place_V2 = np.random.default_rng(0).normal(scale=0.3, size=(skeleton.num_joints, 2))
    depth_V = wanted_VV[list(skeleton.centre)].mean(axis=0)
    for number, joint in enumerate(skeleton.joints):
        place_V2[number, 1] += depth_V[number] * (bool(re.search(HIGH, joint)) - bool(re.search(LOW, joint)))
    for left, right in skeleton.flip_pairs:
        place_V2[left, 0] += 1
        place_V2[right, 0] -= 1
    return place_V2


def _mirrored(skeleton: Skeleton, place_V2: np.ndarray) -> np.ndarray:
    """The mean of the picture and its mirror image; a layout without pairs stays as it is."""
    if not skeleton.flip_pairs:
        return place_V2
    image_V2 = place_V2[skeleton.flip_index] * [-1, 1]
    return (place_V2 + image_V2) / 2


def _cycle(count: int) -> list[str]:
    return [PART_COLOURS[number % len(PART_COLOURS)] for number in range(count)]


def _title(skeleton: Skeleton) -> str:
    edges = "the bones" if skeleton.edges is None else f"{len(skeleton.edges)} edges"
    pairs = f"{len(skeleton.flip_pairs)} mirror pairs"
    scale = ", ".join(f"{skeleton.joints[a]} to {skeleton.joints[b]}" for a, b in skeleton.scale) or "none"
    return (
        f"{skeleton.name}: {skeleton.num_joints} joints, {len(skeleton.bones)} bones, graph of {edges}, {pairs}\n"
        f"unit of length (dotted): {scale}; up in the data: {skeleton.up}"
    )
