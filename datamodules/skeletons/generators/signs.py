"""`signs`: the 100 signs of `phonology` by 24 signers, 2 takes each: 4,800 clips of layout pose_hands75.

The classes are clear; what is hard is who signs, with which hand, how soon, how fast and seen from where.
Legend: N clips, F frames of all clips, V = 75 joints, C = 3 coordinates, P = 21 pose numbers of a hand.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.skeletons.generators import body, hands, phonology
from datamodules.skeletons.generators.camera import View, on_grid, seen
from datamodules.skeletons.generators.people import LEFT_HANDED, PEOPLE, TAKES, numbers_of, split_of
from datamodules.skeletons.generators.phonology import SIGNS, minimal_pairs
from datamodules.skeletons.generators.rotations import about, blend, matrix, product
from datamodules.skeletons.generators.timing import Frames, drift, smoothstep, stretches, timing
from datamodules.skeletons.store import Clip, new_store

VERSION = 1
PURPOSE = 1
"""Keeps the random streams apart from those of other generated sets."""


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
PALM = 0.45
"""Where the palm's middle is, in hand lengths from the wrist: locations are said for it."""
NOTHING_BELOW = 1.02
"""Image row under which a joint is not seen."""


@dataclass
class SignerClips:
    """All clips of one signer, their frames one after the other."""

    frames: Frames
    label: np.ndarray
    """[N]"""
    take: np.ndarray
    """[N]"""
    body: np.ndarray
    """[F, V, C] metres, body axes, before camera and noise."""
    seen: np.ndarray
    """[F, V, C] float32 image units, after camera and noise."""
    visible: np.ndarray
    """[F, V] bool"""


def signer_clips(signer: int, seed: int = 0, takes: int = TAKES) -> SignerClips:
    """Every sign by one signer, `takes` times."""
    rng = numbers_of(seed, PURPOSE, signer)
    proportions = body.Proportions.draw(rng, DESIGN.proportions)
    label, take = np.tile(np.arange(len(SIGNS)), takes), np.repeat(np.arange(takes), len(SIGNS))
    pace = rng.uniform(*DESIGN.pace) * rng.uniform(0.8, 1.2, len(label))
    frames = Frames(np.clip(np.rint(pace), *DESIGN.frames).astype(np.int64))
    joints = _signed(rng, frames, label, proportions)
    if signer in LEFT_HANDED:
        joints = body.mirrored(joints)
    image = seen(rng, frames, joints, VIEW)
    visible = _visible(rng, frames, image)
    noise = rng.uniform(*DESIGN.noise, len(label))[frames.clip, None, None] * np.array((1, 1, 1.5))
    image += noise * rng.standard_normal(image.shape, dtype=np.float32)
    return SignerClips(frames, label, take, joints, on_grid(image), visible)


def _signed(rng: np.random.Generator, frames: Frames, label: np.ndarray, proportions: body.Proportions) -> np.ndarray:
    """[F, V, C] the signs by a right-handed signer."""
    when = timing(rng, frames, DESIGN.stroke, DESIGN.skew, DESIGN.ease)
    parameter = {
        p: np.array([values.index(getattr(sign, p)) for sign in SIGNS])[label]
        for p, values in phonology.INVENTORY.items()
    }
    clips, c = len(label), frames.clip
    head = 0.006 * drift(rng, frames, 3, (20, 60))
    joints = np.broadcast_to(proportions.still(), (len(frames), body.LAYOUT.num_joints, 3)).copy()
    joints[:, : body.JOINT["left_shoulder"]] += head[:, None]

    movement = parameter["movement"][c]
    size = rng.uniform(*DESIGN.size) * rng.uniform(0.93, 1.07, (clips, 1))
    first, cycles = rng.uniform(0, 1, clips), rng.uniform(*phonology.CYCLES, clips)
    cycle = first[c] + cycles[c] * when.phase
    habit = np.radians(DESIGN.turn_habit) * rng.standard_normal(3)
    off_turn = about(habit + np.radians(DESIGN.turn_jitter) * rng.standard_normal((clips, 3)))
    goal = product(off_turn, phonology.TURNS[parameter["orientation"]])
    shape = hands.POSES[parameter["handshape"]].copy()
    shape[:, :12] += np.radians(DESIGN.bend_jitter) * rng.standard_normal((clips, 12)) * ([1] * 8 + [0.4] * 4)
    place_habit = DESIGN.place_habit * rng.standard_normal(3)
    place = _places(proportions)[parameter["location"]] + place_habit
    place = place + DESIGN.place_jitter * rng.standard_normal((clips, 3))
    at_head = np.array([base == "head" for base, _ in phonology.LOCATIONS.values()])[parameter["location"]]

    for side in ("right", "left"):
        both = phonology.TWO_HANDED[parameter["movement"]].astype(float)
        active, lag = (np.ones(clips), 0) if side == "right" else (both, phonology.OTHER_LAG[movement])
        path = _sampled(phonology.PATHS, movement, when.phase) + _sampled(phonology.WAVES, movement, (cycle + lag) % 1)
        swing = _sampled(phonology.SWINGS, movement, (cycle + lag) % 1)
        presence = when.presence * active[c]
        rest = REST * (proportions.shoulders, proportions.torso, 1) + 0.02 * rng.standard_normal(3)
        ends = _ends(rng, rest, proportions, clips) if side == "right" else np.broadcast_to(rest, (2, clips, 3))
        begin = np.where(when.ending[:, None], ends[1][c], ends[0][c])
        turning = smoothstep(1.2 * presence)
        turn = blend(REST_TURN + np.zeros((len(frames), 4)), goal[c], turning)
        turn = matrix(product(turn, about(swing * presence[:, None])))
        pose = hands.RELAXED + turning[:, None] * (shape[c] - hands.RELAXED)
        target = place[c] + path * size[c] + head * at_head[c, None]
        target = target - PALM * body.HAND * proportions.hand * turn[..., 0]
        bow = np.array((-0.02, 0, -0.10)) * (4 * presence * (1 - presence))[:, None]
        wrist = begin + presence[:, None] * (target - begin) + bow
        wrist += rng.uniform(*DESIGN.tremor) * drift(rng, frames, 3, (4, 8)) + 0.004 * drift(rng, frames, 3, (20, 60))
        body.put_arm(joints, proportions, side, wrist, turn, hands.landmarks(pose))
    return joints


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


def _visible(rng: np.random.Generator, frames: Frames, image: np.ndarray) -> np.ndarray:
    """[F, V] bool: not below the image, not in a lost hand (all 21 landmarks at once), not in a lost frame."""
    visible = image[..., 1] < NOTHING_BELOW
    for joints in body.HANDS.values():
        inside = image[:, joints, 1].mean(axis=1) < NOTHING_BELOW
        lost = stretches(rng, frames, DESIGN.lost_hand, DESIGN.lost_hand_share)
        visible[:, joints] = (inside & ~lost)[:, None]
    visible[stretches(rng, frames, DESIGN.lost_frames, (0, 0.05), DESIGN.most_lost_frames)] = False
    return visible


def write_signs(target: Path, seed: int = 0, signers: int = PEOPLE, takes: int = TAKES) -> None:
    """Generates `signs` and writes it as the clip store `target`; the same seed gives the same bytes.

    Args:
        seed: another seed is another set of signers; the signs stay the same.
        signers: fewer than 24 make a smaller set of the same kind, the first of the same people.
        takes: how often each signer makes each sign.
    """
    source = {"generator": "signs", "version": VERSION, "seed": seed, "signers": signers, "takes": takes}
    source["minimal_pairs"] = [list(pair) for pair in minimal_pairs()]
    classes = [sign.name for sign in SIGNS]
    with new_store(target, body.LAYOUT, classes, source=source, importer=f"signs {VERSION}") as store:
        for signer in range(signers):
            clips = signer_clips(signer, seed, takes)
            for row in range(len(clips.label)):
                part, take = clips.frames.of(row), int(clips.take[row])
                store.add(
                    Clip(
                        frames=clips.seen[part],
                        visible=clips.visible[part],
                        label=int(clips.label[row]),
                        id=f"signer{signer:02}_take{take}_{classes[clips.label[row]]}",
                        split=split_of(signer),
                        groups={"signer": f"signer{signer:02}", "take": str(take)},
                    )
                )
