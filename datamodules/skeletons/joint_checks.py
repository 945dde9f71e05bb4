"""What may be wrong with the coordinates of training clips: joints that say nothing, gaps and padding taken for data.

The checks: `constant`, `missing_as_seen`, `padding`. That a visible coordinate is a finite number is the store's own
business. All but "never seen" look at a seeded sample of at most SAMPLE training clips, one clip in memory at a time.
Legend: T frames, V joints, C coordinates, E extra channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datamodules.copies import some_of
from datamodules.skeletons.store import ClipStore
from schemas.findings import Finding, Severity

SAMPLE = 2000
STILL = 1e-5
"""A joint that moves less than this share of the largest coordinate stands still: more than float32 rounds."""
AT_ORIGIN = 0.01
"""The share of a joint's visible frames from which its zeros are no chance."""
TAIL, CLIPS = 0.25, 0.5
"""Repeated frames at a clip's end, a share of it; and the share of clips that must end so."""
SHORTEST = 4
"""Frames a clip must have for its end to say anything."""
SHOWN = 8


@dataclass
class Movement:
    """What the joints do in some clips."""

    clips: int
    joints: int
    seen: np.ndarray = field(init=False)
    """[V] frames in which the joint is visible."""
    zeros: np.ndarray = field(init=False)
    """[V] of these, those in which it is exactly at the origin."""
    farthest: np.ndarray = field(init=False)
    """[V] how far it moves along one coordinate within a clip, at most; -1 where no clip shows it twice."""
    begins: np.ndarray = field(init=False)
    """[V] clips in whose first frame it is visible."""
    begins_zero: np.ndarray = field(init=False)
    """[V] of these, those in which it is exactly at the origin there."""
    largest: float = 0.0
    """The largest coordinate, without its sign."""
    tails: dict[int, int] = field(default_factory=dict)
    """Row of the clip -> frames at its end that repeat its last one, that one included, where they are TAIL of it."""

    def __post_init__(self):
        self.seen, self.zeros, self.begins, self.begins_zero = np.zeros((4, self.joints), dtype=np.int64)
        self.farthest = np.full(self.joints, -1.0)

    def add(self, row: int, x_TVC: np.ndarray, visible_TV: np.ndarray) -> None:
        zero_TV = visible_TV & (x_TVC == 0).all(axis=-1)
        count_V = visible_TV.sum(axis=0)
        self.seen += count_V
        self.zeros += zero_TV.sum(axis=0)
        self.begins += visible_TV[0]
        self.begins_zero += zero_TV[0]
        self.largest = max(self.largest, float(np.abs(x_TVC).max()))
        shown = visible_TV[..., None]
        low_VC, high_VC = np.where(shown, x_TVC, np.inf).min(axis=0), np.where(shown, x_TVC, -np.inf).max(axis=0)
        twice = count_V > 1
        self.farthest[twice] = np.maximum(self.farthest[twice], (high_VC - low_VC)[twice].max(axis=-1))
        tail = _repeated_end(x_TVC, visible_TV)
        if tail > 1 and len(x_TVC) >= SHORTEST and tail >= TAIL * len(x_TVC):
            self.tails[row] = tail

    @property
    def still(self) -> np.ndarray:
        """[V] bool, joints that never move."""
        return (self.farthest >= 0) & (self.farthest <= STILL * self.largest)

    @property
    def always_zero(self) -> np.ndarray:
        """[V] bool, joints that are at the origin whenever they are seen."""
        return (self.seen > 0) & (self.zeros == self.seen)


def check_joints(store: ClipStore, rows: Mapping[str, np.ndarray]) -> list[Finding]:
    """The checks of the coordinates of `rows["train"]`."""
    train = rows["train"]
    sample = train
    if len(train) > SAMPLE:
        sample = np.sort(np.random.default_rng(0).choice(train, SAMPLE, replace=False))
    movement = Movement(len(sample), store.skeleton.num_joints)
    for row in sample.tolist():
        frames = slice(store.offsets[row], store.offsets[row + 1])
        movement.add(row, np.asarray(store.frames[frames]), np.asarray(store.visible[frames]))
    return [
        *_never_seen(store, rows),
        *_still(store, movement),
        *_still_channels(store, sample),
        *_missing_as_seen(store, movement),
        *_padding(store, movement),
    ]


def _repeated_end(x_TVC: np.ndarray, visible_TV: np.ndarray) -> int:
    """Frames at the end that are equal to the last one, that one included; 0 where nothing is seen in it."""
    if not visible_TV[-1].any():
        return 0
    differ = (x_TVC != x_TVC[-1]).any(axis=(1, 2)) | (visible_TV != visible_TV[-1]).any(axis=1)
    others = np.flatnonzero(differ)
    return len(x_TVC) - (int(others[-1]) + 1 if len(others) else 0)


def _names(store: ClipStore, joints: Sequence[int]) -> str:
    names = [store.skeleton.joints[joint] for joint in joints]
    if len(names) == store.skeleton.num_joints:
        return f"all {len(names)} joints"
    return some_of(names, SHOWN)


def _seen_in(store: ClipStore, rows: np.ndarray) -> np.ndarray:
    """[V] bool, joints that are visible somewhere; ends with the first clips that have shown them all."""
    seen, visible = np.zeros(store.skeleton.num_joints, dtype=bool), np.asarray(store.visible)
    for row in rows.tolist():
        seen |= visible[store.offsets[row] : store.offsets[row + 1]].any(axis=0)
        if seen.all():
            break
    return seen


def _never_seen(store: ClipStore, rows: Mapping[str, np.ndarray]) -> list[Finding]:
    """Joints without a single visible training frame.

    A recording that shows no feet is only noted. A joint whose mirror image or whose limb is seen, or that is seen
    in another split, was lost on the way.
    """
    seen, skeleton = _seen_in(store, rows["train"]), store.skeleton
    if seen.all():
        return []
    held_out = np.concatenate([[], *(own for split, own in rows.items() if split != "train")]).astype(np.int64)
    lost = ~seen & (_seen_in(store, held_out) | seen[skeleton.flip_index])
    for child, parent in skeleton.bones:
        lost[parent] |= seen[child] and not seen[parent]
    absent = np.flatnonzero(~seen)
    saw = f"{len(absent)} of {len(seen)} joints are never seen in train: {_names(store, absent)}."
    if lost.any():
        saw += f" Their mirror images, their limbs or other splits are: {_names(store, np.flatnonzero(lost))}."
    remedy = "Check the importer, or choose a layout without them; the model treats them as hidden."
    severity = Severity.WARNING if lost.any() else Severity.NOTE
    return [Finding("constant", saw, remedy, severity, key="constant never seen")]


def _still(store: ClipStore, movement: Movement) -> list[Finding]:
    """Joints that never move. The centre or the root at the origin is how centred data look, and no fault."""
    skeleton, still = store.skeleton, movement.still
    centres = np.zeros(skeleton.num_joints, dtype=bool)
    centres[list(skeleton.centre)] = True
    centres |= skeleton.parent_index == np.arange(skeleton.num_joints)
    still &= ~(centres & movement.always_zero)
    if not still.any():
        return []
    where = " at the origin" if movement.always_zero[still].all() else ""
    saw = f"{_names(store, np.flatnonzero(still))}: no movement{where} within any of {movement.clips:,} training clips."
    remedy = "Check the importer: a joint that was not seen belongs in `visible`, not at a fixed place."
    return [Finding("constant", saw, remedy, key="constant still")]


def _still_channels(store: ClipStore, sample: np.ndarray) -> list[Finding]:
    """Extra channels with one value in all frames."""
    if store.extra is None:
        return []
    low_E, high_E = np.full(store.extra_channels, np.inf), np.full(store.extra_channels, -np.inf)
    for row in sample.tolist():
        extra_TE = np.asarray(store.extra[store.offsets[row] : store.offsets[row + 1]])
        low_E, high_E = np.minimum(low_E, extra_TE.min(axis=0)), np.maximum(high_E, extra_TE.max(axis=0))
    still = np.flatnonzero(low_E == high_E)
    if len(still) == 0:
        return []
    named = some_of([f"{channel} (always {low_E[channel]:g})" for channel in still], SHOWN)
    saw = f"{len(still)} of {store.extra_channels} extra channels have one value in {len(sample):,} training clips: "
    return [Finding("constant", f"{saw}{named}.", "Check the importer, or leave them out.", key="constant extra")]


def _missing_as_seen(store: ClipStore, movement: Movement) -> list[Finding]:
    """Joints that are visible and exactly at the origin now and then: gaps or padding written as zeros.

    Not the joint from which all others are measured: the layout's centre, or the only joint with which every clip
    begins at the origin.
    """
    share = movement.zeros / np.maximum(movement.seen, 1)
    suspect = (share > AT_ORIGIN) & ~movement.still
    suspect[list(store.skeleton.centre)] = False
    reference = (movement.begins > 1) & (movement.begins_zero == movement.begins)
    if reference.sum() == 1:
        suspect &= ~reference
    joints = np.flatnonzero(suspect)
    if len(joints) == 0:
        return []
    worst = joints[share[joints].argmax()]
    saw = (
        f"{_names(store, joints)}: visible and exactly at the origin, {store.skeleton.joints[worst]} in "
        f"{share[worst]:.1%} of its visible frames ({movement.clips:,} training clips)."
    )
    remedy = "These are missing joints marked as seen: write them with `visible` False, and leave padded frames out."
    return [Finding("missing_as_seen", saw, remedy, key="missing_as_seen")]


def _padding(store: ClipStore, movement: Movement) -> list[Finding]:
    """Clips that end in a standing picture, as if their last frame had been repeated to a common length."""
    if len(movement.tails) == 0 or len(movement.tails) < CLIPS * movement.clips:
        return []
    lengths = store.lengths
    some = [f"{store.ids[row]} ({tail} of {lengths[row]} frames)" for row, tail in movement.tails.items()]
    saw = (
        f"{len(movement.tails):,} of {movement.clips:,} training clips repeat their last frame over a quarter of the "
        f"clip or more: {some_of(some)}."
    )
    remedy = "This is padding counted as frames: write every clip with its own length; batches are padded when read."
    return [Finding("padding", saw, remedy, key="padding")]
