"""A check of many named things at once, such as the fields of an event."""

from collections.abc import Callable, Sequence

import lightning as L

from callbacks.health.check import HealthCheck
from schemas.findings import Finding


class SeveralCheck(HealthCheck):
    """What is newly seen at one moment is one finding, however many it concerns; it is gone when none of it is seen."""

    def __init__(self):
        super().__init__()
        self._groups: dict[str, set[str]] = {}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        # A key is its names; what is gone is in no group.
        self._groups = {key: set(key.split(", ")) for key, finding in self.found.items() if finding.until is None}

    def update(self, trainer: L.Trainer, seen: Sequence[str], finding: Callable[[list[str], str], Finding]) -> None:
        """Reports what is new among the names seen now and clears what is gone.

        Args:
            finding: from the new names and the finding's key to the finding.
        """
        for key, names in list(self._groups.items()):
            if not names & set(seen):
                self.clear(trainer, key)
                del self._groups[key]
        if new := [name for name in seen if not any(name in names for names in self._groups.values())]:
            key = ", ".join(new)
            self._groups[key] = set(new)
            self.report(trainer, finding(new, key))
