"""What TensorBoard should show, read off a run's own event files."""

from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

KEEP_ALL = {"scalars": 0, "images": 0, "tensors": 0}


@dataclass
class Logged:
    """One run as TensorBoard counts them: the model's, or a baseline's beside it.

    Attributes:
        scalars: tag -> its last value.
        images: tag -> the bytes of the last picture.
        texts: tag -> Markdown.
        plugins: plugin -> its tags.
        charts: of the custom scalars: category -> title of a chart -> patterns of the tags in it.
    """

    scalars: dict[str, float]
    images: dict[str, bytes]
    texts: dict[str, str]
    plugins: dict[str, list[str]]
    charts: dict[str, dict[str, list[str]]]

    @property
    def animations(self) -> set[str]:
        return {tag for tag, picture in self.images.items() if picture.startswith(b"GIF8")}


def logged_in(logdir: Path) -> dict[str, Logged]:
    """Name as TensorBoard shows it (the folder, relative to `logdir`) -> what was logged there."""
    folders = sorted({path.parent for path in logdir.rglob("events.out.tfevents.*")})
    return {str(folder.relative_to(logdir)): read(folder) for folder in folders}


def read(folder: Path) -> Logged:
    files = EventAccumulator(str(folder), size_guidance=KEEP_ALL).Reload()
    tags = files.Tags()
    plugins: dict[str, list[str]] = {}
    for tag in tags["tensors"]:
        plugins.setdefault(files.SummaryMetadata(tag).plugin_data.plugin_name, []).append(tag)
    last = {tag: files.Tensors(tag)[-1].tensor_proto for tag in tags["tensors"]}
    charts: dict[str, dict[str, list[str]]] = {}
    for tag in plugins.get("custom_scalars", []):
        for category in Layout.FromString(last[tag].string_val[0]).category:
            charts[category.title] = {chart.title: list(chart.multiline.tag) for chart in category.chart}
    return Logged(
        scalars={tag: files.Scalars(tag)[-1].value for tag in tags["scalars"] if files.Scalars(tag)},
        images={tag: files.Images(tag)[-1].encoded_image_string for tag in tags["images"] if files.Images(tag)},
        texts={tag: last[tag].string_val[0].decode() for tag in plugins.get("text", [])},
        plugins=plugins,
        charts=charts,
    )
