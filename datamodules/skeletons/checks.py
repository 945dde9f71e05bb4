"""What may be wrong with a set of clips, seen before training: copies, groups on both sides, classes.

`joint_checks.py` looks at the coordinates. Legend: N clips, K classes.
"""

from collections.abc import Mapping

import numpy as np

from datamodules.copies import Members, check_copies, some_of
from datamodules.skeletons.joint_checks import check_joints
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import SPLITS
from schemas.findings import Finding, Severity

TIMES_MEDIAN = (10, 20)
"""The largest class over the median one: from where a note, a warning."""
SHARE = (0.5, 0.9)
"""The largest class of all training clips: from where a note (with three classes), a warning (with any)."""


def check_clips(
    store: ClipStore, rows: Mapping[str, np.ndarray], apart: Mapping[tuple[str, str], str]
) -> list[Finding]:
    """All data checks of a store under a split; a checksum of every clip, one clip in memory at a time.

    Args:
        rows: split -> [N] rows of the store.
        apart: two splits -> the group of which they claim to have no member in common.
    """
    rows = {split: np.asarray(rows[split]) for split in SPLITS if split in rows}
    members = {split: Members(store.ids[own].tolist(), contents_of(store, own)) for split, own in rows.items()}
    return [
        *check_copies(members, "clips"),
        *_two_classes(store, rows, members),
        *_groups(store, rows, apart),
        *_absent_labels(store, rows),
        *_imbalance(store, rows["train"]),
        *check_joints(store, rows),
    ]


def contents_of(store: ClipStore, rows: np.ndarray) -> list[bytes | None]:
    """[N] a checksum of each clip; None where no joint was ever seen: two such clips are no copies."""
    visible = np.asarray(store.visible)
    seen = (visible[store.offsets[row] : store.offsets[row + 1]].any() for row in rows)
    return [digest if any_seen else None for digest, any_seen in zip(store.digests(rows), seen, strict=True)]


def _two_classes(store: ClipStore, rows: Mapping[str, np.ndarray], members: Mapping[str, Members]) -> list[Finding]:
    """Recordings that stand under two classes, of which one is wrong."""
    first: dict[bytes, tuple[int, str]] = {}
    pairs = []
    for split, own in rows.items():
        for row, content in zip(own.tolist(), members[split].contents, strict=True):
            known, where = first.setdefault(content, (row, split)) if content else (row, split)
            if store.labels[known] != store.labels[row]:
                names = [
                    f"{store.ids[r]} ({s}, {store.classes[store.labels[r]]})" for r, s in ((known, where), (row, split))
                ]
                pairs.append(" and ".join(names))
    if not pairs:
        return []
    saw = f"{len(pairs):,} clips are equal in every number to a clip of another class: {some_of(pairs)}."
    remedy = "One of the two labels is wrong: look at the clips, correct or leave them out."
    return [Finding("two_classes", saw, remedy, Severity.NOTE, key="two_classes")]


def _groups(store: ClipStore, rows: Mapping[str, np.ndarray], apart: Mapping[tuple[str, str], str]) -> list[Finding]:
    """Who is on both sides where the split claims that nobody is."""
    findings = []
    for (one, other), group in apart.items():
        there, here = (np.asarray(store.groups[group])[rows[split]] for split in (one, other))
        both = np.intersect1d(there, here)
        if len(both) == 0:
            continue
        counted = [f"{name} ({(there == name).sum():,} / {(here == name).sum():,} clips)" for name in both]
        findings.append(
            Finding(
                "groups",
                f"{one} and {other} should have no {group} in common, {len(both):,} of {len(np.unique(here)):,} in "
                f"{other} are in {one} too: {some_of(counted)}.",
                f"Mend the split; or take the claim back (datamodule.split."
                f"{'validation_by' if other == 'val' else 'test_apart_by'}=null), and say so with the result.",
                key=f"groups {group} {one}/{other}",
            )
        )
    return findings


def _absent_labels(store: ClipStore, rows: Mapping[str, np.ndarray]) -> list[Finding]:
    """Classes that are asked for and never taught."""
    counts = {split: np.bincount(store.labels[own], minlength=len(store.classes)) for split, own in rows.items()}
    findings = []
    for split in ("val", "test"):
        absent = np.flatnonzero((counts[split] > 0) & (counts["train"] == 0)) if split in counts else []
        if len(absent) == 0:
            continue
        counted = [f"{store.classes[label]} ({counts[split][label]:,} clips)" for label in absent]
        findings.append(
            Finding(
                "absent_labels",
                f"{len(absent):,} classes of {split} have no training clip: {some_of(counted)}. "
                f"{counts[split][absent].sum() / len(rows[split]):.1%} of {split} cannot be right.",
                "Move clips of theirs to train, or leave these classes out.",
                key=f"absent_labels {split}",
            )
        )
    return findings


def _imbalance(store: ClipStore, train: np.ndarray) -> list[Finding]:
    """One class that is far larger than the rest."""
    counts = np.bincount(store.labels[train], minlength=len(store.classes))
    present = counts[counts > 0]
    largest, median = counts.max(), np.median(present)
    times, share = largest / median, largest / counts.sum()
    if times <= TIMES_MEDIAN[0] and share <= (SHARE[0] if len(present) >= 3 else SHARE[1]):
        return []
    severity = Severity.WARNING if times > TIMES_MEDIAN[1] or share > SHARE[1] else Severity.NOTE
    saw = (
        f"class {store.classes[counts.argmax()]} has {largest:,} of {counts.sum():,} training clips ({share:.1%}), the "
        f"median class {median:,.0f}, the smallest {present.min():,}."
    )
    remedy = "Judge by macro-F1; try datamodule.sampler=balanced or model.loss.class_weights=balanced."
    return [Finding("imbalance", saw, remedy, severity, key="imbalance")]
