"""What components have been asked for since a config was stored: as they were before there was a choice.

Defaults live in conf/ alone, and a stored config is whole, so that a component which gets an argument would no longer
be built from it.
"""

from collections.abc import Mapping

ADDED: Mapping[str, Mapping[str, object]] = {
    "datamodules.splits.SequenceFold": {"order": "time"},
    "models.gcn_lstm.spatial.SpatialGCN": {"input_norm": False},
    "models.gcn_lstm.temporal.BiLSTM": {"motion": None},
}
"""`_target_` -> arguments that it has got, and what they were when there was no choice. Where it stands at a key of
`model`, the argument is a key of `model` as well, which the shipped config takes it from."""


def with_newer_keys(config: Mapping) -> dict:
    """A copy of a stored config, plain values of a sane depth, in which every component has all of its arguments."""
    whole = _filled(config)
    model = whole.get("model")
    if isinstance(model, dict):
        for part in list(model.values()):
            if isinstance(part, dict):
                whole["model"] = _added(part) | whole["model"]
    return whole


def _filled(node: object) -> object:
    if isinstance(node, Mapping):
        return dict(_added(node)) | {key: _filled(inner) for key, inner in node.items()}
    if isinstance(node, list):
        return [_filled(inner) for inner in node]
    return node


def _added(component: Mapping) -> Mapping[str, object]:
    target = component.get("_target_")
    return ADDED.get(target, {}) if isinstance(target, str) else {}
