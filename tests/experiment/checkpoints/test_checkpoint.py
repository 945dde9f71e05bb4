"""Checkpoints: verified before they are read, of a known format, written whole or not at all."""

import errno
import os
import zipfile
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import nn

from experiment.checkpoints import lightning_io
from experiment.checkpoints.file import FORMAT, migrate, read_checkpoint, record_of, verify
from experiment.checkpoints.lightning_io import TrustedCheckpointIO
from experiment.checkpoints.registry import check_config
from schemas.errors import CheckpointError, ConfigError
from tests.experiment.small_checkpoint import equal, small_content, write


def tiny() -> dict:
    """Every kind of value and of number that a run may keep."""
    types = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint16, torch.bool)
    tensors = {str(kind): torch.tensor([0, 1, 1]).to(kind) for kind in types}
    tensors |= {"empty": torch.zeros(0, 3), "view": torch.arange(10.0)[2:8:2], "turned": torch.ones(2, 3).T}
    plain = {"text": "größe", "none": None, "huge": 2**70, "nan": float("nan"), "list": [1, (2, 3.5)], "yes": True}
    return {"state_dict": tensors, "plain": plain, "parameter": nn.Parameter(torch.ones(2))}


def test_what_is_written_is_read_again(tmp_path):
    content = tiny()
    assert equal(read_checkpoint(write(tmp_path / "a.ckpt", content)), content)


def test_the_tensors_lie_where_the_standard_library_finds_them(tmp_path):
    path = write(tmp_path / "a.ckpt", {"w": torch.arange(4.0)})
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None and archive.read("archive/data/0") == torch.arange(4.0).numpy().tobytes()


def test_the_bits_of_a_file_are_guarded(tmp_path):
    """Each flip is refused or changes nothing that is loaded; torch alone would take some for good."""
    content = {"state_dict": {"w": torch.arange(5.0)}, "epoch": 3, "assay": {"history": [{"loss": 1.5}]}}
    path = write(tmp_path / "a.ckpt", content)
    whole, flipped = path.read_bytes(), tmp_path / "flipped.ckpt"
    archive = zipfile.ZipFile(path)
    directory, harmless = archive.start_dir, 0
    weights = archive.getinfo("archive/data/0")
    start = whole.index(torch.arange(5.0).numpy().tobytes())
    # The weights, what stands around them, and the directory with the file's end; four bits of each byte.
    for place in [*range(weights.header_offset, start + 20 + 16), *range(directory, len(whole))]:
        for bit in (0, 2, 4, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            flipped.write_bytes(damaged)
            try:
                loaded = read_checkpoint(flipped)
            except CheckpointError:
                continue
            assert equal(loaded, content), (place, bit)
            harmless += 1
            # Only the padding before the weights and the end's two version numbers.
            assert place < start or place >= directory
    assert harmless < 1000


def test_torch_alone_takes_a_flipped_weight(tmp_path):
    path = write(tmp_path / "a.ckpt", {"w": torch.ones(100)})
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(torch.ones(100).numpy().tobytes()) + 50] ^= 4
    path.write_bytes(damaged)
    assert not torch.load(path, weights_only=True)["w"].equal(torch.ones(100))
    with pytest.raises(CheckpointError, match="the record data/0 is not what was written: its checksum differs"):
        verify(path)


def test_a_damaged_checkpoint_names_the_others_of_the_run(tmp_path):
    for number, name in enumerate(("epoch_25", "last", "best")):
        os.utime(write(tmp_path / f"{name}.ckpt", {"w": torch.ones(1)}), (number, number))
    (tmp_path / "best.ckpt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"best\.ckpt: the file is empty.*: last\.ckpt, epoch_25\.ckpt\."):
        read_checkpoint(tmp_path / "best.ckpt")


def test_a_missing_file_and_a_folder_are_no_checkpoints(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        verify(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match="no regular file"):
        verify(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.ckpt")
    with pytest.raises(CheckpointError, match="no regular file"):
        read_checkpoint(tmp_path / "pipe.ckpt")


class Own:
    """A class that a callback might keep in its state."""


@pytest.mark.parametrize(
    "value",
    [Path("a"), Own(), {1, 2}, nn.Linear(1, 1), torch.zeros(2, device="meta")],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_load_again_is_refused_when_it_is_written(value, tmp_path):
    path = write(tmp_path / "a.ckpt", {"epoch": 1})
    with pytest.raises(CheckpointError, match=r"a\.ckpt: would not load again"):
        write(path, {"epoch": 2, "callbacks": {"own": value}})
    assert read_checkpoint(path) == {"epoch": 1} and [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    path = write(tmp_path / "last.ckpt", {"epoch": 1})

    class Full:
        """A disk that is full after some bytes."""

        def __init__(self, file):
            self.file, self.left = file, 10_000

        def write(self, data) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    save = torch.save
    monkeypatch.setattr(lightning_io.torch, "save", lambda content, file: save(content, Full(file)))
    with pytest.raises(OSError, match="No space left") as caught:
        write(path, {"epoch": 2, "w": torch.ones(100_000)})
    assert caught.value.errno == errno.ENOSPC and "last.ckpt" in caught.value.filename
    assert read_checkpoint(path) == {"epoch": 1} and [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_what_a_killed_process_left_is_replaced(tmp_path):
    (tmp_path / ".last.ckpt.unfinished").write_bytes(b"half of it")
    write(tmp_path / "last.ckpt", {"epoch": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    kept = write(tmp_path / "kept.ckpt", {"epoch": 1})
    (tmp_path / "last.ckpt").symlink_to(kept)
    write(tmp_path / "last.ckpt", {"epoch": 2})
    assert read_checkpoint(kept) == {"epoch": 1} and read_checkpoint(tmp_path / "last.ckpt") == {"epoch": 2}


class OneWeight(L.LightningModule):
    """The least that Lightning trains."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return (self.weight - batch).square().sum()

    def train_dataloader(self):
        return torch.ones(4, 1)

    def configure_optimizers(self):
        return torch.optim.Adam([self.weight], lr=0.1)


def trainer(folder: Path, epochs: int) -> L.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    settings = {"plugins": [TrustedCheckpointIO()], "enable_checkpointing": False, "default_root_dir": folder}
    return L.Trainer(max_epochs=epochs, **quiet, **settings)


@pytest.mark.filterwarnings("ignore")
def test_lightning_itself_resumes_from_verified_checkpoints_only(tmp_path):
    first, path = trainer(tmp_path, 1), tmp_path / "last.ckpt"
    module = OneWeight()
    first.fit(module)
    first.save_checkpoint(path)
    resumed, unbroken = OneWeight(), OneWeight()
    trainer(tmp_path, 2).fit(resumed, ckpt_path=path)
    trainer(tmp_path, 2).fit(unbroken)
    assert resumed.weight.equal(unbroken.weight) and not resumed.weight.equal(module.weight)

    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(module.weight.detach().numpy().tobytes())] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="checksum differs"):
        trainer(tmp_path, 2).fit(OneWeight(), ckpt_path=path)


def test_removing_a_checkpoint_that_is_gone_is_no_error(tmp_path):
    path = write(tmp_path / "a.ckpt", {"epoch": 1})
    TrustedCheckpointIO().remove_checkpoint(path)
    TrustedCheckpointIO().remove_checkpoint(path)
    assert not path.exists()


def test_a_record_without_a_format_is_read_as_the_oldest():
    record = small_content()["assay"]
    assert record.pop("format") == FORMAT
    assert migrate(record)["format"] == FORMAT and "format" not in record
    assert record_of({"assay": record}, "file")["history"] == record["history"]


def test_a_component_of_an_older_config_gets_what_it_did_before_there_was_a_choice():
    def without(node, *keys):
        if isinstance(node, dict):
            return {key: without(inner, *keys) for key, inner in node.items() if key not in keys}
        return node

    record = small_content()["assay"]
    older = record | {"format": 1, "config": without(record["config"], "input_norm", "motion")}
    assert older["config"]["model"]["net"]["spatial"].keys() < record["config"]["model"]["net"]["spatial"].keys()
    assert migrate(older)["config"] == record["config"]


@pytest.mark.parametrize(
    ("config", "said"),
    [({"model": {"_target_": ["x"]}}, "a list names no component"), ("endless", "nested without end")],
)
def test_an_older_config_of_a_stranger_is_judged_before_it_is_walked_through(config, said):
    if config == "endless":
        config = {}
        config["model"] = config
    record = small_content()["assay"] | {"format": 1, "config": config}
    with pytest.raises(ConfigError, match=said):
        check_config(record_of({"assay": record}, "file")["config"], (), "file")


@pytest.mark.parametrize(("found", "said"), [(FORMAT + 1, "Update"), ("1", "no format"), (-1, "no format")])
def test_a_format_of_the_future_is_a_clear_error(found, said):
    with pytest.raises(CheckpointError, match=said):
        record_of({"assay": small_content()["assay"] | {"format": found}}, "file")


@pytest.mark.parametrize("part", ["config", "schema", "provenance", "history"])
def test_a_record_that_lacks_a_part_is_refused(part):
    record = small_content()["assay"]
    record[part] = 3
    with pytest.raises(CheckpointError, match=rf"assay\.{part}: its {part} is missing"):
        record_of({"assay": record}, "file")


def test_a_checkpoint_of_others_says_so():
    with pytest.raises(CheckpointError, match=r"describe\.py"):
        record_of({"state_dict": {}}, "file")
