"""Whatever goes wrong while writing: the old contents stay, or nothing is there, and no litter."""

import os
from pathlib import Path

import pytest

from storage import atomic, fingerprint


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def full_disk(monkeypatch):
    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


def test_a_file_is_replaced_whole(tmp_path):
    atomic.write_text(tmp_path / "a", "old")
    atomic.write_text(tmp_path / "a", "näw")
    assert contents(tmp_path) == {"a": "näw"}


def test_a_full_disk_leaves_the_old_file(tmp_path, full_disk):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="No space"):
        atomic.write_text(tmp_path / "a", "new")
    assert contents(tmp_path) == {"a": "old"}


@pytest.mark.parametrize("older", [False, True])
def test_a_folder_appears_whole(tmp_path, older):
    target = tmp_path / "deep" / "store"
    if older:
        target.mkdir(parents=True)
        (target / "outdated").write_text("old")
    with atomic.new_folder(target) as folder:
        (folder / "a").write_text("new")
        assert target.exists() == older
    assert contents(tmp_path) == {"deep/store/a": "new"}
    assert [p.name for p in target.parent.iterdir()] == ["store"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("older", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path, error, older):
    target = tmp_path / "store"
    if older:
        target.mkdir()
        (target / "a").write_text("old")
    with pytest.raises(error), atomic.new_folder(target) as folder:
        (folder / "a").write_text("half")
        raise error
    assert contents(tmp_path) == ({"store/a": "old"} if older else {})
    assert [p.name for p in tmp_path.iterdir()] == (["store"] if older else [])


def test_a_full_disk_leaves_the_old_folder(tmp_path, full_disk):
    target = tmp_path / "store"
    target.mkdir()
    (target / "a").write_text("old")
    with pytest.raises(OSError, match="No space"), atomic.new_folder(target) as folder:
        (folder / "a").write_text("new")
    assert contents(tmp_path) == {"store/a": "old"} and len(list(tmp_path.iterdir())) == 1


def failing_renames(monkeypatch, *failing: int) -> None:
    """Of the renames: 1 puts the new folder in place (refused, there is an old one), 2 moves the old one away, 3 puts
    the new one in place, 4 puts the old one back."""
    rename, calls = os.rename, []

    def sometimes(source, destination):
        calls.append(source)
        if len(calls) in failing:
            raise OSError(5, "Input/output error")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", sometimes)


@pytest.mark.parametrize("failing", [(2,), (3,)])
def test_an_older_folder_comes_back_when_the_new_one_cannot_take_its_place(failing, tmp_path, monkeypatch):
    target = tmp_path / "store"
    target.mkdir()
    (target / "a").write_text("old")
    failing_renames(monkeypatch, *failing)
    with pytest.raises(OSError, match="Input/output"), atomic.new_folder(target) as folder:
        (folder / "a").write_text("new")
    assert contents(tmp_path) == {"store/a": "old"} and len(list(tmp_path.iterdir())) == 1


def test_an_older_folder_that_cannot_come_back_is_not_deleted(tmp_path, monkeypatch):
    target = tmp_path / "store"
    target.mkdir()
    (target / "a").write_text("old")
    failing_renames(monkeypatch, 3, 4)
    with pytest.raises(OSError, match="Input/output"), atomic.new_folder(target) as folder:
        (folder / "a").write_text("new")
    assert list(contents(tmp_path).values()) == ["old"]


def test_checksums_name_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprint.of_file(tmp_path / "a").startswith("ba7816bf")  # FIPS 180-2's own example
    assert fingerprint.of_json({"a": 1, "b": [2]}) == fingerprint.of_json({"b": [2], "a": 1})
    assert fingerprint.of_json({"a": 1}) != fingerprint.of_json({"a": 2})
