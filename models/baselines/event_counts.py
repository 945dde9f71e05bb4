"""Count models of the next event's fields, each field by itself: what an event model with independent heads must beat.

`uniform`, `unigram` (add one), `copy-last` (accuracy only), `bigram` (the field's last value, additive smoothing),
`back-off` (the best single last value of any field), `pair` (the field's last value with another field's) and `5-gram`
(the field's last four values). Definitions: the data README; every choice is made on validation targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.baselines.backoff import BackOff, CountedBackOff
from models.baselines.event_history import EventHistory
from models.baselines.search import Candidate, FieldSearch, best
from schemas.errors import ConfigError
from schemas.events import UNK

COPY_LAST = "copy-last"
MODELS = ("uniform", "unigram", COPY_LAST, "bigram", "back-off", "pair", "5-gram")
SMOOTHING = (0.001, 0.01, 0.1, 1)
"""The a of the bigram that are tried."""
NGRAM_CONTEXT = 4


@dataclass(frozen=True)
class CountScores:
    """What a model gives n targets, D dynamic fields each, in the order of `history.dynamic`."""

    nll: np.ndarray | None
    """[n, D] nats; None for copy-last, which has no probabilities."""
    hit: np.ndarray
    """[n, D] bool: the likeliest value (the lowest number among equals) is the target's, and the target is not UNK."""


@dataclass(frozen=True)
class CountModels:
    """Models fitted on one history, ready to score any of its targets."""

    history: EventHistory
    fields: Mapping[str, Sequence[BackOff] | None]
    """Model name -> [D] models; None: it copies the last value."""
    val_nll: Mapping[str, np.ndarray]
    """Model name -> [D] nats on the validation targets; copy-last has none."""

    def score(self, rows: np.ndarray) -> dict[str, CountScores]:
        """Model name -> scores of the targets at these rows; raises DataError for one without a predecessor."""
        rows = np.asarray(rows)
        self.history.check_targets(rows)
        return {name: self._score(models, rows) for name, models in self.fields.items()}

    def _score(self, models: Sequence[BackOff] | None, rows: np.ndarray) -> CountScores:
        if models is None:
            now, last = (self.history.values[at][:, list(self.history.dynamic)] for at in (rows, rows - 1))
            return CountScores(None, (now == last) & (now != UNK))
        nll, hit = zip(*(CountedBackOff(model, self.history).score(rows) for model in models), strict=True)
        return CountScores(np.stack(nll, axis=1), np.stack(hit, axis=1))

    def best(self) -> tuple[str, ...]:
        """[D] the model of each field that is best on validation."""
        names = list(self.val_nll)
        return tuple(names[place] for place in np.argmin([self.val_nll[name] for name in names], axis=0))

    def chosen(self) -> dict[str, dict[str, str]]:
        """Model name -> field name -> the contexts and strengths chosen, as a person reads them."""
        return {
            name: {self.history.names[model.field]: model.describe(self.history) for model in models}
            for name, models in self.fields.items()
            if models is not None
        }


def fit_count_models(
    history: EventHistory, models: Sequence[str] = MODELS, partners: Sequence[int] | None = None
) -> CountModels:
    """Fits the models named, for every dynamic field.

    A sequence that began less than four events ago has PAD in the places before: the 5-gram knows that it is near the
    start. Each of its levels takes its own b.

    Args:
        history: the events, the training targets to count and the validation targets to choose on.
        models: names out of MODELS.
        partners: the fields whose last value may serve as context beside the field's own; None: all of them.

    Raises:
        ConfigError: for a name that is none of them.
    """
    for name in models:
        if name not in MODELS:
            raise ConfigError(f"there is no count model {name!r}", remedy=f"Count models: {', '.join(MODELS)}.")
    partners = range(len(history.names)) if partners is None else partners
    fields: dict[str, list | None] = {name: None if name == COPY_LAST else [] for name in models}
    nll: dict[str, list] = {name: [] for name in models if name != COPY_LAST}
    for field in history.dynamic:
        search = FieldSearch(history, field)
        for name, candidate in _candidates(search, models, partners).items():
            fields[name].append(search.model(candidate))
            nll[name].append(candidate.nll)
    return CountModels(history, fields, {name: np.array(values) for name, values in nll.items()})


def _candidates(search: FieldSearch, models: Sequence[str], partners: Sequence[int]) -> dict[str, Candidate]:
    """Model name -> the best of its kind for one field."""
    own, others = (search.field, 1), [(field, 1) for field in partners if field != search.field]
    found = {"uniform": search.uniform, "unigram": search.unigram}
    if "bigram" in models:
        found["bigram"] = search.extend(search.uniform, (own,), [a * search.cardinality for a in SMOOTHING])
    if {"back-off", "pair"} & set(models):
        single = best(search.extend(search.unigram, (source,)) for source in (own, *others))
        pairs = [search.extend(single, (own, other)) for other in others] if "pair" in models else []
        found |= {"back-off": single, "pair": best(pairs or [single])}
    if "5-gram" in models:
        found["5-gram"] = search.unigram
        for length in range(1, NGRAM_CONTEXT + 1):
            context = tuple((search.field, lag) for lag in range(1, length + 1))
            found["5-gram"] = search.extend(found["5-gram"], context)
    return {name: found[name] for name in models if name in found}
