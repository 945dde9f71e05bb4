"""What components have been asked for since a config was stored: as they were before there was a choice.

Defaults live in conf/ alone, and a stored config is whole, so that a component which gets an argument would no longer
be built from it.
"""

from collections.abc import Mapping

ADDED: Mapping[str, Mapping[str, object]] = {
    "models.gcn_lstm.spatial.SpatialGCN": {"input_norm": False},
    "models.gcn_lstm.temporal.BiLSTM": {"motion": None},
}
"""`_target_` -> arguments that it has got, and what they were when there was no choice."""


def with_newer_keys(node: object) -> object:
    """A copy of a stored config in which every component has all of its arguments."""
    if isinstance(node, Mapping):
        added = ADDED.get(node.get("_target_"), {})
        return {**added, **{key: with_newer_keys(inner) for key, inner in node.items()}}
    if isinstance(node, list):
        return [with_newer_keys(inner) for inner in node]
    return node
