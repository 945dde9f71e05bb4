"""From names and shapes to layers: one layer a module that has weights.

A weight of two dimensions is all that linear maps, graph convolutions and embeddings leave behind: only the name may
tell them apart, and where it does not, no one is claimed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reports.describe.facts import Known, LayerRow

Shapes = Mapping[str, tuple[int, ...]]


class Kind(StrEnum):
    """What a layer is, or may be."""

    GRAPH = "graph convolution"
    LINEAR = "linear map"
    LINEAR_OR_GRAPH = "linear or graph convolution (shapes cannot tell)"
    UNBIASED = "linear, graph convolution or embedding (shapes cannot tell)"
    EMBEDDING = "embedding"
    RECURRENT = "recurrent"
    CONVOLUTION = "convolution"
    BATCH_NORM = "batch norm"
    NORM = "layer or group norm"
    ATTENTION = "query, key and value maps"
    TRANSFORMER = "Transformer layers"
    STACKED = "linear maps side by side"
    PARAMETER = "parameter"


@dataclass(frozen=True)
class Layer:
    """One layer."""

    kind: Kind
    name: str
    sizes: str
    known: Known
    width_in: int | None = None
    width: int | None = None
    sets: int = 1
    """Sets of weights side by side."""
    depth: int = 1
    detail: str = ""
    """LSTM, GRU or RNN; encoder or decoder."""
    inner: int | None = None
    """Feed-forward or hidden units."""
    directions: int = 1

    @property
    def title(self) -> str:
        """What a reader calls it."""
        if self.kind is Kind.TRANSFORMER:
            return f"Transformer {self.detail}".strip()
        return self.detail or self.kind


LINEAR_NAMES = re.compile(
    r"^(lin|linear|fc|classifier|cls|head|logits|proj|projection|project|gate|mlp|ffn?|dense|output|out|up|down|query|key"
    r"|value|[qkv]|qkv|query_key_value|score|shortcut|downsample|bottleneck|intermediate|feed_?forward)s?\d*$"
    r"|_(lin|linear|fc|proj|projection|head|gate|out|output)s?\d*$|att(n|ention)",
    re.IGNORECASE,
)
GRAPH_NAMES = re.compile(r"gcn|(^|_)graph|^gc\d*$|^g?convs?\d*$|g(raph)?conv|chebconv|_convs?\d*$", re.IGNORECASE)
EMBEDDING_NAMES = re.compile(r"emb|^(wte|wpe|lookup|vocab)", re.IGNORECASE)
GRAPHS = re.compile(r"adj|graph|^P?A$|edge", re.IGNORECASE)
INNER_MAP = re.compile(r"^(lin|linear|fc|weight|theta|w)$", re.IGNORECASE)
"""What people call the map within a layer of their own."""
RECURRENT = re.compile(r"^(weight|bias)_(ih|hh|hr)(_l(\d+))?(_reverse)?$")


def layers_of(shapes: Shapes) -> list[Layer]:
    """The layers in the order of the file."""
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        path, _, leaf = name.rpartition(".")
        modules.setdefault(path, {})[leaf] = shape
    return [layer for path in modules for layer in _layers(path, modules)]


def _layers(path: str, modules: Mapping[str, Mapping[str, tuple[int, ...]]]) -> list[Layer]:
    leaves, parent = modules[path], modules.get(path.rpartition(".")[0], {})
    if any(RECURRENT.match(leaf) for leaf in leaves):
        return [recurrent(path, leaves)]
    if "running_mean" in leaves:
        width = _size(leaves["running_mean"])
        return [Layer(Kind.BATCH_NORM, path, f"{width:,}", Known.SHAPES, width=width)]
    rest, layers = dict(leaves), []
    for leaf in [leaf for leaf in leaves if leaf.endswith("proj_weight") and len(leaves[leaf]) == 2]:
        width, width_in = rest.pop(leaf)
        rest.pop("in_proj_bias", None)
        layers.append(Layer(Kind.ATTENTION, path, f"{width_in:,} -> {width:,}", Known.NAMES, width_in, width))
    if "weight" in rest:
        bias = rest.pop("bias", None)
        # of torch_geometric's layers the bias lies outside of the map
        outside = parent.get("bias") if bias is None and re.search(r"\.lin$", path) else None
        layers.append(weighted(path, rest.pop("weight"), bias or outside, parent | rest, outside is not None))
    if f"{path}.lin" in modules:
        rest.pop("bias", None)
    for leaf, shape in rest.items():
        layers.append(Layer(Kind.PARAMETER, f"{path}.{leaf}".lstrip("."), _times(shape), Known.SHAPES))
    return layers


def recurrent(path: str, leaves: Mapping[str, tuple[int, ...]]) -> Layer:
    """LSTM, GRU or simple RNN: torch stacks 4, 3 or 1 gates in each weight."""
    places = [RECURRENT.match(leaf) for leaf in leaves]
    depth = 1 + max(int(place[4] or 0) for place in places if place)
    directions = 2 if any(place and place[5] for place in places) else 1
    inputs = next((s for leaf, s in leaves.items() if leaf.startswith("weight_ih") and len(s) == 2), (0, 0))
    recur = next((s for leaf, s in leaves.items() if leaf.startswith("weight_hh") and len(s) == 2), (0, 0))
    projected = any(leaf.startswith("weight_hr") for leaf in leaves)
    hidden = recur[0] // 4 if projected else recur[1]
    gates = recur[0] // hidden if hidden else 0
    kind = {4: "LSTM", 3: "GRU", 1: "RNN"}.get(gates, "recurrent, of unknown kind")
    sizes = f"input {inputs[1]:,}, hidden {hidden:,}, {depth} layer{'s' * (depth > 1)}"
    sizes += ", bidirectional" if directions == 2 else ", one direction"
    sizes += f", projected to {recur[1]:,}" if projected else ""
    width = directions * recur[1]
    return Layer(Kind.RECURRENT, path, sizes, Known.SHAPES, inputs[1], width, 1, depth, kind, hidden, directions)


def weighted(
    path: str,
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    beside: Mapping[str, tuple[int, ...]],
    bias_outside: bool,
) -> Layer:
    """A layer of a `weight`, told by its dimensions and, where these do not suffice, by its name."""
    if len(weight) <= 1:
        kind = "norm" in path.lower() or re.search(r"(^|\.)(ln|bn)\w*$", path) or bias is not None
        named = Layer(Kind.NORM, path, f"{_size(weight):,}", Known.NAMES, width=_size(weight))
        return named if kind else Layer(Kind.PARAMETER, f"{path}.weight", _times(weight), Known.SHAPES)
    if len(weight) == 2 and bias == weight:
        return Layer(Kind.NORM, path, f"{weight[0]} x {weight[1]:,}", Known.SHAPES, width=weight[1], sets=weight[0])
    if len(weight) == 3 and bias == (weight[0], weight[2]):
        sets, width_in, width = weight
        return Layer(Kind.STACKED, path, f"{sets} x ({width_in:,} -> {width:,})", Known.SHAPES, width_in, width, sets)
    if len(weight) >= 3:
        return convolution(path, weight, bias)
    return flat_map(path, weight, bias, beside, bias_outside)


def convolution(path: str, weight: tuple[int, ...], bias: tuple[int, ...] | None) -> Layer:
    """Conv1d to Conv3d; a bias of the second size gives a transposed one away."""
    turned = bias is not None and len(bias) == 1 and bias[0] == weight[1] != weight[0]
    width, width_in = (weight[1], weight[0]) if turned else weight[:2]
    size = f"{width_in:,} -> {width:,}, kernel {_times(weight[2:])}"
    detail = f"{'ConvTranspose' if turned else 'Conv'}{len(weight) - 2}d"
    named = Known.NAMES if "conv" in path.lower() else Known.GUESS
    known = Known.SHAPES if bias is not None else named
    return Layer(Kind.CONVOLUTION, path, size, known, width_in, width, detail=detail)


def flat_map(
    path: str,
    weight: tuple[int, int],
    bias: tuple[int, ...] | None,
    beside: Mapping[str, tuple[int, ...]],
    bias_outside: bool,
) -> Layer:
    """A weight of two dimensions."""
    width, width_in = weight
    if bias is not None and bias == (width_in,) != (width,):  # some keep the map as [in, out]
        width, width_in = width_in, width
    words = [word for word in path.split(".") if not word.isdigit()] or [""]
    own = words[-1]
    while len(words) > 1 and INNER_MAP.match(words[-1]):
        words.pop()
    sizes = f"{width_in:,} -> {width:,}"
    if bias_outside or (GRAPH_NAMES.search(words[-1]) and not LINEAR_NAMES.search(words[-1])):
        subsets = next((s[0] for n, s in beside.items() if len(s) == 3 and s[1] == s[2] and GRAPHS.search(n)), 1)
        if subsets > 1 and width_in % subsets == 0:
            width_in //= subsets
            sizes = f"{width_in:,} -> {width:,} over {subsets} graphs"
        return Layer(Kind.GRAPH, path, sizes, Known.NAMES, width_in, width)
    if bias is None and not LINEAR_NAMES.search(own) and any(EMBEDDING_NAMES.search(word) for word in words[-2:]):
        return Layer(Kind.EMBEDDING, path, f"{width:,} values, width {width_in:,}", Known.NAMES, width, width_in)
    if LINEAR_NAMES.search(own) or any(LINEAR_NAMES.search(word) for word in words[-2:]):
        return Layer(Kind.LINEAR, path, sizes, Known.NAMES, width_in, width)
    kind = Kind.UNBIASED if bias is None else Kind.LINEAR_OR_GRAPH
    return Layer(kind, path, sizes, Known.SHAPES, width_in, width)


def rows_of(layers: list[Layer]) -> list[LayerRow]:
    """Layers for a table: those that differ only in the numbers of their names stand in one row."""
    groups: dict[tuple, list[Layer]] = {}
    for layer in layers:
        pattern = re.sub(r"\d+", "#", layer.name)
        groups.setdefault((pattern, layer.title, layer.sizes, layer.known), []).append(layer)
    rows = []
    for (pattern, title, sizes, known), same in groups.items():
        name = same[0].name if len(same) == 1 else pattern
        rows.append(LayerRow(name, title, sizes, len(same), known))
    return rows


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape) or "one number"


def _size(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 1
