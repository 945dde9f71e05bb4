"""Hands: named handshapes as joint angles, and the 21 landmarks that follow from them.

A hand's own axes: a along the palm to the fingers, b to the thumb's side, n out of the palm. All is said for a right
hand; a left hand is its mirror image. Lengths are in hand lengths (wrist to the middle fingertip, about 0.18 m).
Legend: F frames, J = 21 landmarks in MediaPipe's order, G = 4 fingers, P = 21 pose numbers, C = 3 coordinates.
"""

import numpy as np

KNUCKLES = np.array([(0.50, 0.14, 0), (0.51, 0.04, 0), (0.48, -0.06, 0), (0.43, -0.15, 0)])
"""[G, C] where the fingers begin (index, middle, ring, pinky), in a, b, n."""
SEGMENTS = np.array([(0.25, 0.15, 0.11), (0.28, 0.17, 0.12), (0.26, 0.16, 0.12), (0.20, 0.12, 0.10)])
"""[G, 3] lengths of the finger bones from knuckle to tip."""
THUMB_ROOT = np.array((0.13, 0.13, 0.03))
THUMB_SEGMENTS = np.array((0.22, 0.18, 0.14))
LAST_BEND = 0.65
"""The last finger joint bends with the middle one, by this part of its angle."""

THUMBS = {
    "out": ((0.55, 0.80, 0.15), (0.50, 0.85, 0.10), (0.50, 0.85, 0.05)),
    "beside": ((0.75, 0.60, 0.15), (0.97, 0.20, 0.10), (0.99, 0.05, 0.05)),
    "across": ((0.70, 0.40, 0.60), (0.45, -0.70, 0.55), (0.25, -0.95, 0.15)),
    "opposed": ((0.55, 0.35, 0.75), (0.70, 0.05, 0.70), (0.85, 0.00, 0.55)),
}
"""Directions of the thumb's three bones in a, b, n."""

STRAIGHT, BENT, CURLED = (0, 4), (0, 65), (85, 100)
_SPREAD = (20, 7, -9, -26)
_CLOSED = (1, 0, -1, -2)
_SHAPES = {
    "flat_hand": ([STRAIGHT] * 4, _CLOSED, "beside"),
    "fist": ([CURLED] * 4, _CLOSED, "across"),
    "point": ([STRAIGHT] + [CURLED] * 3, _CLOSED, "across"),
    "vee": ([STRAIGHT] * 2 + [CURLED] * 2, (14, -12, -1, -2), "across"),
    "five": ([STRAIGHT] * 4, _SPREAD, "out"),
    "claw": ([BENT] * 4, _SPREAD, "out"),
    "ring": ([(50, 62)] + [STRAIGHT] * 3, (0, 2, -8, -18), "opposed"),
    "ell": ([STRAIGHT] + [CURLED] * 3, (2, 0, -1, -2), "out"),
    "wye": ([CURLED] * 3 + [STRAIGHT], (1, 0, -1, -26), "out"),
    "hook": ([(15, 95)] + [CURLED] * 3, _CLOSED, "across"),
    "bent_hand": ([(80, 5)] * 4, _CLOSED, "beside"),
    "beak": ([(48, 18), (50, 20), (50, 18), (48, 16)], (-6, -1, 4, 9), "opposed"),
}
"""Per finger (knuckle, middle joint) flexion in degrees, then the fingers' spread towards the thumb, then the thumb."""
_RELAXED = ([(22, 30), (25, 32), (28, 34), (30, 34)], (4, 0, -3, -7), "beside")


def _pose(fingers, spread, thumb) -> np.ndarray:
    """[P] = knuckle [G], middle joint [G], spread [G] in radians, then the thumb's three directions."""
    knuckle, middle = np.array(fingers, dtype=float).T
    return np.concatenate((*np.radians((knuckle, middle, np.array(spread, dtype=float))), np.ravel(THUMBS[thumb])))


HANDSHAPES = tuple(_SHAPES)
POSES = np.stack([_pose(*shape) for shape in _SHAPES.values()])
"""[handshapes, P]"""
RELAXED = _pose(*_RELAXED)
"""[P] the hand at rest."""


def landmarks(pose: np.ndarray) -> np.ndarray:
    """[F, P] poses -> [F, J, C] landmarks in a, b, n; the wrist is the origin and bone lengths are constant."""
    frames = len(pose)
    knuckle, middle, spread = pose[:, :12].reshape(frames, 3, 4).transpose(1, 0, 2)
    joints = np.zeros((frames, 21, 3))
    along = np.stack((np.cos(spread), np.sin(spread)), axis=-1)
    tip, bend = np.broadcast_to(KNUCKLES, (frames, 4, 3)), knuckle
    for segment in range(4):
        joints[:, 5 + segment :: 4] = tip
        if segment < 3:
            bone = np.concatenate((along * np.cos(bend)[..., None], np.sin(bend)[..., None]), axis=-1)
            tip = tip + SEGMENTS[:, segment, None] * bone
            bend = bend + middle * (1, LAST_BEND, 0)[segment]
    direction = pose[:, 12:].reshape(frames, 3, 3)
    bones = direction / np.linalg.norm(direction, axis=-1, keepdims=True) * THUMB_SEGMENTS[:, None]
    joints[:, 1] = THUMB_ROOT
    joints[:, 2:5] = THUMB_ROOT + np.cumsum(bones, axis=1)
    return joints
