"""Which optimizer left a state behind, its settings, and which weights it never touched."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from reports.describe.facts import Fact, Known
from reports.describe.saved import number_of

OF_STATE = (
    ({"exp_avg", "exp_inf"}, "Adamax"),
    ({"exp_avg", "exp_avg_sq", "mu_product"}, "NAdam"),
    ({"exp_avg", "exp_avg_sq"}, "Adam"),
    ({"square_avg", "acc_delta"}, "Adadelta"),
    ({"square_avg"}, "RMSprop"),
    ({"momentum_buffer"}, "SGD"),
    ({"exp_avg"}, "Lion"),
    ({"sum"}, "Adagrad"),
)
"""Names in the state of one parameter -> the optimizer that keeps them; the first that fits counts."""
OF_SETTINGS = (({"dampening", "nesterov"}, "SGD"), ({"betas", "amsgrad"}, "Adam"), ({"alpha", "centered"}, "RMSprop"))
SHOWN = (
    "lr",
    "initial_lr",
    "weight_decay",
    "betas",
    "eps",
    "momentum",
    "nesterov",
    "amsgrad",
    "alpha",
    "rho",
    "dampening",
)


@dataclass
class OptimizerState:
    """What the state of an optimizer says."""

    facts: list[Fact]
    rates: list[float] = field(default_factory=list)
    """The rate of each parameter group."""
    initial: list[float] = field(default_factory=list)
    listed: int = 0
    """Parameters in its groups."""
    untouched: list[int] = field(default_factory=list)
    """Places of those that have no state: no gradient ever reached them."""
    state_shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def read_optimizer(saved: Mapping) -> OptimizerState:
    """The facts of {"state": ..., "param_groups": ...}; whatever else a file may hold there is passed over."""
    groups = [group for group in saved["param_groups"] if isinstance(group, Mapping)]
    states = saved.get("state") if isinstance(saved.get("state"), Mapping) else {}
    states = {place: one for place, one in states.items() if isinstance(one, Mapping) and one}
    keys = set().union(*(one.keys() for one in states.values())) if states else set()
    settings = set().union(*(group.keys() for group in groups)) if groups else set()
    found = OptimizerState([_kind(keys, settings, groups)])
    found.rates = [rate for group in groups if (rate := number_of(group.get("lr"))) is not None]
    found.initial = [rate for group in groups if (rate := number_of(group.get("initial_lr"))) is not None]
    listed = [group["params"] for group in groups if isinstance(group.get("params"), list)]
    places = [place for params in listed for place in params if isinstance(place, int | str)]
    found.listed = len(places)
    found.untouched = [place for place in places if place not in states] if states else []
    for place, one in states.items():
        shape = next((tuple(v.shape) for v in one.values() if isinstance(v, Tensor) and v.ndim), None)
        if shape is not None:
            found.state_shapes[place] = shape
    found.facts += _settings(groups) + _steps(states)
    return found


def _kind(keys: set, settings: set, groups: list[Mapping]) -> Fact:
    kind = next((name for needed, name in OF_STATE if needed <= keys), None)
    by_settings = next((name for needed, name in OF_SETTINGS if needed <= settings), None)
    if kind in (None, "Adam") and {"amsgrad", "decoupled_weight_decay"} <= settings:  # torch 2.6 and later
        decoupled = any(group.get("decoupled_weight_decay") for group in groups)
        return Fact("optimizer", "AdamW" if decoupled else "Adam", Known.COMPUTED)
    if kind == "Adam" and settings and "amsgrad" not in settings:
        return Fact("optimizer", "Adam family (exp_avg, exp_avg_sq), without torch's settings of Adam", Known.GUESS)
    if kind == "Adam":
        decays = {number_of(group.get("weight_decay")) or 0 for group in groups}
        which = "AdamW or Adam, which are the same without weight decay" if decays == {0} else "AdamW rather than Adam"
        return Fact("optimizer", f"Adam family (exp_avg, exp_avg_sq); {which}", Known.GUESS)
    if kind is not None:
        return Fact("optimizer", f"{kind} (its state has {', '.join(sorted(map(str, keys)))})", Known.GUESS)
    if by_settings is not None:
        return Fact("optimizer", f"{by_settings} (by its settings; it keeps no state)", Known.GUESS)
    return Fact("optimizer", "unknown", Known.NOT)


def _settings(groups: list[Mapping]) -> list[Fact]:
    facts = []
    for key in SHOWN:
        values = [value for group in groups if (value := group.get(key)) is not None and value is not False]
        values = [
            v if number_of(v) is None else number_of(v) for v in values if not isinstance(v, Tensor) or v.numel() == 1
        ]
        distinct = list(dict.fromkeys(str(tuple(v)) if isinstance(v, list) else str(v) for v in values))
        if distinct:
            name = {"lr": "learning rate", "initial_lr": "initial learning rate"}.get(key, key.replace("_", " "))
            facts.append(Fact(name, "; ".join(distinct[:10]), Known.STORED))
    return [*facts, Fact("parameter groups", len(groups), Known.STORED)] if len(groups) > 1 else facts


def _steps(states: Mapping) -> list[Fact]:
    if not states:
        return [Fact("steps", "no state: it never stepped, or keeps none", Known.STORED)]
    saved = [step for one in states.values() if (step := number_of(one.get("step"))) is not None]
    steps = {int(step) for step in saved if math.isfinite(step)}
    if not steps:
        return []
    return [Fact("steps", max(steps) if len(steps) == 1 else f"{min(steps):,} to {max(steps):,}", Known.STORED)]
