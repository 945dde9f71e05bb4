"""One run of events or several as one model, at temperatures that are fitted on validation only.

Legend: M members, N targets of a batch, D dynamic fields, V values of one.
"""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from experiment.evaluation.event_mixture import measured, mixed, targets_of, tempered
from experiment.evaluation.field_temperature import FieldTemperature
from experiment.prediction.inference import EventInference, chain_of
from schemas.batches import EventBatch, EventOutput

WHOLE, CALIBRATED = "whole", "calibrated"
"""Names of answers beside those of the members, which are called by their numbers from 0."""


class EventEnsemble:
    """A run as it is, or the mixture of several that are each taken at their own temperatures.

    Args:
        voices: runs that read the same windows and predict the same fields, chained ones in the same order.

    Attributes:
        of_members: [M] of lists [D] of temperatures; None for a single run, and where a field has none.
        of_whole: [D]; None where a field has none.
        events: validation targets that they were fitted on.
    """

    def __init__(self, voices: Sequence[EventInference]):
        self.voices, self.schema, self.chain = voices, voices[0].schema, chain_of(voices[0].net)
        self.of_members: list[list[float] | None] = [None] * len(voices)
        self.of_whole: list[float] | None = None
        self.events = 0

    def fit(self, batches: Callable[[], Iterable[EventBatch]]) -> None:
        """Fits the members' temperatures in one pass over validation, and the whole's in a second one."""
        if len(self.voices) > 1:
            self.of_members = self._fitted(batches(), self._told, len(self.voices))
        (self.of_whole,) = self._fitted(batches(), lambda batch: [self._whole(self._told(batch), batch)], 1)

    def answers(self, batch: EventBatch) -> dict[str, EventOutput]:
        """Of the whole, of the whole at its temperatures, and of each of several members."""
        target_ND, told = targets_of(batch, self.schema), self._told(batch)
        whole = self._whole(told, batch)
        found = {WHOLE: whole}
        if self.of_whole is not None:
            found[CALIBRATED] = tempered(whole, self.of_whole)
        if len(told) > 1:
            found |= {str(number): of_member for number, of_member in enumerate(told)}
        return {name: measured(each, target_ND, batch) for name, each in found.items()}

    def _told(self, batch: EventBatch) -> list[list[Tensor]]:
        """[N, V] log p of each field, of each member at its temperatures."""
        pairs = zip(self.voices, self.of_members, strict=True)
        return [tempered(voice.distributions(batch), temperature_D) for voice, temperature_D in pairs]

    def _whole(self, told: Sequence[list[Tensor]], batch: EventBatch) -> list[Tensor]:
        return told[0] if len(told) == 1 else mixed(told, targets_of(batch, self.schema), self.chain)

    def _fitted(
        self, batches: Iterable[EventBatch], tell: Callable[[EventBatch], list[list[Tensor]]], voices: int
    ) -> list[list[float] | None]:
        """The temperatures of everyone who tells something of a batch."""
        fits = [[FieldTemperature() for _ in self.schema.dynamic] for _ in range(voices)]
        for batch in batches:
            target_ND = targets_of(batch, self.schema)
            for of_voice, told in zip(fits, tell(batch), strict=True):
                for fit, log_p_NV, target_N in zip(of_voice, told, target_ND.T, strict=True):
                    fit.update(log_p_NV, target_N)
        self.events = fits[0][0].events
        found = [[fit.value for fit in of_voice] for of_voice in fits]
        return [None if None in temperature_D else temperature_D for temperature_D in found]
