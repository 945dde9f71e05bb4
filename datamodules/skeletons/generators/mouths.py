"""Mouths: named visemes, the 100 invented words of `faces`, and the landmarks of mouth and jaw that follow from them.

Face axes: x to the speaker's left, y up, z towards the camera; metres, origin midway between the ears.
Legend: F frames, V = 62 landmarks of layout face62, D = 7 mouth numbers, C = 3 coordinates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np

from schemas.skeleton import load_layout

LAYOUT = load_layout("face62")
HALF = LAYOUT.num_joints // 2
"""Landmark i of the right half and landmark 61 - i mirror each other."""
JAW, OUTER, INNER = slice(0, 13), slice(13, 23), slice(23, 31)
"""The right half's rows."""

MOUTH = ("jaw", "width", "protrusion", "upper", "lower", "press", "tuck")
"""Jaw drop, spread corners, rounding, raised upper lip, lowered lower lip, lips rolled in, lower lip to the teeth."""
_VISEMES = {
    "closed": (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "tucked": (0.1, 0.1, 0.0, 0.6, 0.0, 0.3, 1.0),
    "open": (1.0, 0.0, 0.0, 0.4, 0.4, 0.0, 0.0),
    "wide": (0.75, 0.9, 0.0, 0.6, 0.5, 0.0, 0.0),
    "smile": (0.1, 1.0, 0.0, 0.3, 0.5, 0.0, 0.0),
    "teeth": (0.0, 0.4, 0.0, 0.9, 0.9, 0.0, 0.0),
    "mid": (0.45, 0.3, 0.0, 0.2, 0.3, 0.0, 0.0),
    "tongue": (0.25, 0.0, 0.2, 0.8, 0.1, 0.0, 0.0),
    "round": (0.7, -0.5, 0.7, 0.2, 0.2, 0.0, 0.0),
    "kiss": (0.1, -1.0, 1.0, 0.1, 0.1, 0.0, 0.0),
    "flare": (0.15, -0.4, 0.8, 0.9, 0.9, 0.0, 0.0),
    "slack": (0.3, -0.3, 0.0, 0.0, 0.1, 0.0, 0.0),
}
VISEMES = tuple(_VISEMES)
SHAPES = np.array(list(_VISEMES.values()))
"""[visemes, D]"""
RELAXED = np.array((0.03, 0.0, 0.05, 0.0, 0.0, 0.1, 0.0))
"""[D] the mouth at rest."""
WORDS_OF_LENGTH = {3: 25, 4: 25, 5: 25, 6: 25}
FAMILY = 5
"""So many words have the same visemes in another order, which a model that only weighs frames can hardly tell."""
APART = 2
"""Any two words are at least so many replaced, added or dropped visemes apart."""


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _numbers() -> Iterator[int]:
    """Knuth's MMIX generator: the words shall not depend on a library's version."""
    state = 1
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def _chosen() -> tuple[tuple[int, ...], ...]:
    words: list[tuple[int, ...]] = []
    number = _numbers()
    for length, wanted in WORDS_OF_LENGTH.items():
        until = len(words) + wanted
        while len(words) < until:
            letters = [next(number) % len(VISEMES) for _ in range(length)]
            family: list[tuple[int, ...]] = []
            for word in sorted(sorted(set(permutations(letters))), key=lambda _: next(number)):
                repeats = any(a == b for a, b in pairwise(word))
                if not repeats and all(_distance(word, other) >= APART for other in words + family):
                    family.append(word)
                if len(family) == FAMILY:
                    words.extend(family)
                    break
    return tuple(sorted(words, key=lambda word: [VISEMES[v] for v in word]))


WORDS = _chosen()
"""The 100 words in label order, each a sequence of visemes by number."""
NAMES = tuple("-".join(VISEMES[v] for v in word) for word in WORDS)


@dataclass
class FaceProportions:
    """One speaker's sizes, as factors of the average face."""

    breadth: float
    length: float
    mouth_width: float
    lips: float
    mouth_height: float

    @classmethod
    def draw(cls, rng: np.random.Generator, spread: float) -> "FaceProportions":
        """Each factor uniform within `spread` of one."""
        return cls(*rng.uniform(1 - spread, 1 + spread, 5))


def landmarks(mouth: np.ndarray, face: FaceProportions) -> np.ndarray:
    """[F, D] mouth numbers -> [F, V, C] landmarks in face axes."""
    jaw, width, protrusion, upper, lower, press, tuck = mouth.T[:, :, None]
    right = np.zeros((len(mouth), HALF, 3))
    turn = np.arange(13) / 12.4 * np.pi / 2
    drop = 0.028 * np.sin(turn) ** 2 * jaw
    right[:, JAW, 0] = -0.075 * face.breadth * np.cos(turn) ** 0.8
    right[:, JAW, 1] = -0.115 * face.length * np.sin(turn) - drop
    right[:, JAW, 2] = 0.09 * np.sin(turn) ** 2 - 0.3 * drop

    half_width = 0.025 * face.mouth_width * (1 + 0.35 * width - 0.25 * protrusion)
    thick = 0.009 * face.lips * (1 - 0.7 * press) * (1 + 0.3 * protrusion)
    above = 0.0005 + 0.008 * upper
    below = 0.0005 + 0.009 * lower + 0.024 * jaw - 0.005 * tuck
    middle = -0.066 * face.mouth_height * face.length
    for rows, count, lip, reach in ((OUTER, 10, thick, 1.0), (INNER, 8, 0 * thick, 0.86)):
        angle = (np.arange(count) + 0.5) / count * np.pi
        is_upper, central = np.cos(angle) > 0, np.sin(angle)
        height = np.where(is_upper, above + lip, below + 1.15 * lip) * np.cos(angle)
        right[:, rows, 0] = -reach * half_width * central
        right[:, rows, 1] = middle + height - 0.25 * below * (central > 0.9)
        forward = 0.013 * protrusion - np.where(is_upper, 0, 0.008 * tuck + 0.006 * jaw) - 0.003 * press
        arch = -0.022 * (right[:, rows, 0] / 0.025) ** 2 * 0.5
        right[:, rows, 2] = 0.098 + arch + forward * (1 - 0.5 * central**2) + 0.25 * lip
    return np.concatenate((right, right[:, ::-1] * (-1, 1, 1)), axis=1)
