"""What may be wrong with a table of events, seen before training: copies, sequences on both sides, fields.

Skewed fields are normal, so there is no check of balance; and a value that train lacks is UNK by construction, so
`absent_labels` counts UNK. Legend: N events, n targets, F fields, S sequences.
"""

import hashlib
from collections import Counter
from itertools import combinations

import numpy as np

from datamodules.copies import Members, check_copies, some_of
from datamodules.events.table import SPLITS, EventTable
from schemas.events import UNK
from schemas.findings import Finding, Severity

CHECKS = ("test_as_validation", "duplicates", "groups", "constant", "absent_labels")
"""The names of all findings on events."""
ONE_VALUE = 0.995
"""The share of a field's training targets with one value from which it is constant."""
UNKNOWN = (0.05, 0.2)
"""The share of UNK among the targets of val or test: from where a note, a warning."""


def check_events(table: EventTable, whole_sequences: bool) -> list[Finding]:
    """All data checks of a table.

    Args:
        whole_sequences: whether the split claims that no sequence has targets in two splits.
    """
    return [
        *check_copies(_whole_sequences(table), "sequences"),
        *(_groups(table) if whole_sequences else ()),
        *_constant(table),
        *_absent_labels(table),
    ]


def _whole_sequences(table: EventTable) -> dict[str, Members]:
    """Of each split the sequences that lie in it with all their events, by a checksum of their values and moments.

    A sequence of one event is never predicted, and under a cut in time copies fall to the same sides: neither leaks.
    What stands several times within train itself repeats by nature (short sequences, times that all begin at zero).
    """
    lengths = np.diff(table.starts)
    first, last = (reduce.reduceat(table.split, table.starts[:-1]) for reduce in (np.minimum, np.maximum))
    members = {}
    for number, split in enumerate(SPLITS):
        own = np.flatnonzero((lengths > 1) & (first == number) & (last == number))
        contents = [_digest(table, sequence) for sequence in own]
        if split == "train":
            natural = {content for content, times in Counter(contents).items() if times > 1}
        unlike = [None if content in natural else content for content in contents]
        members[split] = Members([str(name) for name in table.sequence_names[own]], unlike)
    return members


def _digest(table: EventTable, sequence: int) -> bytes:
    events = slice(table.starts[sequence], table.starts[sequence + 1])
    return hashlib.sha256(table.time[events].tobytes() + table.values[events].tobytes()).digest()


def _groups(table: EventTable) -> list[Finding]:
    """Sequences with targets in two splits."""
    has = np.zeros((len(table.sequence_names), len(SPLITS)), dtype=bool)
    for number, split in enumerate(SPLITS):
        has[table.sequence[table.targets(split)], number] = True
    findings = []
    for one, other in combinations(range(len(SPLITS)), 2):
        both = np.flatnonzero(has[:, one] & has[:, other])
        if len(both) == 0:
            continue
        names = some_of(table.sequence_names[both].tolist())
        findings.append(
            Finding(
                "groups",
                f"{len(both):,} of {has[:, other].sum():,} sequences of {SPLITS[other]} have targets in {SPLITS[one]} "
                f"too, and the split should keep sequences whole: {names}.",
                "Mend the split column, or use datamodule/split=sequence_hash; where it is meant, as with a cut in "
                "time, say datamodule.split.whole_sequences=false.",
                key=f"groups {SPLITS[one]}/{SPLITS[other]}",
            )
        )
    return findings


def _constant(table: EventTable) -> list[Finding]:
    """Fields of which training learns nothing; a static one is context only, so its one value is noted."""
    train = table.targets("train")
    findings = []
    for number, field in enumerate(table.fields if len(train) else ()):
        counts = np.bincount(table.values[train, number], minlength=field.size)
        value, share = int(counts.argmax()), counts.max() / len(train)
        if share < ONE_VALUE:
            continue
        severity = Severity.WARNING
        if value == UNK:
            saw = f"{field.name} is unknown in {share:.1%} of {len(train):,} training targets."
            remedy = "Its values are too rare (datamodule.min_sequences), or not those listed for it; or leave it out."
        else:
            severity = Severity.WARNING if field.role == "dynamic" else Severity.NOTE
            saw = f"{field.name} is {field.name_of(value)!r} in {share:.1%} of {len(train):,} training targets."
            remedy = "Leave it out: it adds near-perfect figures to the mean over fields, and nothing to learn."
        findings.append(Finding("constant", saw, remedy, severity, key=f"constant {field.name}"))
    return findings


def _absent_labels(table: EventTable) -> list[Finding]:
    """Fields whose targets train does not know: they can never be right, whatever the model."""
    targets = {split: table.targets(split) for split in SPLITS}
    findings = []
    for number, field in enumerate(table.fields):
        shares = {split: (table.values[rows, number] == UNK).mean() for split, rows in targets.items() if len(rows)}
        train = shares.pop("train", 0.0)
        worst = max(shares.values(), default=0.0)
        if field.role != "dynamic" or worst <= UNKNOWN[0] or train >= ONE_VALUE:
            continue
        said = " and ".join(f"{share:.1%} of {len(targets[split]):,} {split}" for split, share in shares.items())
        findings.append(
            Finding(
                "absent_labels",
                f"{field.name} is unknown in {said} targets (train {train:.1%}): no hit is possible there.",
                "Values that train lacks: the source changed in time, or sequences differ. Read its accuracy with "
                "that ceiling, or make it a coarser field.",
                Severity.WARNING if worst > UNKNOWN[1] else Severity.NOTE,
                key=f"absent_labels {field.name}",
            )
        )
    return findings
