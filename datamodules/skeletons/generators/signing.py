"""How the signs of `phonology` are signed: timing, aims, the way there and back; and every number of `signs`' design.

Legend: N clips, F frames of all clips, V = 75 joints, C = 3 coordinates, D channels, P = 21 pose numbers of a hand.
"""

from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.generators import body, hands, phonology
from datamodules.skeletons.generators.camera import View
from datamodules.skeletons.generators.phonology import SIGNS
from datamodules.skeletons.generators.rotations import about, blend, matrix, product
from datamodules.skeletons.generators.timing import Frames, Timing, drift, smoothstep, timing


@dataclass(frozen=True)
class Design:
    """Every number that makes `signs` easier or harder, frozen: a change is a new VERSION."""

    frames: tuple[int, int] = (32, 64)
    proportions: float = 0.12
    """Sizes of a body lie within this part of the average."""
    pace: tuple[float, float] = (38, 58)
    """Frames that a signer takes on average; a clip has 0.8 to 1.2 times as many."""
    stroke: tuple[float, float] = (0.38, 0.62)
    skew: float = 0.25
    ease: tuple[float, float] = (0.0, 0.7)
    """See `timing`."""
    coarticulated: float = 0.5
    """Chance that a clip begins, or ends, on the way from another place instead of at rest."""
    size: tuple[float, float] = (0.85, 1.2)
    """A signer's movements, as a factor."""
    place_habit: float = 0.008
    place_jitter: float = 0.010
    """Metres that a signer, and a clip, is off the location (standard deviation)."""
    turn_habit: float = 4.0
    turn_jitter: float = 5.0
    """Degrees that a signer, and a clip, is off the orientation (standard deviation a axis)."""
    bend_jitter: float = 4.0
    """Degrees that a clip is off the handshape's angles (standard deviation)."""
    tremor: tuple[float, float] = (0.001, 0.006)
    """Metres, standard deviation, 4 to 8 frames a period."""
    noise: tuple[float, float] = (0.001, 0.002)
    """Detector noise in image units, standard deviation, a clip's own; half as much again in depth."""
    lost_hand: float = 0.45
    lost_hand_share: tuple[float, float] = (0.04, 0.25)
    """Chance of a stretch without the hand's landmarks, for each hand, and its part of the clip."""
    lost_frames: float = 0.25
    most_lost_frames: int = 3
    """Chance that some frames in a row have no landmarks at all, and how many."""


DESIGN = Design()
VIEW = View(habit=(8, 3, 2), jitter=(27, 8, 6), sway=1.5, scale=(0.62, 0.86), centre=(0.5, 0.40, 0.06))
"""Image units: width and height are 1; what is below the image's edge is not visible."""
REST = np.array((-0.20, 0.46, -0.10))
"""Metres, the right wrist's place at rest, relative to the middle of the shoulders."""
REST_TURN = phonology.turn_of((0.35, 0.85, -0.45), (0.6, 0.1, 0.75))
BOW = np.array((-0.02, 0.0, -0.10))
"""Metres that the way between rest and sign bends outwards and forwards, so that no hand goes through the body."""
PALM = 0.45
"""Where the palm's middle is, in hand lengths from the wrist: locations are said for it."""


@dataclass
class Goals:
    """What one signer aims at in each clip: the sign, and how this clip is off it."""

    movement: np.ndarray
    """[N]"""
    place: np.ndarray
    """[N, C] metres, the palm's middle at the centre of the movement."""
    at_head: np.ndarray
    """[N] bool, the place goes with the head."""
    turn: np.ndarray
    """[N, 4] quaternions."""
    pose: np.ndarray
    """[N, P] the handshape."""
    size: np.ndarray
    """[N, 1] of the movement, as a factor."""
    cycle: np.ndarray
    """[F] how many cycles of a repeated movement have passed; it begins anywhere in the first."""


def _goals(
    rng: np.random.Generator, frames: Frames, when: Timing, label: np.ndarray, proportions: body.Proportions
) -> Goals:
    clips, c = len(label), frames.clip
    parameter = {
        p: np.array([values.index(getattr(sign, p)) for sign in SIGNS])[label]
        for p, values in phonology.INVENTORY.items()
    }
    off_place = DESIGN.place_habit * rng.standard_normal(3) + DESIGN.place_jitter * rng.standard_normal((clips, 3))
    off_turn = DESIGN.turn_habit * rng.standard_normal(3) + DESIGN.turn_jitter * rng.standard_normal((clips, 3))
    pose = hands.POSES[parameter["handshape"]].copy()
    pose[:, :12] += np.radians(DESIGN.bend_jitter) * rng.standard_normal((clips, 12)) * ([1] * 8 + [0.4] * 4)
    return Goals(
        movement=parameter["movement"],
        place=_places(proportions)[parameter["location"]] + off_place,
        at_head=np.array([base == "head" for base, _ in phonology.LOCATIONS.values()])[parameter["location"]],
        turn=product(about(np.radians(off_turn)), phonology.TURNS[parameter["orientation"]]),
        pose=pose,
        size=rng.uniform(*DESIGN.size) * rng.uniform(0.93, 1.07, (clips, 1)),
        cycle=rng.uniform(0, 1, clips)[c] + rng.uniform(*phonology.CYCLES, clips)[c] * when.phase,
    )


def signed(rng: np.random.Generator, frames: Frames, label: np.ndarray, proportions: body.Proportions) -> np.ndarray:
    """[F, V, C] the signs by a right-handed signer."""
    when = timing(rng, frames, DESIGN.stroke, DESIGN.skew, DESIGN.ease)
    goals = _goals(rng, frames, when, label, proportions)
    head = 0.006 * drift(rng, frames, 3, (20, 60))
    joints = np.broadcast_to(proportions.still(), (len(frames), body.LAYOUT.num_joints, 3)).copy()
    joints[:, : body.JOINT["left_shoulder"]] += head[:, None]
    two_handed = phonology.TWO_HANDED[goals.movement]
    for side, active in (("right", np.ones_like(two_handed)), ("left", two_handed)):
        rest = REST * (proportions.shoulders, proportions.torso, 1) + 0.02 * rng.standard_normal(3)
        ends = _ends(rng, rest, proportions, len(label)) if side == "right" else np.tile(rest, (2, len(label), 1))
        presence = when.presence * active[frames.clip]
        lag = 0 if side == "right" else phonology.OTHER_LAG[goals.movement[frames.clip]]
        path, turn, pose = _articulated(frames.clip, when, goals, presence, lag)
        target = path + head * goals.at_head[frames.clip, None] - PALM * body.HAND * proportions.hand * turn[..., 0]
        begin = np.where(when.ending[:, None], ends[1][frames.clip], ends[0][frames.clip])
        bow = BOW * (4 * presence * (1 - presence))[:, None]
        wrist = begin + presence[:, None] * (target - begin) + bow
        wrist += rng.uniform(*DESIGN.tremor) * drift(rng, frames, 3, (4, 8)) + 0.004 * drift(rng, frames, 3, (20, 60))
        body.put_arm(joints, proportions, side, wrist, turn, hands.landmarks(pose))
    return joints


def _articulated(
    c: np.ndarray, when: Timing, goals: Goals, presence: np.ndarray, lag: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one hand does: the palm's goal [F, C], its turn [F, C, C] (columns a, b, n) and its pose [F, P].

    Args:
        c: [F] each frame's clip.
        presence: [F] 0 where this hand rests.
        lag: cycles that it is behind.
    """
    movement, cycle = goals.movement[c], (goals.cycle + lag) % 1
    offset = _sampled(phonology.PATHS, movement, when.phase) + _sampled(phonology.WAVES, movement, cycle)
    swing = _sampled(phonology.SWINGS, movement, cycle) * presence[:, None]
    turning = smoothstep(1.2 * presence)
    turn = blend(np.tile(REST_TURN, (len(c), 1)), goals.turn[c], turning)
    pose = hands.RELAXED + turning[:, None] * (goals.pose[c] - hands.RELAXED)
    return goals.place[c] + offset * goals.size[c], matrix(product(turn, about(swing))), pose


def _sampled(table: np.ndarray, kind: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[kinds, S, D] table at [F] places from 0 to 1 -> [F, D], linear between the samples."""
    last = table.shape[1] - 1
    low = np.minimum((at * last).astype(int), last - 1)
    part = (at * last - low)[:, None]
    return table[kind, low] * (1 - part) + table[kind, low + 1] * part


def _places(proportions: body.Proportions) -> np.ndarray:
    """[locations, C] in this body, metres."""
    factor = {
        "head": np.full(3, proportions.head),
        "trunk": np.array((proportions.shoulders, proportions.torso, 1)),
    }
    return np.stack([factor[base] * place for base, place in phonology.LOCATIONS.values()])


def _ends(rng: np.random.Generator, rest: np.ndarray, proportions: body.Proportions, clips: int) -> np.ndarray:
    """[2, N, C] where the signing hand comes from and goes to: rest, or part of the way to some other place."""
    places = _places(proportions)
    other = places[rng.integers(len(places), size=(2, clips))] + (0, 0.10, -0.05)
    part = rng.uniform(0.3, 0.9, (2, clips, 1)) * (rng.uniform(size=(2, clips, 1)) < DESIGN.coarticulated)
    return rest + 0.02 * rng.standard_normal((2, clips, 3)) + part * (other - rest)
