"""Transformer layers: attention and feed-forward maps that stand together, as one entry a stack of equal ones."""

import re
from collections.abc import Iterable
from dataclasses import replace

from reports.describe.facts import Known
from reports.describe.layers import Kind, Layer

ATTENTION = re.compile(r"att(n|ention)|query_key_value|qkv", re.IGNORECASE)
CROSS = re.compile(r"cross|multihead_attn|enc(oder)?_?dec|encoder_att", re.IGNORECASE)
MAPS = {Kind.LINEAR, Kind.LINEAR_OR_GRAPH, Kind.UNBIASED, Kind.STACKED, Kind.ATTENTION, Kind.GRAPH}


def gather_transformers(layers: list[Layer]) -> list[Layer]:
    """The same layers, with those that make up Transformer layers replaced by one entry for each stack of them.

    What torch names, what assay names and most other namings are recognised: attention maps of width d, that are
    told by their names, and beside them a map from d to another width and one back.
    """
    blocks = {prefix: block for prefix in _prefixes(layers) if (block := _block(prefix, layers)) is not None}
    stacks: dict[tuple, list[str]] = {}
    for prefix, block in blocks.items():
        parent = prefix.rpartition(".")[0] if prefix.rpartition(".")[2].isdigit() else prefix
        stacks.setdefault((parent, block.width, block.inner, block.sets, block.detail), []).append(prefix)
    entry = {prefixes[0]: _stack(key[0], blocks[prefixes[0]], len(prefixes)) for key, prefixes in stacks.items()}
    found, seen = [], set()
    for layer in layers:
        prefix = next((p for p in blocks if layer.name.startswith(f"{p}.")), None)
        if prefix is None:
            found.append(layer)
        elif prefix in entry and prefix not in seen:
            found.append(entry[prefix])
        seen.add(prefix)
    return found


def guess_heads(width: int) -> int | None:
    """Heads of 64 channels, which most models have; None where the width allows none."""
    return width // 64 if width >= 64 and width % 64 == 0 else None


def _prefixes(layers: Iterable[Layer]) -> list[str]:
    """Where a Transformer layer may begin: the last number before a name of attention."""
    found = {}
    for layer in layers:
        words = layer.name.split(".")
        attention = max((place for place, word in enumerate(words) if ATTENTION.search(word)), default=0)
        number = max((place for place, word in enumerate(words[:attention]) if word.isdigit()), default=None)
        if number is not None:
            found[".".join(words[: number + 1])] = None
    return list(found)


def _block(prefix: str, layers: list[Layer]) -> Layer | None:
    """The layer under a prefix, if it has attention maps of a width and a way up from that width and down again."""
    inside = [layer for layer in layers if layer.name.startswith(f"{prefix}.") and layer.kind in MAPS]
    own = [(layer.name.removeprefix(f"{prefix}."), layer) for layer in inside]
    attention = [(name, layer) for name, layer in own if ATTENTION.search(name)]
    width = _attention_width([layer for _, layer in attention])
    if width is None:
        return None
    known = [layer for name, layer in own if not ATTENTION.search(name)]
    up = next((m for m in known if m.width_in == width and _has_way_back(m, known)), None)
    if up is None:
        return None
    cross = any(CROSS.search(name) for name, _ in attention)
    among = len({name.split(".")[0] for name, _ in attention})
    sets = max(layer.sets for _, layer in attention)
    detail = "decoder" if cross and among > 1 else "encoder" if "encoder" in prefix.lower() else ""
    return Layer(Kind.TRANSFORMER, prefix, "", Known.NAMES, width, width, sets, 1, detail, up.width)


def _has_way_back(up: Layer, maps: list[Layer]) -> bool:
    return any(m is not up and (m.width_in, m.width) == (up.width, up.width_in) for m in maps)


def _attention_width(maps: list[Layer]) -> int | None:
    """d of maps to query, key and value: one of d -> 3d, or three of d -> d."""
    for layer in maps:
        small, large = sorted((layer.width_in, layer.width))
        if large == 3 * small:
            return small
    square = [layer.width for layer in maps if layer.width_in == layer.width]
    return square[0] if len(square) >= 3 and len(set(square)) == 1 else None


def _stack(parent: str, block: Layer, depth: int) -> Layer:
    sets = f"{block.sets} side by side, each of " if block.sets > 1 else ""
    sizes = f"{sets}{depth} layer{'s' * (depth > 1)}, width {block.width:,}, feed-forward {block.inner:,}"
    return replace(block, name=parent, sizes=sizes, depth=depth)
