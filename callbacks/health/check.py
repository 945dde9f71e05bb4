"""What all health checks share: a finding is said once, kept for the report, and ends the run where it must."""

from dataclasses import replace

import lightning as L
from rich import get_console
from rich.markup import escape

from callbacks.board import board_of
from schemas.errors import ExperimentError
from schemas.findings import Finding, Severity

STYLES = {Severity.STOP: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


class HealthCheck(L.Callback):
    """A callback that reports findings.

    Attributes:
        name: what its findings are called, and its key in `callbacks`; each subclass sets its own.
        found: its findings by key, in the order of their discovery.
    """

    name = ""

    def __init__(self):
        self.found: dict[str, Finding] = {}

    def report(self, trainer: L.Trainer, finding: Finding) -> None:
        """Prints and keeps a finding that is new under its key, or that was gone; ends the run if it is a stop.

        Raises:
            ExperimentError: for `Severity.STOP`.
        """
        known = self.found.get(finding.key)
        if known is not None and known.until is None:
            return
        self.found[finding.key] = finding
        if board := board_of(trainer):
            board.add_text(f"health/{self.name}", str(finding), trainer.global_step)
        if finding.severity == Severity.STOP:
            where = f"{finding.check}, epoch {finding.epoch}" if finding.epoch else finding.check
            raise ExperimentError(finding.saw.rstrip("."), where=where, remedy=finding.remedy)
        if trainer.is_global_zero:
            style = STYLES[finding.severity]
            get_console().print(f"[{style}]{finding.severity}[/] {escape(str(finding))}", highlight=False)

    def clear(self, trainer: L.Trainer, key: str = "") -> None:
        """Says that what was found under this key is gone at this epoch."""
        known = self.found.get(key)
        if known is not None and known.until is None:
            self.found[key] = replace(known, until=trainer.current_epoch + 1)

    def state_dict(self) -> dict:
        return {key: vars(finding) | {"severity": str(finding.severity)} for key, finding in self.found.items()}

    def load_state_dict(self, state_dict: dict) -> None:
        self.found = {key: Finding(**f | {"severity": Severity(f["severity"])}) for key, f in state_dict.items()}


def findings_of(trainer: L.Trainer) -> list[Finding]:
    """What all health checks of a run have found so far."""
    checks = (callback for callback in trainer.callbacks if isinstance(callback, HealthCheck))
    return [finding for check in checks for finding in check.found.values()]
