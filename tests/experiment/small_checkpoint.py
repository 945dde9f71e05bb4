"""A small checkpoint as a run writes it, made without training, and the means to change what it says."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import OmegaConf

from experiment.build import build_net
from experiment.checkpoints.file import FORMAT
from experiment.checkpoints.lightning_io import TrustedCheckpointIO
from experiment.configs.compose import compose_config
from schemas.clips import ClipSchema
from schemas.events import EventField, EventSchema, Stream
from schemas.skeleton import load_layout

CLIPS = ClipSchema(load_layout("kinect20"), ("wave", "nod", "walk"), 5)
EVENTS = EventSchema(
    (
        EventField("carrier", ("open", "work", "close"), "category", "dynamic"),
        EventField("gap_bin", ("short", "long"), "gap", "dynamic"),
        EventField("${oc.env:HOME}", ("a",), "category", "static"),  # a name as the data may have it
    ),
    (Stream("own", None), Stream("carrier", "carrier", "all")),
    src_seq_len=4,
    tgt_seq_len=6,
    context_at="window",
    gap_field="gap_bin",
    typical_gaps=(1.0, 2.0, 3.0, 4.0),
)
SMALL = {
    "clips": ("datamodule=clips", "datamodule.root=x", "model.spatial_dim=4", "model.temporal_dim=8"),
    "events": ("model=event_predictor", "model.d_model=8", "model.num_heads=2", "model.feed_forward=8"),
}


def small_content(task: str = "clips", *overrides: str) -> dict:
    """What such a checkpoint holds."""
    return content_of([*SMALL[task], *overrides], CLIPS if task == "clips" else EVENTS)


def content_of(overrides: list[str], schema: ClipSchema | EventSchema) -> dict:
    """What a checkpoint of this config holds before training."""
    config = compose_config(overrides)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_net(config, schema)
    record = {"config": OmegaConf.to_container(config, resolve=True), "schema": schema.to_dict()}
    provenance, history = {"seed": 0, "device": "cpu"}, [{"epoch": 1, "val/loss": 1.25}]
    return {
        "epoch": 0,
        "state_dict": {f"net.{name}": tensor for name, tensor in net.state_dict().items()},
        "assay": {"format": FORMAT, **record, "provenance": provenance, "history": history},
    }


def write(path: Path, content: dict) -> Path:
    TrustedCheckpointIO().save_checkpoint(content, path)
    return path


def equal(a: object, b: object) -> bool:
    """Of the same types and values throughout, tensors to the bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        same = (a.dtype, a.shape) == (b.dtype, b.shape)
        return same and a.contiguous().flatten().view(torch.uint8).equal(b.contiguous().flatten().view(torch.uint8))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b or (a != a and b != b)


def rewritten(path: Path, change: Callable[[str, bytes], bytes], **records: bytes) -> Path:
    """The archive with changed records, its checksums right again, in torch's own form: its writer writes it."""
    old = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    writer = torch._C.PyTorchFileWriter(str(path))
    for name in old.namelist():
        short = name.partition("/")[2]
        if short not in ("version", ".data/serialization_id", ".format_version", ".storage_alignment"):
            content = change(short, old.read(name))
            writer.write_record(short, content, len(content))
    for name, content in records.items():
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()
    return path
