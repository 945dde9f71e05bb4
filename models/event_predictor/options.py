"""The options that name fields and values, read against the schema."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from schemas.errors import ConfigError
from schemas.events import PAD, UNK, EventSchema


def field_numbers(schema: EventSchema, names: Sequence[str], where: str) -> list[int]:
    """Where the named fields stand among the dynamic ones; raises ConfigError for a name that is not there."""
    _refuse_bare(names, where)
    known = schema.dynamic_names
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no dynamic field {name!r}", where=where, remedy=f"Dynamic fields: {', '.join(known)}."
            )
        if list(names).count(name) > 1:
            raise ConfigError(f"field {name!r} stands there twice", where=where)
    return [known.index(name) for name in names]


def _refuse_bare(names: Sequence[str], where: str) -> None:
    if isinstance(names, str):
        raise ConfigError(f"{names!r} is no list", where=where, remedy=f"Write [{names}].")


def chain_order(schema: EventSchema, names: Sequence[str] | None) -> tuple[int, ...]:
    """[D] the dynamic fields in the order of the chain: as named, or the gap field first and the others as they are.

    Raises:
        ConfigError: when the names are not all dynamic fields, each once.
    """
    if names is None:
        return tuple(sorted(range(len(schema.dynamic)), key=lambda n: schema.dynamic_names[n] != schema.gap_field))
    order = field_numbers(schema, names, "model.order")
    missing = [name for name in schema.dynamic_names if name not in names]
    if missing:
        raise ConfigError("the order leaves fields out", where="model.order", remedy=f"Add {', '.join(missing)}.")
    return tuple(order)


def barred_values(schema: EventSchema, impossible: Mapping[str, Sequence[str]]) -> list[Tensor]:
    """For every dynamic field a bool tensor [V], True at PAD and at impossible values.

    Raises:
        ConfigError: for an unknown field or value, or a field of which no value is possible.
    """
    numbers = field_numbers(schema, list(impossible), "model.impossible")
    fields = [schema.fields[number] for number in schema.dynamic]
    barred = [torch.arange(field.size) == PAD for field in fields]
    for number, names in zip(numbers, impossible.values(), strict=True):
        field, where = fields[number], f"model.impossible.{fields[number].name}"
        _refuse_bare(names, where)
        for name in names:
            barred[number][field.value_of(str(name))] = True
        if barred[number][UNK + 1 :].all():
            raise ConfigError("no value of the field is possible", where=where, remedy="Leave one that is.")
    return barred
