"""The chained count model: each field given the past and the fields before it in the same event.

Its figures are "given the earlier fields": their sum is the joint negative log-likelihood of an event, to be compared
with chained heads only, never with a model that does not see those fields.
"""

from collections.abc import Sequence

import numpy as np

from models.baselines.event_counts import CountModels
from models.baselines.event_history import EventHistory
from models.baselines.search import Candidate, FieldSearch, best
from schemas.errors import ConfigError


def fit_chained(history: EventHistory, order: Sequence[str], partners: Sequence[int] | None = None) -> CountModels:
    """Fits a pair model a field: its own last value and a partner's, the partner's value being its last one or, for a
    field earlier in `order`, the one of the same event.

    The pair leans on the field's own last value or, where the partner is of the same event, on the partner alone if
    that is better; both lean on the unigram. Partner, what it leans on and b are chosen on validation.

    Args:
        history: the events, the training targets to count and the validation targets to choose on.
        order: names of all dynamic fields, as the event is to be unrolled.
        partners: the fields whose last value may be a partner; None: all of them.

    Returns:
        One model, `chained`; its columns stand in the order of `history.dynamic`, as everywhere.

    Raises:
        ConfigError: when `order` does not name every dynamic field once.
    """
    names = [history.names[field] for field in history.dynamic]
    if sorted(order) != sorted(names):
        raise ConfigError(f"{', '.join(order)} is no order of the dynamic fields", remedy=f"Order: {', '.join(names)}.")
    partners = range(len(history.names)) if partners is None else partners
    models, nll = [], []
    for field, name in zip(history.dynamic, names, strict=True):
        search = FieldSearch(history, field)
        earlier = [history.dynamic[names.index(before)] for before in order[: list(order).index(name)]]
        candidate = _chained(search, [other for other in partners if other != field], earlier)
        models.append(search.model(candidate))
        nll.append(candidate.nll)
    return CountModels(history, {"chained": models}, {"chained": np.array(nll)})


def _chained(search: FieldSearch, partners: Sequence[int], earlier: Sequence[int]) -> Candidate:
    own = (search.field, 1)
    alone = search.extend(search.unigram, (own,))
    pairs = [search.extend(alone, (own, (other, 1))) for other in partners]
    for other in earlier:
        partner = search.extend(search.unigram, ((other, 0),))
        pairs += [search.extend(below, (own, (other, 0))) for below in (alone, partner)]
    return best(pairs or [alone])
