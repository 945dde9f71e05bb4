"""The people of the generated sets: who belongs to which split, who is left-handed, whose numbers are whose.

Every person draws from a stream of their own, so a set of fewer people is a part of the whole set.
"""

import numpy as np

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
