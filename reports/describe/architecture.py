"""What a net is, in the terms of the documented summary: graph, temporal and attention parts, gate, classifier."""

import re

from reports.describe.blocks import guess_heads
from reports.describe.facts import Fact, Known, Section
from reports.describe.layers import Kind, Layer

CLASSIFIER = re.compile(r"^(classifier|cls|head|heads|logits|fc_out|output_layer|predictor)$", re.IGNORECASE)
GATE = re.compile(r"gate|gating", re.IGNORECASE)
MAPS = {Kind.LINEAR, Kind.LINEAR_OR_GRAPH, Kind.UNBIASED}


def describe_parts(layers: list[Layer], fields: list[Fact], heads: set[float]) -> list[Section]:
    """The parts that were recognised, each a section.

    Args:
        layers: Transformer layers gathered.
        fields: what is known of the fields of events; a net that has some has no classifier of one target.
        heads: of attention, as far as settings beside the weights name them.
    """
    sections = [
        _graph(layers),
        *_recurrent(layers),
        *_transformers(layers, heads),
        _convolutions(layers),
        _gate(layers),
    ]
    sections.append(Section("Event fields", fields) if fields else _classifier(layers))
    return [section for section in sections if section.facts]


def chains(layers: list[Layer]) -> list[list[Layer]]:
    """Layers of one parent whose widths follow on one another: the maps of an nn.Sequential, the layers of a stack."""
    found: list[list[Layer]] = []
    for layer in layers:
        before = found[-1][-1] if found else None
        if before and before.width == layer.width_in and _parent(before) == _parent(layer):
            found[-1].append(layer)
        else:
            found.append([layer])
    return found


def widths(chain: list[Layer]) -> str:
    """ "31 -> 512 -> 512"; equal ones in a row are counted."""
    sizes = [chain[0].width_in, *(layer.width for layer in chain)]
    text, last = f"{sizes[0]:,}", sizes[1:]
    while last:
        same = next((n for n, size in enumerate(last) if size != last[0]), len(last))
        text += f" -> {last[0]:,}" if same < 3 else f" -> {last[0]:,} ({same} times)"
        last = last[1:] if same < 3 else last[same:]
    return text


def _parent(layer: Layer) -> str:
    """The name without its numbers: of "gcn_layers.0.lin" and "gcn_layers.1.lin" it is the same."""
    return re.sub(r"\.?\d+", "", layer.name)


def _graph(layers: list[Layer]) -> Section:
    found = [layer for layer in layers if layer.kind is Kind.GRAPH]
    facts = []
    if found:
        facts.append(Fact("graph convolutions", len(found), Known.NAMES))
        facts += [Fact("widths", widths(chain), Known.NAMES) for chain in chains(found)]
        facts.append(Fact("hidden dimension", found[-1].width, Known.NAMES))
        facts.append(Fact("edges of the graph", "unknown", Known.NOT))
    return Section("Graph part", facts)


def _recurrent(layers: list[Layer]) -> list[Section]:
    found = [layer for layer in layers if layer.kind is Kind.RECURRENT]
    return [
        Section(
            f"Temporal part: {layer.detail}" if len(found) == 1 else f"{layer.detail}: {layer.name}",
            [
                Fact("where", layer.name, Known.STORED),
                Fact("input dimension", layer.width_in, Known.SHAPES),
                Fact("hidden dimension", layer.inner, Known.SHAPES),
                Fact("layers", layer.depth, Known.SHAPES),
                Fact("bidirectional", layer.directions == 2, Known.SHAPES),
            ],
        )
        for layer in found
    ]


def _transformers(layers: list[Layer], stored: set[float]) -> list[Section]:
    sections = []
    for layer in layers:
        if layer.kind is not Kind.TRANSFORMER:
            continue
        facts = [Fact("side by side", layer.sets, Known.SHAPES)] if layer.sets > 1 else []
        facts += [
            Fact("layers", layer.depth, Known.NAMES),
            Fact("width", layer.width, Known.NAMES),
            Fact("feed-forward", layer.inner, Known.NAMES),
        ]
        if len(stored) == 1:
            facts.append(Fact("heads", *stored, Known.STORED))
        elif (heads := guess_heads(layer.width)) is not None:
            facts.append(Fact("heads", f"{heads}, if of 64 channels (shapes cannot tell)", Known.GUESS))
        else:
            facts.append(Fact("heads", "unknown (shapes cannot tell)", Known.NOT))
        sections.append(Section(f"{layer.title}: {layer.name}", facts))
    return sections


def _convolutions(layers: list[Layer]) -> Section:
    found = [layer for layer in layers if layer.kind is Kind.CONVOLUTION]
    facts = []
    for chain in chains(found)[:12]:
        kernels = ", ".join(dict.fromkeys(layer.sizes.rpartition("kernel ")[2] for layer in chain))
        known = max((layer.known for layer in chain), key=list(Known).index)
        facts.append(Fact(chain[0].detail, f"{widths(chain)}, kernel {kernels} ({_place(chain)})", known))
    return Section("Convolutions", facts)


def _gate(layers: list[Layer]) -> Section:
    found = [layer for layer in layers if layer.kind in MAPS and any(GATE.search(w) for w in layer.name.split("."))]
    facts = []
    for chain in chains(found):
        if chain[-1].width > 1:
            facts.append(Fact(_place(chain), widths(chain), Known.NAMES))
            facts.append(Fact("what it weighs", f"{chain[-1].width} branches", Known.GUESS))
    return Section("Gate", facts if len(facts) == 2 else [])


def _classifier(layers: list[Layer]) -> Section:
    """The maps of that name, or else the last ones."""
    found = [layer for layer in layers if layer.kind in MAPS]
    named = [layer for layer in found if any(CLASSIFIER.match(word) for word in layer.name.split("."))]
    if not found:
        return Section("Classifier", [])
    chain, known = (chains(named)[-1], Known.NAMES) if named else (chains(found)[-1], Known.GUESS)
    facts = [Fact("where", _place(chain), known), Fact("input dimension", chain[0].width_in, known)]
    facts += [Fact("hidden dimension", layer.width, known) for layer in chain[:-1]]
    return Section("Classifier", [*facts, Fact("classes", chain[-1].width, known)])


def _place(chain: list[Layer]) -> str:
    names = [layer.name.split(".") for layer in chain]
    shared = next((n for n, words in enumerate(zip(*names, strict=False)) if len(set(words)) > 1), len(names[0]))
    return ".".join(names[0][:shared]) or chain[0].name
