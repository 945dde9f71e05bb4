"""The people of the generated sets: who belongs to which split, who is left-handed, whose numbers are whose.

Every person draws from a stream of their own, so a set of fewer people is a part of the whole set.
Legend: N clips of a person, F frames of all of them, V joints, C coordinates, E extra channels.
"""

from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.generators.timing import Frames
from datamodules.skeletons.store_writer import Clip, StoreWriter

PEOPLE = 24
TAKES = 2
SPLIT_OF_SIX = ("train", "train", "train", "train", "val", "test")
"""Of every six people in turn: 16 / 4 / 4 of 24."""
LEFT_HANDED = frozenset({1, 4, 7, 9, 11, 13, 16, 19, 21, 23})
"""10 of 24: 6 of the 16 that are trained on, 2 of the 4 validated on, 2 of the 4 tested on."""


def split_of(person: int) -> str:
    """train, val or test: people are never shared between splits."""
    return SPLIT_OF_SIX[person % len(SPLIT_OF_SIX)]


def numbers_of(seed: int, purpose: int, person: int) -> np.random.Generator:
    """The person's own random stream; `purpose` keeps the generated sets apart."""
    return np.random.default_rng([seed, purpose, person])


@dataclass
class PersonClips:
    """All clips of one person, their frames one after the other."""

    frames: Frames
    label: np.ndarray
    """[N]"""
    take: np.ndarray
    """[N]"""
    joints: np.ndarray
    """[F, V, C] metres, the body's own axes, before camera and noise."""
    seen: np.ndarray
    """[F, V, C] float32, after camera and noise."""
    visible: np.ndarray
    """[F, V] bool"""
    extra: np.ndarray | None = None
    """[F, E] float32"""


def labels_and_takes(classes: int, takes: int) -> tuple[np.ndarray, np.ndarray]:
    """[N] and [N]: every class once a take."""
    return np.tile(np.arange(classes), takes), np.repeat(np.arange(takes), classes)


def add_person(store: StoreWriter, clips: PersonClips, kind: str, person: int) -> None:
    """Adds a person's clips; `kind` is what the group is called (signer, speaker)."""
    name = f"{kind}{person:02}"
    for row in range(len(clips.label)):
        part, take, label = clips.frames.of(row), int(clips.take[row]), int(clips.label[row])
        store.add(
            Clip(
                frames=clips.seen[part],
                visible=clips.visible[part],
                extra=None if clips.extra is None else clips.extra[part],
                label=label,
                id=f"{name}_take{take}_{store.classes[label]}",
                split=split_of(person),
                groups={kind: name, "take": str(take)},
            )
        )
