"""Several persons in a clip: which of them a store keeps, by a policy that is stated, and how many it does not.

most_moving: who moves most. A person's movement is the sum, over joints and pairs of consecutive frames in which the
joint was seen twice, of its squared displacement. It needs persons that keep their place from frame to frame (a
tracker's); a detector's flicker counts as movement.
first: the first in the source's order who was seen at all.
both: the two who move most, most moving first, as the parts of one skeleton; a clip of one leaves the second unseen.
Legend: M persons, T frames, V joints, C coordinates.
"""

from collections import Counter

import numpy as np

from datamodules.skeletons.importers import PERSONS
from schemas.skeleton import Skeleton

MOST_MOVING, FIRST, BOTH = PERSONS


class Persons:
    """Chooses among the persons of each clip, and counts those it leaves out."""

    def __init__(self, policy: str | None, skeleton: Skeleton):
        self.policy = policy or MOST_MOVING
        self.skeleton = doubled(skeleton) if self.policy == BOTH else skeleton
        """What the chosen frames are of."""
        self.left_out: Counter[str] = Counter()
        """For `Reading.left_out`: how many persons who were seen, and of how many clips, so far."""

    def choose(self, joints: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One clip's persons.

        Args:
            joints: [M, T, V, C], M at least 1.
            visible: [M, T, V] bool; a person never seen is nobody, and is not counted.

        Returns:
            frames [T, V, C] and visible [T, V], with 2V in place of V under `both`.
        """
        seen = np.flatnonzero(visible.any(axis=(1, 2)))
        if self.policy != FIRST and len(seen) > 1:
            moved = [-movement(joints[person], visible[person]) for person in seen]
            seen = seen[np.argsort(moved, kind="stable")]
        places = 2 if self.policy == BOTH else 1
        if len(seen) > places:
            self.left_out[f"left out, persons beyond {self.policy}"] += len(seen) - places
            self.left_out["clips with a person left out"] += 1
        if self.policy != BOTH:
            chosen = seen[0] if len(seen) else 0
            return joints[chosen], visible[chosen]
        _, T, V, C = joints.shape
        frames, seen_TV = np.zeros((T, 2 * V, C), joints.dtype), np.zeros((T, 2 * V), dtype=bool)
        for place, person in enumerate(seen[:places]):
            frames[:, place * V : (place + 1) * V] = joints[person]
            seen_TV[:, place * V : (place + 1) * V] = visible[person]
        return frames, seen_TV


def movement(joints: np.ndarray, visible: np.ndarray) -> float:
    """[T, V, C] and [T, V] -> the sum of squared displacements between consecutive frames, where both are seen."""
    steps = np.diff(np.where(visible[..., None], joints, 0).astype(np.float64), axis=0)
    return float(np.square(steps[visible[1:] & visible[:-1]]).sum())


def doubled(skeleton: Skeleton) -> Skeleton:
    """Two persons as one skeleton: joints, bones, pairs and parts twice, no bone between them.

    Centre and so the origin of a clip is the first person's: where the second stands is kept. The unit of length is
    the mean over both.
    """
    count, names = skeleton.num_joints, ("person1", "person2")

    def twice(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((a + shift, b + shift) for shift in (0, count) for a, b in pairs)

    whole = len(skeleton.parts) == 1
    return Skeleton(
        name=f"{skeleton.name}_two_persons",
        joints=tuple(f"{person}_{joint}" for person in names for joint in skeleton.joints),
        bones=twice(skeleton.bones),
        edges=None if skeleton.edges is None else twice(skeleton.edges),
        flip_pairs=twice(skeleton.flip_pairs),
        parts={
            person if whole else f"{person}_{part}": tuple(joint + shift for joint in joints)
            for person, shift in zip(names, (0, count), strict=True)
            for part, joints in skeleton.parts.items()
        },
        centre=skeleton.centre,
        scale=twice(skeleton.scale),
        up=skeleton.up,
    )
