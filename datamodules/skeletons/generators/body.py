"""A signing body: proportions, the still parts, arms by two-bone inverse kinematics.

Body axes are those of an image of somebody who faces the camera: x to the signer's left, y down, z away from the
camera; metres, origin midway between the shoulders. All is built for a right-handed signer; `mirrored` makes the other.
Legend: F frames, V = 75 joints of layout pose_hands75, C = 3 coordinates.
"""

from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.generators.rotations import turned, unit
from schemas.skeleton import load_layout

LAYOUT = load_layout("pose_hands75")
JOINT = {name: number for number, name in enumerate(LAYOUT.joints)}
HANDS = {side: np.array([JOINT[j] for j in JOINT if j.startswith(f"{side}_hand_")]) for side in ("left", "right")}
"""The 21 landmarks of each hand."""
FLIP = np.array([-1.0, 1.0, 1.0])

HEAD = {
    "nose": (0.0, -0.200, -0.130),
    "left_eye_inner": (0.018, -0.235, -0.105),
    "left_eye": (0.032, -0.236, -0.100),
    "left_eye_outer": (0.046, -0.235, -0.092),
    "left_ear": (0.076, -0.215, 0.0),
    "left_mouth": (0.025, -0.160, -0.105),
}
TRUNK = {
    "left_shoulder": (0.180, 0.0, 0.0),
    "left_hip": (0.100, 0.500, 0.0),
    "left_knee": (0.115, 0.920, -0.03),
    "left_ankle": (0.115, 1.330, 0.0),
    "left_heel": (0.115, 1.380, 0.03),
    "left_foot_index": (0.135, 1.390, -0.13),
}
"""Metres in the average body; the right side mirrors the left."""
UPPER_ARM, FOREARM, HAND = 0.28, 0.25, 0.18
REACH = 0.985
"""An arm is never stretched further than this part of its length."""
ELBOW_POINTS_TO = (-0.55, 1.0, 0.35)
"""Where the right elbow tends to: outwards, down and a little back."""
ON_POSE = {"pinky": 17, "index": 5, "thumb": 3}
"""Hand landmarks that the pose's own three hand joints stand on."""


@dataclass
class Proportions:
    """One person's sizes, as factors of the average body."""

    shoulders: float
    torso: float
    head: float
    upper_arm: float
    forearm: float
    hand: float

    @classmethod
    def draw(cls, rng: np.random.Generator, spread: float) -> "Proportions":
        """Each factor uniform within `spread` of one."""
        return cls(*rng.uniform(1 - spread, 1 + spread, 6))

    def still(self) -> np.ndarray:
        """[V, C] head, trunk and legs; arms and hands are zero."""
        joints = np.zeros((LAYOUT.num_joints, 3))
        for places, factor in ((HEAD, (self.head,) * 3), (TRUNK, (self.shoulders, self.torso, 1))):
            for name, place in places.items():
                joints[JOINT[name]] = np.multiply(place, factor)
                if name.startswith("left_"):
                    joints[JOINT[name.replace("left_", "right_")]] = joints[JOINT[name]] * FLIP
        return joints


def put_arm(
    joints: np.ndarray, proportions: Proportions, side: str, wrist: np.ndarray, turn: np.ndarray, hand: np.ndarray
) -> None:
    """Writes one arm and hand into [F, V, C] joints whose shoulders stand.

    Args:
        side: right, or left; the left arm is given as its mirror image (a right arm).
        wrist: [F, C] where the wrist should be; drawn towards the shoulder where the arm is too short.
        turn: [F, C, C] whose columns are the hand's a, b, n.
        hand: [F, 21, C] landmarks in a, b, n, in hand lengths.
    """
    mirror = FLIP if side == "left" else np.ones(3)
    upper, lower = UPPER_ARM * proportions.upper_arm, FOREARM * proportions.forearm
    shoulder = joints[:, JOINT[f"{side}_shoulder"]] * mirror
    reach = wrist - shoulder
    far = np.linalg.norm(reach, axis=-1, keepdims=True)
    along = reach / far
    far = np.clip(far, 1.2 * abs(upper - lower) + 0.05, REACH * (upper + lower))
    wrist = shoulder + along * far
    before = (upper**2 - lower**2 + far**2) / (2 * far)
    hint = np.broadcast_to(ELBOW_POINTS_TO, along.shape)
    across = unit(hint - (hint * along).sum(-1, keepdims=True) * along)
    elbow = shoulder + along * before + across * np.sqrt(upper**2 - before**2)
    placed = wrist[:, None] + turned(hand * (HAND * proportions.hand), turn)
    joints[:, JOINT[f"{side}_elbow"]] = elbow * mirror
    joints[:, JOINT[f"{side}_wrist"]] = wrist * mirror
    joints[:, HANDS[side]] = placed * mirror
    for name, landmark in ON_POSE.items():
        joints[:, JOINT[f"{side}_{name}"]] = placed[:, landmark] * mirror


def mirrored(joints: np.ndarray) -> np.ndarray:
    """[F, V, C] the mirror image: x negated, left and right joints exchanged."""
    return joints[:, LAYOUT.flip_index] * FLIP
