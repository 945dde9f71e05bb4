"""How far a training had come, with which optimizer, and what its learning rate implies."""

from reports.describe import disagreements
from reports.describe.counts import distinct, is_trainable
from reports.describe.facts import Fact, Known
from reports.describe.optimizer import OptimizerState
from reports.describe.saved import Saved, last_named, number_of, of_training
from reports.describe.schedule import Implied, describe_cosine

SCHEDULER = ("T_max", "eta_min", "last_epoch", "step_size", "gamma")


def describe_training(saved: Saved, optimizer: OptimizerState | None) -> list[Fact]:
    """Epoch, optimizer and scheduler; what is not saved is said to be so."""
    counted = ", counted from 0" if saved.lightning else ""
    epoch = Fact("epoch", "not saved", Known.NOT)
    if saved.epoch is not None:
        epoch = Fact("epoch", f"{saved.epoch:,}{counted}" if counted else saved.epoch, Known.STORED)
    facts = [epoch]
    if (steps := saved.facts.get("global_step")) is not None:
        facts.append(Fact("global step", steps, Known.STORED))
    if optimizer is None:
        rate = _top_rate(saved)
        known = Fact("learning rate", rate, Known.STORED)
        learned = Fact("learning rate", "not saved", Known.NOT) if rate is None else known
        return [*facts, Fact("optimizer", "not saved", Known.NOT), learned]
    facts += optimizer.facts
    if len(saved.optimizers) > 1:
        facts.append(Fact("optimizers", f"{len(saved.optimizers)}; the first is described", Known.STORED))
    for scheduler in saved.schedulers[:1]:
        known = {name: number_of(scheduler.get(name)) for name in SCHEDULER}
        said = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
        facts.append(Fact("scheduler", said or "saved, without numbers", Known.STORED))
    return facts + _untouched(saved, optimizer)


def _untouched(saved: Saved, optimizer: OptimizerState) -> list[Fact]:
    """Weights that the optimizer lists and never had a gradient of; their names, where order and shapes agree."""
    trainable = distinct({name: t for name, t in saved.tensors.items() if is_trainable(name, t)})
    facts = []
    if optimizer.listed not in (0, len(trainable)):
        facts.append(Fact("parameters it steps", f"{optimizer.listed:,} of {len(trainable):,}", Known.COMPUTED))
    if optimizer.untouched:
        text, known = f"{len(optimizer.untouched):,} of {optimizer.listed:,} parameters", Known.STORED
        in_order = dict(enumerate(trainable.items()))
        same = all(p in in_order and tuple(in_order[p][1].shape) == s for p, s in optimizer.state_shapes.items())
        if same and optimizer.listed == len(trainable) and all(place in in_order for place in optimizer.untouched):
            names = ", ".join(in_order[place][0] for place in optimizer.untouched)
            text, known = f"{text}; by their order {names}", Known.GUESS
        facts.append(Fact("never stepped", text, known))
    return facts


def describe_rate(
    saved: Saved, optimizer: OptimizerState | None, epochs: int | None
) -> tuple[list[Fact], Implied | None]:
    """What the saved rate implies, and the length of the run where that comes out whole.

    Args:
        epochs: what the reader believes.
    """
    rate = optimizer.rates[0] if optimizer and optimizer.rates else _top_rate(saved)
    initial = optimizer.initial[0] if optimizer and optimizer.initial else None
    if initial is None:
        noted = last_named(saved.facts, ("initial_lr", "base_lr"))
        initial = next(iter((of_training(saved.settings, disagreements.INITIAL) | noted).values()), None)
    if rate is None:
        return [], None
    if initial is None:
        return [Fact("nothing", "the initial rate is not saved", Known.NOT)], None
    steps = next((n for s in saved.schedulers[:1] if isinstance(n := number_of(s.get("last_epoch")), int)), None)
    claims = disagreements.claimed_epochs(saved) | ({"you": epochs} if epochs else {})
    config = saved.settings if saved.record else {}
    schedule = str(config.get("scheduler.schedule._target_") or "")
    if schedule and (not schedule.endswith(".cosine") or config.get("scheduler.schedule.warmup")):
        text = "not a plain cosine, by the stored config: its length is not solved for"
        return [Fact("schedule", text, Known.STORED)], None
    share = number_of(config.get("scheduler.schedule.final")) if schedule else None
    final = None if share is None else share * initial
    return describe_cosine(rate, initial, saved.epoch, steps, claims, final)


def _top_rate(saved: Saved) -> float | None:
    return next((v for key in ("lr", "learning_rate") if (v := number_of(saved.facts.get(key))) is not None), None)
