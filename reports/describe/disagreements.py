"""Where two facts of one file do not agree."""

import math
from collections.abc import Mapping

from reports.describe.event_fields import values_of
from reports.describe.layers import Kind, Layer, Shapes
from reports.describe.optimizer import OptimizerState
from reports.describe.saved import Saved, number_of, of_training
from reports.describe.schedule import EXACT, Implied, cosine_rate

EPOCHS = ("epochs", "num_epochs", "max_epochs", "n_epochs", "total_epochs")
INITIAL = ("initial_lr", "base_lr", "lr", "learning_rate")


def claimed_epochs(saved: Saved) -> dict[str, int]:
    """Who says how many epochs the run was to have."""
    claims = {name: int(value) for name, value in of_training(saved.settings, EPOCHS).items() if 0 < value < math.inf}
    for scheduler in saved.schedulers:
        total = number_of(scheduler.get("T_max"))
        if total is not None and 0 < total < math.inf and is_by_epoch(scheduler, saved.epoch):
            claims["the scheduler's T_max"] = int(total)
    return claims


def is_by_epoch(scheduler: Mapping, epoch: int | None) -> bool:
    """Whether a scheduler steps once an epoch, as far as its count tells."""
    done = number_of(scheduler.get("last_epoch"))
    return epoch is not None and done is not None and abs(done - epoch) <= 1


def of_rates(saved: Saved, optimizer: OptimizerState | None, implied: Implied | None) -> list[str]:
    """Rates, schedules and numbers of epochs against one another."""
    found = []
    rates = optimizer.rates if optimizer else []
    initial = optimizer.initial if optimizer else []
    for scheduler in saved.schedulers[:1]:
        found += _of_scheduler(scheduler, rates, initial)
    for name, rate in of_training(saved.settings, INITIAL).items():
        if initial and not any(math.isclose(rate, one, rel_tol=1e-9) for one in initial):
            found.append(f"{name} is {rate}, the optimizer's initial rate {initial[0]}")
    if implied is not None:
        for who, claim in claimed_epochs(saved).items():
            if claim != implied.total and saved.epoch is not None and abs(implied.steps - saved.epoch) <= 1:
                found.append(f"{who} is {claim}, the learning rate is that of a cosine over {implied.total} epochs")
    if saved.history and saved.epoch is not None and not saved.epoch <= len(saved.history) <= saved.epoch + 1:
        found.append(f"the file says epoch {saved.epoch}, its history has {len(saved.history):,} epochs")
    for who, claim in claimed_epochs(saved).items():
        if saved.epoch is not None and saved.epoch > claim:
            found.append(f"{who} is {claim}, the file says epoch {saved.epoch}")
    return found


def _of_scheduler(scheduler: Mapping, rates: list[float], initial: list[float]) -> list[str]:
    found = []
    last, base = (scheduler.get(key) for key in ("_last_lr", "base_lrs"))
    last = [rate for one in last if (rate := number_of(one)) is not None] if isinstance(last, list) else []
    base = [rate for one in base if (rate := number_of(one)) is not None] if isinstance(base, list) else []
    if last and rates and last != rates[: len(last)]:
        found.append(f"the scheduler's last rate is {last[0]}, the optimizer's {rates[0]}")
    if base and initial and base != initial[: len(base)]:
        found.append(f"the scheduler starts from {base[0]}, the optimizer's initial rate is {initial[0]}")
    total, done, final = (number_of(scheduler.get(key)) for key in ("T_max", "last_epoch", "eta_min"))
    known = [number for number in (total, done, final) if number is not None and math.isfinite(number)]
    if rates and base and total and len(known) == 3:
        expected = cosine_rate(base[0], final, done, total)
        if not abs(expected - rates[0]) <= 100 * EXACT * max(base[0], final):
            found.append(
                f"the scheduler's own cosine (T_max {total:,}, down to {final}) has {expected:.10g} at step {done:,}, "
                f"the optimizer {rates[0]}"
            )
    return found


def of_widths(saved: Saved, shapes: Shapes, layers: list[Layer], classes: int | None) -> list[str]:
    """The stored config, schema and class names against the shapes."""
    found, counted = [], _counted(layers)
    for key, seen in counted.items():
        said = number_of(saved.settings.get(f"model.{key}")) if saved.record else None
        if said is not None and said != seen:
            found.append(f"the config's model.{key} is {said:,}, the shapes say {seen:,}")
    schema = saved.record.get("schema")
    named = schema.get("classes") if isinstance(schema, Mapping) else None
    if isinstance(named, list) and classes is not None and len(named) != classes:
        found.append(f"the schema names {len(named):,} classes, the classifier has {classes:,}")
    rows, table = values_of(schema), shapes.get("embedding.value_Vd")
    if rows is not None and table and table[0] != rows:
        found.append(f"the schema's fields have {rows:,} values, the embedding {table[0]:,}")
    return found


def _counted(layers: list[Layer]) -> dict[str, int]:
    """What assay's config also says."""
    graph = [layer for layer in layers if layer.kind is Kind.GRAPH]
    recurrent = [layer for layer in layers if layer.kind is Kind.RECURRENT]
    decoders = [layer for layer in layers if layer.kind is Kind.TRANSFORMER and layer.name.startswith("decoder.")]
    counted = {"spatial_layers": len(graph), "spatial_dim": graph[-1].width} if graph else {}
    if len(recurrent) == 1:
        counted |= {"temporal_layers": recurrent[0].depth, "temporal_dim": recurrent[0].inner}
    for decoder in decoders[:1]:
        counted |= {"d_model": decoder.width, "decoder_layers": decoder.depth, "feed_forward": decoder.inner}
    return counted
