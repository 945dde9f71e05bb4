"""Checkpoints made to harm: refused, each with proof that nothing was run, opened or filled."""

import io
import os
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from experiment import load_run
from experiment.checkpoints.archive import END, ENTRY, LOCAL
from experiment.checkpoints.file import read_checkpoint
from schemas.errors import CheckpointError, ConfigError
from tests.experiment.small_checkpoint import rewritten, small_content, write


class Touch:
    """Its unpickling would leave a file behind."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def marker(tmp_path):
    """A file that appears when a checkpoint's code is run; it must not be there in the end."""
    marked = tmp_path / "was_run"
    yield marked
    assert not marked.exists()


@pytest.fixture
def peak():
    """Refuses a test that took more than 300 MB of memory beyond what was in use."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def hostile(tmp_path: Path, config: object = ..., **changes: object) -> Path:
    """A whole checkpoint, right in all but what its config or its content says."""
    content = small_content()
    if config is not ...:
        content["assay"]["config"] = config
    return write(tmp_path / "hostile.ckpt", content | changes)


def with_net(net: object) -> dict:
    config = small_content()["assay"]["config"]
    return config | {"model": config["model"] | {"net": net}}


# Code on load.


def test_the_proof_would_show(tmp_path):
    """The marker of the tests below does appear where a pickle is loaded without care."""
    pickle.loads(pickle.dumps(Touch(tmp_path / "appears")))
    assert (tmp_path / "appears").exists()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_code_on_load_is_refused(legacy, tmp_path, marker):
    path = tmp_path / "hostile.ckpt"
    torch.save({"state_dict": Touch(marker)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match="plain pickle" if legacy else r"asks for (posix|nt)\.system"):
        load_run(path)


def test_code_under_every_pickle_protocol_is_refused(tmp_path, marker):
    path = write(tmp_path / "hostile.ckpt", {"a": 1})
    for protocol in range(6):
        code = pickle.dumps(Touch(marker), protocol=protocol)
        rewritten(path, lambda name, content, code=code: code if name == "data.pkl" else content)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_a_plain_pickle_and_a_script_are_no_checkpoints(tmp_path, marker):
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Touch(marker)))
    with pytest.raises(CheckpointError, match="plain pickle"):
        load_run(tmp_path / "plain.ckpt")
    (tmp_path / "script.ckpt").write_text(f"import os\nos.system('touch {marker}')\n")
    with pytest.raises(CheckpointError, match="no checkpoint of torch"):
        load_run(tmp_path / "script.ckpt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_a_program_and_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "program.ckpt")
    with pytest.raises(CheckpointError, match="no part of a checkpoint"):
        load_run(tmp_path / "program.ckpt")


# What the config asks for.


@pytest.mark.parametrize(
    "net",
    [
        {"_target_": "os.system", "command": "touch {marker}"},
        {"_target_": "os.system", "_args_": ["touch {marker}"]},
        {"_target_": "builtins.eval", "_args_": ["open('{marker}', 'w')"]},
        {"_target_": "builtins.open", "file": "{marker}", "mode": "w"},
        {"_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path", "_args_": ["{marker}"]}]},
        {"_target_": "torch.hub.load", "repo_or_dir": "{marker}", "model": "net", "source": "local"},
        {"_target_": "torch.save", "obj": 1, "f": "{marker}"},
        {"_target_": "hydra.utils.call", "config": {"_target_": "os.system", "command": "touch {marker}"}},
        {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "os.mkdir", "path": "{marker}"}]},
        {"_target_": "torch.nn.ModuleList", "modules": [[[{"_target_": "os.mkdir", "path": "{marker}"}]]]},
        {"_target_": ["os.system"], "command": "touch {marker}"},
        {"_target_": "${oc.env:HOME}"},
        {"_target_": "torch.nn.Linear", "in_features": "${oc.decode:'1'}", "out_features": 1},
        "${oc.env:HOME}",
    ],
    ids=str,
)
def test_a_config_builds_nothing_that_is_not_known(net, tmp_path, marker):
    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {name: filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return value.replace("{marker}", str(marker)) if isinstance(value, str) else value

    with pytest.raises(ConfigError, match=r"hostile\.ckpt"):
        load_run(hostile(tmp_path, with_net(filled(net))))


def test_torch_hub_runs_nothing_of_a_local_folder(tmp_path, marker):
    """`torch.hub.load` imports the hubconf.py of any folder."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hubconf.py").write_text(f"open({str(marker)!r}, 'w')\ndef net(*_): pass\n")
    net = {"_target_": "torch.hub.load", "repo_or_dir": str(tmp_path / "hub"), "model": "net", "source": "local"}
    with pytest.raises(ConfigError, match=r"torch\.hub\.load, which a checkpoint may not build"):
        load_run(hostile(tmp_path, with_net(net)))


def test_no_file_that_a_config_names_is_opened(tmp_path, marker):
    """Data, callbacks and loggers of a stranger's config are text: only the net is built."""
    config = small_content()["assay"]["config"]
    config["datamodule"] = {"_target_": "builtins.open", "file": str(marker), "mode": "w", "task": "clips"}
    config["callbacks"] = {"own": {"_target_": "os.system", "command": f"touch {marker}"}}
    config["paths"] = {"run_dir": "../../../../etc"}
    assert load_run(hostile(tmp_path, config)).epoch == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "has no model"),
        ({"model": None}, "has no model"),
        ({"model": {"task": "clips"}}, "has no net"),
        ({"model": {"task": "cooking", "net": {}}}, "no task"),
        ({"model": {"task": ["clips"], "net": {}}}, "no task"),
        (3, r"assay\.config"),
        (None, r"assay\.config"),
        ([], r"assay\.config"),
    ],
    ids=str,
)
def test_a_config_that_is_none_is_an_error_and_no_traceback(config, said, tmp_path):
    with pytest.raises((CheckpointError, ConfigError), match=said):
        load_run(hostile(tmp_path, config))


@pytest.mark.parametrize(
    "net",
    [
        None,
        [],
        {},
        "???",
        {"_target_": "torch.nn.Linear"},
        {"_target_": "torch.nn.Linear", "_partial_": True, "out_features": "many"},
        {"_target_": "torch.nn.Linear", "in_features": -1, "out_features": 1},
        {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1},
        {"_target_": "torch.nn.LSTM", "_partial_": True, "hidden_size": {}},
        {"_target_": "torch.optim.Adam", "params": []},
        {"_target_": "models.gcn_lstm.classifier.GCNLSTM", "_partial_": True},
    ],
    ids=str,
)
def test_a_net_that_cannot_be_built_is_an_error_and_no_traceback(net, tmp_path):
    with pytest.raises((CheckpointError, ConfigError), match=r"hostile\.ckpt: "):
        load_run(hostile(tmp_path, with_net(net)))


def test_a_deeply_nested_config_ends(tmp_path):
    deep: dict = {}
    for _ in range(400):
        deep = {"a": deep}
    with pytest.raises(ConfigError, match="without end"):
        load_run(hostile(tmp_path, with_net(deep)))


def test_a_nesting_that_no_program_would_write_ends(tmp_path):
    """A pickle of 100,000 lists in one another."""
    path = write(tmp_path / "hostile.ckpt", small_content())
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    rewritten(path, lambda name, content: deep if name == "data.pkl" else content)
    with pytest.raises(CheckpointError):
        load_run(path)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"skeleton": None, "classes": [], "channels": 1},
        {"skeleton": {}, "classes": 3, "channels": []},
        {"skeleton": {"joints": 3}, "classes": ["a"], "channels": 1},
        {"skeleton": small_content()["assay"]["schema"]["skeleton"], "classes": ["a"], "channels": "many"},
        {"fields": [], "streams": []},
        {"skeleton": torch.ones(1)},
    ],
    ids=str,
)
def test_a_schema_that_is_none_is_an_error_and_no_traceback(schema, tmp_path):
    content = small_content()
    content["assay"]["schema"] = schema
    with pytest.raises((CheckpointError, ConfigError), match="schema"):
        load_run(write(tmp_path / "hostile.ckpt", content))


@pytest.mark.parametrize(
    "change",
    [{"state_dict": 3}, {"state_dict": {"net.a": 3}}, {"epoch": "one"}, {"assay": None}, {"assay": []}],
    ids=str,
)
def test_a_content_of_the_wrong_kind_is_an_error_and_no_traceback(change, tmp_path):
    with pytest.raises(CheckpointError):
        load_run(hostile(tmp_path, **change))


@pytest.mark.parametrize("key", ["state_dict", "epoch", "assay"])
def test_a_missing_part_is_an_error_and_no_traceback(key, tmp_path):
    content = small_content()
    del content[key]
    with pytest.raises(CheckpointError):
        load_run(write(tmp_path / "hostile.ckpt", content))


# Claims of size.


@pytest.mark.parametrize("key", ["dim", "layers"])
def test_a_width_or_a_depth_of_a_billion_is_not_built(key, tmp_path, peak):
    net = small_content()["assay"]["config"]["model"]["net"]
    net["spatial"][key] = 10**9
    with pytest.raises(CheckpointError, match=r"1,000,000,000 is more than the [0-9,]+ numbers that the file stores"):
        load_run(hostile(tmp_path, with_net(net)))


def test_a_width_that_the_file_could_just_hold_is_not_built_either(tmp_path, peak):
    """100,000 stored numbers allow the word 100,000; a square of that side would be 40 GB."""
    net = {"_target_": "torch.nn.Linear", "in_features": 100_000, "out_features": 100_000}
    state = small_content()["state_dict"] | {"net.more": torch.zeros(100_000)}
    with pytest.raises(CheckpointError, match="far larger than the weights"):
        load_run(hostile(tmp_path, with_net(net), state_dict=state))


def test_channels_of_a_billion_are_not_built(tmp_path, peak):
    content = small_content()
    content["assay"]["schema"]["channels"] = 10**9
    with pytest.raises(CheckpointError, match="1,000,000,000 is more"):
        load_run(write(tmp_path / "hostile.ckpt", content))


def test_a_tensor_that_repeats_a_number_a_billion_times_is_refused(tmp_path, peak):
    state = small_content()["state_dict"]
    state["net.classifier.0.weight"] = torch.zeros(1).expand(10**9)
    with pytest.raises(CheckpointError, match=r"\[1000000000\] claims more elements than are stored"):
        load_run(hostile(tmp_path, state_dict=state))


@pytest.mark.parametrize("elements", [10**9, 5, 3, 0, -1])
def test_a_storage_that_claims_another_size_than_its_record_is_refused(elements, tmp_path, peak):
    path = write(tmp_path / "hostile.ckpt", {"w": torch.arange(4.0)})
    claim = b"J" + struct.pack("<i", elements) + b"t"

    def change(name: str, content: bytes) -> bytes:
        if name != "data.pkl":
            return content
        assert content.count(b"K\x04t") == 1
        return content.replace(b"K\x04t", claim)

    with pytest.raises(CheckpointError, match="elements of the record data/0, which has 16 bytes"):
        read_checkpoint(rewritten(path, change))


def test_a_shape_beyond_its_storage_is_refused(tmp_path):
    path = write(tmp_path / "hostile.ckpt", {"w": torch.arange(4.0)})
    shape = b"K\x00K\x04\x85"

    def change(name: str, content: bytes) -> bytes:
        assert name != "data.pkl" or content.count(shape) == 1
        return content.replace(shape, b"K\x00J" + struct.pack("<i", 10**9) + b"\x85")

    with pytest.raises(CheckpointError, match="torch cannot load it"):
        read_checkpoint(rewritten(path, change))


def test_a_function_that_fills_the_memory_is_refused(tmp_path, peak):
    """`torch.load(weights_only=True)` itself would make a bytearray of any length."""
    path = write(tmp_path / "hostile.ckpt", {"a": 1})
    bomb = b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R."
    rewritten(path, lambda name, content: bomb if name == "data.pkl" else content)
    with pytest.raises(CheckpointError, match=r"asks for builtins\.bytearray"):
        read_checkpoint(path)


# The archive.


def zipped(path: Path, names: list[str], method: int = zipfile.ZIP_STORED, content: bytes = b"x") -> Path:
    """An archive of the standard library's, which is not in torch's form."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_another_writer_are_refused(tmp_path):
    for names in (["a/data.pkl"], ["../data.pkl"], ["/a/data.pkl"], ["a/data.pkl", "a/data.pkl"], []):
        with pytest.raises(CheckpointError):
            read_checkpoint(zipped(tmp_path / "hostile.ckpt", names))


def test_a_zip_bomb_is_not_unpacked(tmp_path, peak):
    path = zipped(tmp_path / "bomb.ckpt", ["a/data.pkl"], zipfile.ZIP_DEFLATED, bytes(10**9))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def torch_like(path: Path, records: list[tuple[str, bytes]], method: int = 0, gap: int = 0) -> Path:
    """An archive in torch's form, with names and contents of any kind."""
    body, directory = io.BytesIO(), b""
    for name, content in records:
        place, crc, size, encoded = body.tell(), zipfile.crc32(content), len(content), name.encode()
        body.write(LOCAL.pack(b"PK\x03\x04", 0, 0x808, method, 0, 0, 0, 0, len(encoded), 0) + encoded + content)
        body.write(struct.pack("<4sIII", b"PK\x07\x08", crc, size, size) + bytes(gap))
        directory += ENTRY.pack(
            b"PK\x01\x02", 0, 0, 0x808, method, 0, crc, size, size, len(encoded), 0, 0, 0, 0, 0, place
        )
        directory += encoded
    place, count = body.tell(), len(records)
    end = (b"PK\x06\x06", 44, 0, 0, 0, 0, count, count, len(directory), place, b"PK\x06\x07", 0, place + len(directory))
    last = (1, b"PK\x05\x06", 0, 0, count, count, len(directory), place, 0)
    path.write_bytes(body.getvalue() + directory + END.pack(*end, *last))
    return path


PICKLE = pickle.dumps({"a": 1}, protocol=2)


def test_the_archives_below_are_refused_for_what_they_are_named_for(tmp_path):
    path = torch_like(
        tmp_path / "fine.ckpt", [("a/data.pkl", PICKLE), ("a/byteorder", b"little"), ("a/version", b"3\n")]
    )
    assert read_checkpoint(path) == {"a": 1}


@pytest.mark.parametrize(
    ("records", "settings", "said"),
    [
        ([("../data.pkl", PICKLE)], {}, "does not fit its contents"),
        ([("a/data.pkl", PICKLE), ("a/../../evil", b"x")], {}, "no part of a checkpoint"),
        ([("a/data.pkl", PICKLE), ("/etc/passwd", b"x")], {}, "no part of a checkpoint"),
        ([("a/data.pkl", PICKLE), ("a\\data\\0", b"x")], {}, "no part of a checkpoint"),
        ([("a/data.pkl", PICKLE), ("a/data/0/../1", b"x")], {}, "no part of a checkpoint"),
        ([("a/data.pkl", PICKLE), ("a/code/__torch__.py", b"x")], {}, "no part of a checkpoint"),
        ([("a/data.pkl", PICKLE), ("b/version", b"3")], {}, "does not fit its contents"),
        ([("a/data.pkl", PICKLE), ("a/data.pkl", PICKLE)], {}, "stands there twice"),
        ([("a/version", b"3")], {}, "data.pkl is missing"),
        ([("a/data.pkl", PICKLE)], {"method": 8}, "is compressed"),
        ([("a/data.pkl", PICKLE), ("a/version", b"3")], {"gap": 1}, "does not lie where"),
        ([("a/data.pkl", PICKLE), ("a/byteorder", b"middle")], {}, "byteorder"),
        ([("a/data.pkl", b"")], {}, "torch does not write|no pickle|another"),
        ([("a/data.pkl", b"\x80\x02}q\x00")], {}, "no pickle|cannot load"),
        ([("a/data.pkl", b"\x80\x02K\x01."), ("a/version", b"3\n")], {}, "not a checkpoint's dict"),
    ],
    ids=str,
)
def test_archives_in_torchs_form_with_anything_odd_are_refused(records, settings, said, tmp_path):
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(torch_like(tmp_path / "hostile.ckpt", records, **settings))


def test_records_that_claim_a_terabyte_are_refused(tmp_path, peak):
    """The directory's 32-bit sizes, set to 4 GB, and the wide ones to 10^12."""
    path = torch_like(tmp_path / "hostile.ckpt", [("a/data.pkl", PICKLE)])
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"PK\x01\x02")
    for size in (2**32 - 2, 2**32 - 1):
        whole[entry + 20 : entry + 28] = struct.pack("<II", size, size)
        path.write_bytes(whole)
        with pytest.raises(CheckpointError, match=r"more than the file has|torch does not write"):
            read_checkpoint(path)
    end = whole.index(b"PK\x06\x06")
    whole[end + 40 : end + 48] = struct.pack("<Q", 10**12)
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="does not fit the file"):
        read_checkpoint(path)


def test_a_link_is_followed_to_what_it_names_and_no_further(tmp_path):
    (tmp_path / "loop.ckpt").symlink_to(tmp_path / "loop.ckpt")
    with pytest.raises(CheckpointError):
        load_run(tmp_path / "loop.ckpt")
    (tmp_path / "device.ckpt").symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="no regular file"):
        load_run(tmp_path / "device.ckpt")
