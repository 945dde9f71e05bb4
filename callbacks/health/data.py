"""What may be wrong with the data, said once before training; the DataModule itself looks at them."""

from collections.abc import Sequence

import lightning as L

from callbacks.health.check import HealthCheck
from schemas.errors import ConfigError
from schemas.findings import DATA_CHECKS, Severity


class DataChecks(HealthCheck):
    """Reports what `trainer.datamodule.findings()` sees; a stop comes last, so that the rest is said too.

    Args:
        skip: names of checks that are switched off.

    Raises:
        ConfigError: for a name that is none of DATA_CHECKS.
    """

    name = "data"

    def __init__(self, skip: Sequence[str]):
        super().__init__()
        self.skip = tuple(skip)
        if unknown := [name for name in self.skip if name not in DATA_CHECKS]:
            raise ConfigError(
                f"there is no data check {', '.join(map(repr, unknown))}",
                where="callbacks.data.skip",
                remedy=f"Checks: {', '.join(DATA_CHECKS)}.",
            )

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        look = getattr(trainer.datamodule, "findings", None)
        if look is None:
            return
        # One process reads the data; all must hear of a stop, or the others would wait for it for ever.
        found = trainer.strategy.broadcast(look() if trainer.is_global_zero else None)
        kept = [finding for finding in found if finding.check not in self.skip]
        for finding in sorted(kept, key=lambda finding: finding.severity == Severity.STOP):
            self.report(trainer, finding)
