"""Files that are no checkpoint, or that would run code: one readable error each, and nothing is run."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reports.describe.location import find_checkpoint
from reports.describe.page import describe
from schemas.errors import CheckpointError


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def fails(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        describe(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "before torch 1.6"])
def test_a_file_that_wants_to_run_code_is_not_loaded_and_its_wish_is_named(options, tmp_path, save):
    path = save({"state_dict": {"w": torch.zeros(2)}, "more": Planted(tmp_path / "ran")}, **options)
    fails(path, r"wants to run code: it asks for \w+\.mkdir\. It was not loaded")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_plain_pickle_with_code_is_not_loaded_either(protocol, tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps(Planted(tmp_path / "ran"), protocol))
    with pytest.raises(CheckpointError):
        describe(tmp_path / "a.pth")
    if protocol:
        fails(tmp_path / "a.pth", r"asks for \w+\.mkdir")
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_model_is_refused_by_the_name_of_its_class(save):
    fails(save(nn.Linear(2, 2)), r"asks for torch\.nn\.modules\.linear\.Linear.*save its state_dict alone")


def test_an_array_of_numpy_is_refused_by_name(save):
    fails(save({"w": torch.zeros(2), "x": np.zeros(3)}), r"asks for numpy\.\S*_reconstruct")


BYTES = {
    "text": b"epoch,loss\n1,2.0\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "zeros": bytes(5000),
    "noise": np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("kind", BYTES)
def test_what_is_no_checkpoint_is_said_to_be_none(kind, tmp_path):
    (tmp_path / "a.pth").write_bytes(BYTES[kind])
    fails(tmp_path / "a.pth", "no checkpoint of torch")


def test_another_zip_archive_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    fails(tmp_path / "a.ckpt", "no checkpoint")


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_called_damaged(options, share, save):
    path = save({"state_dict": {"w": torch.zeros(1000)}}, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    fails(path, "cut off|damaged|no checkpoint of torch")


def test_a_file_from_before_torch_1_6_is_read(save):
    path = save({"state_dict": {"fc.weight": torch.zeros(3, 2)}}, _use_new_zipfile_serialization=False)
    assert describe(path).fact("Numbers", "numbers in the state dict").value == 6


def test_a_storage_that_claims_more_than_the_file_holds_is_refused_or_counted_but_not_filled(tmp_path, save):
    path, forged = save({"w": torch.zeros(1000)}), tmp_path / "forged.pth"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                assert content.count(b"M\xe8\x03") == 2  # 1000, as the storage's numbers and as the tensor's
                content = content.replace(b"M\xe8\x03", b"J\x00\xca\x9a\x3b")  # 1,000,000,000
            new.writestr(name, content)
    with pytest.raises(CheckpointError):
        describe(forged)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(2, 3), r"a single tensor \[2, 3\]"),
        ([1, 2], "a list"),
        ({"epoch": 3, "val_acc": 0.5}, "no named weights.*epoch, val_acc"),
        ({}, "no named weights.*none"),
    ],
    ids=["tensor", "list", "metrics", "nothing"],
)
def test_a_file_without_weights_says_what_it_holds(content, message, save):
    fails(save(content), message)


def test_what_is_not_there_is_found_without_torch(tmp_path):
    (tmp_path / "empty.pth").touch()
    (tmp_path / "folder").mkdir()
    for name, message in {"none.pth": "no such file", "empty.pth": "empty", "folder": "without checkpoints"}.items():
        with pytest.raises(CheckpointError, match=message):
            find_checkpoint(tmp_path / name)


def test_of_a_runs_folder_the_best_checkpoint_is_described(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": {"fc.weight": torch.zeros(3, 2)}}, tmp_path / "checkpoints" / "best.ckpt")
    page = describe(tmp_path)
    assert page.title == "best.ckpt" and "run's folder" in page.fact("File", "remark").text


def test_of_a_folder_without_a_best_the_others_are_named(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    torch.save({}, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"Name one of its files: checkpoints/last\.ckpt"):
        describe(tmp_path)
