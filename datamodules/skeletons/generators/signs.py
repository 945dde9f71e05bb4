"""`signs`: the 100 signs of `phonology` by 24 signers, 2 takes each: 4,800 clips of layout pose_hands75.

The classes are clear; what is hard is who signs, with which hand, how soon, how fast and seen from where.
`benchmarks/linear_ridge.py` measures what a linear model reaches.
Legend: N clips, F frames of all clips, V = 75 joints, C = 3 coordinates.
"""

from pathlib import Path

import numpy as np

from datamodules.skeletons.generators import body
from datamodules.skeletons.generators.camera import on_grid, seen
from datamodules.skeletons.generators.people import (
    LEFT_HANDED,
    PEOPLE,
    TAKES,
    PersonClips,
    add_person,
    labels_and_takes,
    numbers_of,
)
from datamodules.skeletons.generators.phonology import SIGNS, minimal_pairs
from datamodules.skeletons.generators.signing import DESIGN, VIEW, signed
from datamodules.skeletons.generators.timing import Frames, stretches
from datamodules.skeletons.store_writer import new_store

VERSION = 1
PURPOSE = 1
"""Keeps the random streams apart from those of other generated sets."""
NOTHING_BELOW = 1.02
"""Image row under which a joint is not seen."""


def signer_clips(signer: int, seed: int = 0, takes: int = TAKES) -> PersonClips:
    """Every sign by one signer, `takes` times."""
    rng = numbers_of(seed, PURPOSE, signer)
    proportions = body.Proportions.draw(rng, DESIGN.proportions)
    label, take = labels_and_takes(len(SIGNS), takes)
    pace = rng.uniform(*DESIGN.pace) * rng.uniform(0.8, 1.2, len(label))
    frames = Frames(np.clip(np.rint(pace), *DESIGN.frames).astype(np.int64))
    joints = signed(rng, frames, label, proportions)
    if signer in LEFT_HANDED:
        joints = body.mirrored(joints)
    image = seen(rng, frames, joints, VIEW)
    visible = _visible(rng, frames, image)
    noise = rng.uniform(*DESIGN.noise, len(label))[frames.clip, None, None] * np.array((1, 1, 1.5))
    image += noise * rng.standard_normal(image.shape, dtype=np.float32)
    return PersonClips(frames, label, take, joints, on_grid(image), visible)


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
            add_person(store, signer_clips(signer, seed, takes), "signer", signer)
