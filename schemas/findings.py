"""What a check found in a run or in its data."""

from dataclasses import dataclass
from enum import StrEnum

DATA_CHECKS = (
    "overlap",
    "test_as_validation",
    "duplicates",
    "two_classes",
    "groups",
    "absent_labels",
    "imbalance",
    "constant",
    "missing_as_seen",
    "padding",
)
"""The names of the checks of data, by which they are switched off; clips have all of them, events some."""


class Severity(StrEnum):
    """How much a finding matters."""

    STOP = "stop"
    """Cannot get better: the run ends."""
    WARNING = "warning"
    """A person should look before believing the run."""
    NOTE = "note"
    """Worth knowing; nobody is accused."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Args:
        check: the check's name, by which it is switched off.
        saw: what it saw, one sentence with figures and names.
        remedy: what to try.
        epoch: when, counted from 1; None before training.
        until: the epoch at which it was gone; None while it holds.
        key: what tells it from the check's other findings (a field, a split); an old one is not reported again.
    """

    check: str
    saw: str
    remedy: str
    severity: Severity = Severity.WARNING
    epoch: int | None = None
    until: int | None = None
    key: str = ""

    def __str__(self) -> str:
        when = "" if self.epoch is None else f"epoch {self.epoch}: "
        gone = "" if self.until is None else f" Gone at epoch {self.until}."
        return f"{self.check}: {when}{self.saw}{gone} {self.remedy}".rstrip()
