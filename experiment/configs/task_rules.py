"""What belongs to one task only: splits of clips or of events, and callbacks that draw the one or the other."""

from collections.abc import Mapping

from schemas.errors import ConfigError

PICTURES = {
    "clips": {
        "callbacks.charts.ClipGrid",
        "callbacks.charts.ConfusionMatrix",
        "callbacks.clip_pictures.ClipAnimations",
        "callbacks.clip_pictures.Mistakes",
        "callbacks.class_bars.ClassBars",
        "callbacks.pr_curves.PRCurves",
        "callbacks.projector.Projector",
    },
    "events": {"callbacks.field_bars.FieldBars", "callbacks.stream_attention.StreamAttention"},
}
"""Callbacks that draw one kind of data."""
FOLDS = "datamodules.splits.GroupFold"
CLIP_SPLITS = {"datamodules.splits.OfficialSplit", FOLDS}
EVENT_SPLITS = {
    f"datamodules.splits.{name}" for name in ("ColumnSplit", "ChronologicalSplit", "SequenceHashSplit", "SequenceFold")
}


def parts_are_of_one_task(config: Mapping) -> None:
    """Split and pictures fit the data."""
    task, data = config["model"]["task"], config["datamodule"]
    split = (data.get("split") or {}).get("_target_")
    wrong, fitting = (CLIP_SPLITS, "column, chronological or another")
    if task == "clips":
        wrong, fitting = (EVENT_SPLITS, "official or subject_fold")
    if split in wrong:
        what = f"{split.rsplit('.', 1)[1]} splits {'events' if task == 'clips' else 'clips'}, these data are {task}"
        raise ConfigError(what, where="datamodule.split", remedy=f"Use datamodule/split={fitting}.")
    of_others = {target: other for other, targets in PICTURES.items() for target in targets if other != task}
    for name, node in config["callbacks"].items():
        if node is not None and (other := of_others.get(node.get("_target_"))):
            drawer, model = node["_target_"].rsplit(".", 1)[1], config["model"]["name"]
            what = f"{drawer} draws {other}, model {model!r} is for {task}"
            remedy = f"Use callbacks={'default' if task == 'clips' else 'events'}, or callbacks.{name}=null."
            raise ConfigError(what, where=f"callbacks.{name}", remedy=remedy)
