"""The fields of an event predictor, from its embeddings and heads."""

from collections.abc import Mapping

from reports.describe.facts import Fact, Known
from reports.describe.layers import Kind, Layer, Shapes

MAPS = {Kind.LINEAR, Kind.LINEAR_OR_GRAPH, Kind.UNBIASED, Kind.EMBEDDING}


def describe_fields(shapes: Shapes, layers: list[Layer], schema: Mapping) -> list[Fact]:
    """What is known of the fields; nothing for a net that has none.

    Args:
        shapes: of all tensors.
        layers: Transformer layers gathered.
        schema: what assay stores beside the weights, which alone tells its fields apart; may be empty.
    """
    own = _of_assay(shapes)
    if own:
        return own + _stored(schema, shapes)
    return _of_modules(layers)


def _of_modules(layers: list[Layer]) -> list[Fact]:
    """An embedding a field under one parent, or a head a field under another: cardinalities from both."""
    tables = _family([layer for layer in layers if layer.kind is Kind.EMBEDDING], "width")
    heads = _family([layer for layer in layers if layer.kind in MAPS - {Kind.EMBEDDING}], "width_in")
    if not heads or not (any("head" in layer.name.lower() for layer in heads.values()) or tables.keys() & heads.keys()):
        return []
    first = next(iter(heads.values()))
    facts = [
        Fact("fields", len(tables.keys() | heads.keys()), Known.NAMES),
        Fact("d_model", first.width_in, Known.NAMES),
    ]
    for field in dict.fromkeys([*tables, *heads]):
        table, head = tables.get(field), heads.get(field)
        if table and head and table.width_in != head.width:
            value = f"{table.width_in:,} values embedded, {head.width:,} predicted"
        else:
            value = f"{(head or table).width if head else table.width_in:,} values"
            value += "" if table or not tables else ", not embedded"
            value += "" if head else ", not predicted"
        facts.append(Fact(field, value, Known.NAMES))
    return facts


def _family(layers: list[Layer], shared: str) -> dict[str, Layer]:
    """Modules with names of their own under one parent that share one width: the largest such group."""
    groups: dict[tuple, dict[str, Layer]] = {}
    for layer in layers:
        parent, _, name = layer.name.rpartition(".")
        if parent and not name.isdigit():
            groups.setdefault((parent, getattr(layer, shared)), {})[name] = layer
    groups = {key: group for key, group in groups.items() if len(group) > 1 and _are_parallel(list(group.values()))}
    return max(groups.values(), key=len, default={})


def _are_parallel(layers: list[Layer]) -> bool:
    """Not one after the other: embeddings and heads lead to the same place from different ones, or the reverse."""
    named = any(word in layers[0].name.lower() for word in ("head", "emb", "out", "field", "predict"))
    return named and not all(layer.width_in == layer.width for layer in layers)


def _of_assay(shapes: Shapes) -> list[Fact]:
    """assay keeps all values of all fields in one table, so that shapes give their sum only."""
    table, biases = shapes.get("embedding.value_Vd"), shapes.get("heads.bias_U")
    if table is None or biases is None or (len(table), len(biases)) != (2, 1):
        return []
    facts = [
        Fact("d_model", table[1], Known.NAMES),
        Fact("values of all fields", table[0], Known.NAMES),
        Fact("values of all predicted fields", biases[0], Known.NAMES),
    ]
    chained = "heads.states.earlier_Vd" in shapes
    if len(up := shapes.get("heads.states.up.weight", ())) == 3:
        facts.append(Fact("predicted fields", up[0], Known.NAMES))
        facts.append(Fact("hidden units a head", up[2], Known.NAMES))
    facts.append(Fact("heads", "chained" if chained else "independent", Known.NAMES))
    facts.append(
        Fact("output map", "of its own" if "heads.weight_Ud" in shapes else "tied to the embedding", Known.NAMES)
    )
    copied = {name.split(".")[2] for name in shapes if name.startswith("heads.pointers.")}
    lengths = {
        "streams": "memory.stream_Sd",
        "source events a group": "embedding.source_position_Ld",
        "target events": "embedding.target_position_Td",
    }
    facts += [Fact(what, shapes[name][0], Known.NAMES) for what, name in lengths.items() if shapes.get(name)]
    return [*facts, Fact("fields with a copy path", len(copied), Known.NAMES)] if copied else facts


def _stored(schema: Mapping, shapes: Shapes) -> list[Fact]:
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    if not isinstance(fields, list):
        return [Fact("values of each field", "unknown (shapes give their sum)", Known.NOT)]
    facts = []
    for field in fields:
        if isinstance(field, Mapping) and isinstance(field.get("values"), list):
            values = f"{len(field['values']) + 1:,} values with unknown, {field.get('role')}"
            facts.append(Fact(str(field.get("name")), values, Known.STORED))
    return [Fact("fields", len(facts), Known.STORED), *facts]


def values_of(schema: Mapping) -> int | None:
    """Rows of the embedding table that a stored schema asks for: every field's values with PAD and UNK."""
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    if not isinstance(fields, list) or not all(
        isinstance(f, Mapping) and isinstance(f.get("values"), list) for f in fields
    ):
        return None
    return sum(len(field["values"]) + 2 for field in fields)
