"""Copies across splits: the same recording or sequence where a model learns and where it is judged.

The checks: `overlap` (one row in train and in a split that judges), `test_as_validation`, `duplicates` (equal contents
under two names).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from schemas.findings import Finding, Severity

MOST = 0.9
"""The share of the smaller of val and test from which the one is the other."""
LEAST = 5
"""Copies below which the one is not called the other: a validation split of one clip may have its copy by chance."""
SHOWN = 3
"""Pairs that a finding names."""


@dataclass(frozen=True)
class Members:
    """What is in one split."""

    names: Sequence[str]
    """Unique in the data set: a name in two splits is one row in both."""
    contents: Sequence[bytes | None]
    """A checksum of each; None where there is nothing that could be a copy."""


def check_copies(members: Mapping[str, Members], unit: str) -> list[Finding]:
    """What any two splits have in common.

    Args:
        members: split -> what is in it.
        unit: what they are called: clips, sequences.
    """
    findings = []
    for one, other in combinations(members, 2):
        shared = sorted(set(members[one].names) & set(members[other].names))
        pairs = _pairs(members[one], members[other])
        if {one, other} == {"val", "test"} and (shared or _is_most(pairs, members[one], members[other])):
            findings.append(_test_as_validation(pairs, shared, members["val"], members["test"], unit))
            continue
        if shared:
            findings.append(_overlap(shared, one, other, unit))
        if pairs:
            findings.append(_duplicates(pairs, one, other, len(members[other].names), unit))
    return findings


def _pairs(one: Members, other: Members) -> list[tuple[str, str]]:
    """(name in other, name in one) of every member of `other` whose contents stand in `one` under another name."""
    known: dict[bytes, list[str]] = {}
    for name, content in zip(one.names, one.contents, strict=True):
        known.setdefault(content, []).append(name)
    known.pop(None, None)
    found = ((name, known.get(content, ())) for name, content in zip(other.names, other.contents, strict=True))
    return [(name, next(n for n in names if n != name)) for name, names in found if set(names) - {name}]


def _is_most(pairs: list[tuple[str, str]], val: Members, test: Members) -> bool:
    """Whether most of the smaller split is, by its contents, in the other."""
    smaller = min(len(val.names), len(test.names))
    copied = min(len({name for name, _ in pairs}), len({name for _, name in pairs}))
    return copied >= LEAST and copied >= MOST * smaller


def some_of(names: Sequence[object], shown: int = SHOWN) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(map(str, names[:shown])) + more


def _is(pairs: list[tuple[str, str]], one: str, other: str) -> str:
    return some_of([f"{name} ({other}) is {known} ({one})" for name, known in pairs])


def _test_as_validation(
    pairs: list[tuple[str, str]], shared: list[str], val: Members, test: Members, unit: str
) -> Finding:
    count, names = (len(shared), some_of(shared)) if shared else (len(pairs), _is(pairs, "val", "test"))
    kind = f"are the same {unit} as" if shared else "are by their contents among"
    return Finding(
        "test_as_validation",
        f"{count:,} of {len(test.names):,} test {unit} {kind} the {len(val.names):,} of validation, by which the best "
        f"epoch is chosen: {names}.",
        "Give validation data of its own (datamodule.split), cut from train; test is opened once, at the end.",
        Severity.STOP,
        key="test_as_validation",
    )


def _overlap(shared: list[str], one: str, other: str, unit: str) -> Finding:
    return Finding(
        "overlap",
        f"{len(shared):,} {unit} are in {one} and in {other} at once: {some_of(shared)}.",
        "Mend datamodule.split: what a model learned by heart says nothing about it.",
        Severity.STOP,
        key=f"overlap {one}/{other}",
    )


def _duplicates(pairs: list[tuple[str, str]], one: str, other: str, total: int, unit: str) -> Finding:
    return Finding(
        "duplicates",
        f"{len(pairs):,} of {total:,} {other} {unit} stand in {one} under another name, equal in every number: "
        f"{_is(pairs, one, other)}.",
        "Leave the copies out of one side, or judge by the rest alone (of clips, the test result has it as `unseen`).",
        key=f"duplicates {one}/{other}",
    )
