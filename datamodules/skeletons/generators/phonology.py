"""The 100 invented signs of `signs`: what they are made of, and which of them are minimal pairs.

A sign is a handshape, a location, a movement and an orientation, the parameters in which the phonology of sign
languages describes signs (Stokoe 1960; Battison 1978). All is said for the right hand of a right-handed signer, in
body axes: x to the signer's left, y down, z away from the camera.
Legend: S = 65 samples of a movement, C = 3 coordinates.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import combinations, product

import numpy as np

from datamodules.skeletons.generators import hands, rotations

LOCATIONS = {
    "forehead": ("head", (-0.03, -0.30, -0.17)),
    "ear": ("head", (-0.17, -0.20, -0.04)),
    "chin": ("head", (-0.02, -0.11, -0.20)),
    "far_shoulder": ("trunk", (0.16, 0.04, -0.16)),
    "chest": ("trunk", (-0.03, 0.17, -0.20)),
    "belly": ("trunk", (-0.04, 0.40, -0.22)),
    "front": ("trunk", (-0.20, 0.20, -0.42)),
    "side": ("trunk", (-0.42, 0.05, -0.18)),
}
"""Where the palm's middle is while the movement passes its centre, in metres; it goes with the head or the trunk."""

ORIENTATIONS = {
    "palm_out": ((0.10, -1.00, -0.10), (0, 0, -1)),
    "palm_in": ((0.15, -1.00, -0.10), (0, 0, 1)),
    "palm_down": ((0.30, -0.10, -1.00), (0, 1, 0)),
    "palm_up": ((0.30, -0.10, -1.00), (0, -1, 0)),
    "palm_side": ((0.10, -0.25, -1.00), (1, 0, 0)),
    "fingers_across": ((1.00, -0.10, -0.20), (0, 0, 1)),
}
"""Where the fingers point and what the palm faces."""

SPAN = 0.22
"""Metres that one unit of a movement is."""
_S = np.linspace(0, 1, 65)
_0 = 0 * _S
_STAY = (_0, _0, _0)
_SIN, _COS = np.sin(2 * np.pi * _S), np.cos(2 * np.pi * _S)
_MOVEMENTS = {
    "down": ((_0, 1.1 * (_S - 0.5), _0), _STAY),
    "up": ((_0, 1.1 * (0.5 - _S), _0), _STAY),
    "outward": ((1.2 * (0.5 - _S), _0, _0), _STAY),
    "inward": ((1.2 * (_S - 0.5), _0, _0), _STAY),
    "forward": ((_0, 0.5 * (_S - 0.5), -1.2 * _S), _STAY),
    "arc": ((0.6 * np.cos(np.pi * _S), 0.4 - 0.9 * np.sin(np.pi * _S), _0), _STAY),
    "circle": (_STAY, (0.5 * _SIN, 0.5 * _COS, _0)),
    "taps": (_STAY, (_0, 0.3 * (1 - _COS), -0.4 * (1 - _COS))),
    "zigzag": ((1.2 * (0.5 - _S), _0, _0), (_0, 0.9 / np.pi * np.arcsin(_SIN), _0)),
    "twist": (_STAY, _STAY),
    "nod": (_STAY, _STAY),
    "both_apart": ((0.1 - 1.1 * _S, _0, _0), _STAY),
    "both_alternate": ((_0 - 0.3, _0, _0), (_0, 0.5 * _SIN, _0)),
}
"""Offsets (x, y, z) in units of SPAN: once through the stroke, and once through each cycle of what repeats."""
MOVEMENTS = tuple(_MOVEMENTS)
PATHS, WAVES = (SPAN * np.stack([np.stack(kinds[i], axis=-1) for kinds in _MOVEMENTS.values()]) for i in range(2))
"""[movements, S, C] metres, once and repeated."""
_SWINGS = {"twist": (60, 0, 0), "nod": (0, 45, 0)}
SWINGS = np.stack([_SIN[:, None] * np.radians(_SWINGS.get(m, (0, 0, 0))) for m in MOVEMENTS])
"""[movements, S, C] rotation vectors through a cycle, in radians about the hand's own a, b, n."""
CYCLES = (1.25, 2.0)
"""A clip repeats what repeats that often, beginning anywhere in the cycle."""
TWO_HANDED = np.array([m.startswith("both") for m in MOVEMENTS])
OTHER_LAG = np.array([0.5 if m == "both_alternate" else 0.0 for m in MOVEMENTS])
"""Cycles that the other hand, a mirror image, is behind."""


def turn_of(fingers: tuple[float, ...], palm: tuple[float, ...]) -> np.ndarray:
    """[4] quaternion of a right hand whose fingers point and whose palm faces that way (made orthogonal)."""
    a = rotations.unit(np.array(fingers, dtype=float))
    n = rotations.unit(np.array(palm, dtype=float) - np.dot(palm, a) * a)
    return rotations.quaternion(np.stack((a, -np.cross(a, n), n), axis=-1))


TURNS = np.stack([turn_of(*orientation) for orientation in ORIENTATIONS.values()])
"""[orientations, 4] quaternions."""


@dataclass(frozen=True)
class Sign:
    """The four parameters of a sign."""

    handshape: str
    location: str
    movement: str
    orientation: str

    @property
    def name(self) -> str:
        return f"{self.handshape}.{self.location}.{self.movement}.{self.orientation}"


PARAMETERS = tuple(field.name for field in fields(Sign))
INVENTORY = {
    "handshape": hands.HANDSHAPES,
    "location": tuple(LOCATIONS),
    "movement": MOVEMENTS,
    "orientation": tuple(ORIENTATIONS),
}
GROUPS = (
    *[("movement", 4)] * 14,
    *[("handshape", 2), ("location", 2), ("orientation", 2)] * 6,
    ("handshape", 2),
    *[("none", 1)] * 6,
)
"""The signs of a group differ in one parameter only, and this many there are in it: 100 signs, 103 minimal pairs.

Most differ in movement, which the time of the onset hides from a model that only weighs frames.
"""
_STRIDE = 4627
"""Coprime to the number of possible signs, so that steps of it visit them all, far apart in every parameter."""


def _differs_in(one: Sign, other: Sign) -> list[str]:
    return [p for p in PARAMETERS if getattr(one, p) != getattr(other, p)]


def _can_be_made(sign: Sign) -> bool:
    at_head = sign.location in ("forehead", "ear", "chin")
    if sign.movement.startswith("both") and sign.location in ("far_shoulder", "side", "ear"):
        return False
    return not (at_head and sign.orientation == "palm_up")


def _chosen() -> tuple[Sign, ...]:
    """The groups' signs; any two signs of different groups differ in two parameters at least."""
    possible = [Sign(*values) for values in product(*INVENTORY.values())]
    walk = (possible[k * _STRIDE % len(possible)] for k in range(len(possible)))
    taken: list[Sign] = []

    def apart(sign: Sign) -> bool:
        return _can_be_made(sign) and all(len(_differs_in(sign, other)) >= 2 for other in taken)

    for number, (parameter, size) in enumerate(GROUPS):
        group: list[Sign] = []
        while len(group) < size:
            sign = next(filter(apart, walk))
            values = INVENTORY.get(parameter, ())
            others = (replace(sign, **{parameter: values[(number + 5 * k) % len(values)]}) for k in range(len(values)))
            group = [o for o in others if apart(o)][:size] if values else [sign]
        taken.extend(group)
    return tuple(sorted(taken, key=lambda s: s.name))


SIGNS = _chosen()
"""The 100 signs in label order, which is that of their names."""


@cache
def minimal_pairs() -> list[tuple[int, int, str]]:
    """(class, class, parameter) of every two signs that differ in exactly that parameter."""
    differences = ((a, b, _differs_in(SIGNS[a], SIGNS[b])) for a, b in combinations(range(len(SIGNS)), 2))
    return [(a, b, d[0]) for a, b, d in differences if len(d) == 1]
