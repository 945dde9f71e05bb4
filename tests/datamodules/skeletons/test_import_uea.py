"""UEA .ts: round trips of made-up clips, the header, what is missing, and files that are not what they claim."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, uea
from schemas.errors import ConfigError, DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import made_up, read_clips, store_bytes, write_files, write_zip
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

HEADER = "#Fran\xe7ois\n%more\n@problemName Arms\n@timeStamps false\n@classLabel true wave stop 3.0\n@data\n"


def line(clip: np.ndarray, label: str) -> str:
    """A clip [T, V, C] as a line; numpy writes a float32 in as many digits as tell it from all others."""
    channels = clip.reshape(len(clip), -1).T
    return ":".join([*(",".join("?" if np.isnan(x) else str(x) for x in channel) for channel in channels), label])


def ts(*rows: str, header: str = HEADER) -> bytes:
    return (header + "\n".join(rows) + "\n").encode("latin-1")


CLIPS = {"train_00000": made_up(1, 4, 8, 3), "train_00001": made_up(2, 1, 8, 3), "test_00000": made_up(3, 6, 8, 3)}
TRAIN = ts(line(CLIPS["train_00000"], "stop"), "", line(CLIPS["train_00001"], "wave"))
TEST = ts(line(CLIPS["test_00000"], "3.0"))
FILES = {"Arms_TRAIN.ts": TRAIN, "Arms_TEST.ts": TEST}


@pytest.mark.parametrize("form", ["folder", "zip", "gz"])
def test_made_up_clips_of_several_lengths_come_back_to_the_bit(form, tmp_path):
    files = (
        {"Arms_TRAIN.ts.gz": gzip.compress(TRAIN), "in/Arms_TEST.ts.gz": gzip.compress(TEST)} if form == "gz" else FILES
    )
    source = write_zip(tmp_path / "a.zip", files) if form == "zip" else write_files(tmp_path / "a", files)
    reading, clips = read_clips("uea", source, layout="natops8")
    assert reading.classes == ("wave", "stop", "3.0") and reading.coordinates == 3 and reading.total == 3
    assert [(c.split, c.label) for c in clips.values()] == [("train", 1), ("train", 0), ("test", 2)]
    assert list(clips) == list(CLIPS)
    for name, clip in clips.items():
        np.testing.assert_array_equal(clip.frames, CLIPS[name])
        assert clip.visible.all()


def test_two_coordinates_are_told_by_the_number_of_channels(tmp_path):
    clip = made_up(1, 3, 8, 2)
    source = write_files(tmp_path, {f"X_{split}.ts": ts(line(clip, "wave")) for split in ("TRAIN", "TEST")})
    reading, clips = read_clips("uea", source, layout="natops8")
    assert reading.coordinates == 2
    np.testing.assert_array_equal(clips["test_00000"].frames, clip)


@pytest.mark.parametrize("sign", ["?", "NaN"])
def test_a_missing_value_hides_its_point_in_its_frame(sign, tmp_path):
    clip = CLIPS["train_00000"].copy()
    clip[2, 5, 1] = np.nan
    content = ts(line(clip, "wave").replace("?", sign))
    _, clips = read_clips("uea", write_files(tmp_path, FILES | {"Arms_TRAIN.ts": content}), layout="natops8")
    assert np.argwhere(~clips["train_00000"].visible).tolist() == [[2, 5]]


def test_natops_is_read_as_its_own_importer_reads_it(tmp_path):
    header = "@problemName NATOPS\n@classLabel true 1.0 2.0 3.0 4.0 5.0 6.0\n@data\n"
    files = {
        f"NATOPS_{split}.ts": ts(
            line(made_up(seed, 51, 8, 3), "6.0"), line(made_up(seed, 51, 8, 3), "2.0"), header=header
        )
        for seed, split in enumerate(("TRAIN", "TEST"))
    }
    source = write_files(tmp_path, files)
    for one, other in zip(
        read_clips("uea", source, layout="natops8")[1].values(), read_clips("natops", source)[1].values(), strict=True
    ):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert (one.label, one.split) == (other.label, other.split)


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", FILES)
    one, two = (store_bytes("uea", source, tmp_path / name / "s", layout="natops8") for name in ("one", "two"))
    assert one == two


def test_a_layout_must_be_given(tmp_path):
    with pytest.raises(ConfigError, match="layout=NAME, one of coco17"):
        read_clips("uea", write_files(tmp_path, FILES))


NO_CLASSES = HEADER.replace("true wave stop 3.0", "false")


@pytest.mark.parametrize("end", ["", ":?", ":walk"], ids=["no class", "unknown", "of no header"])
@pytest.mark.parametrize("header", [HEADER, NO_CLASSES, "@data\n"], ids=["classes", "none", "no word of them"])
def test_without_classes_every_line_of_every_file_is_a_clip(end, header, tmp_path):
    gap = CLIPS["train_00000"].copy()
    gap[2, 5, 1] = np.nan
    files = FILES | {"Arms_TRAIN.ts": ts(line(gap, "stop"), line(CLIPS["train_00001"], "wave"))}
    _, expected = read_clips("uea", write_files(tmp_path / "labelled", files), layout="natops8")
    first, second, third = (line(clip, "")[:-1] + end for clip in (gap, *list(CLIPS.values())[1:]))
    own = {"in/a.ts": ts(first, second, header=header), "b.ts.gz": gzip.compress(ts(third, header=header))}
    source = write_files(tmp_path / "own", own | {"in/a.ts.gz": b"a copy, unread"})
    assumed = load_layout("natops8")
    reading = uea.read_unlabelled(source, Options(), assumed)
    clips = {clip.id: clip for clip in reading.clips}
    assert reading.layout is assumed and reading.coordinates == 3 and reading.total == 3
    for name, labelled in {"in/a_00000": "train_00000", "in/a_00001": "train_00001", "b_00000": "test_00000"}.items():
        np.testing.assert_array_equal(clips[name].frames, expected[labelled].frames)
        np.testing.assert_array_equal(clips[name].visible, expected[labelled].visible)
    (one,) = uea.read_unlabelled(source / "b.ts.gz", Options(layout="natops8"), load_layout("coco17")).clips
    np.testing.assert_array_equal(one.frames, clips["b_00000"].frames)
    with pytest.raises(DataError, match=r"b.ts.gz, line .* needs 34 or 51"):
        uea.read_unlabelled(source, Options(), load_layout("coco17"))


R = "Arms_TRAIN.ts"
CHANNEL = line(CLIPS["train_00000"], "stop").split(":")[0]
BAD = {
    "one file": ({"Arms_TEST.ts": None}, "one file that ends in _TEST.ts or .ts.gz, there are 0"),
    "two sets": ({"Legs_TRAIN.ts": TRAIN}, "one file that ends in _TRAIN.ts or .ts.gz, there are 2"),
    "channels": ({R: ts(line(CLIPS["train_00000"][:, :7], "stop"))}, f"{R}, line 7: it has 21 channels"),
    "channels later": ({"Arms_TEST.ts": ts(line(made_up(1, 2, 8, 2), "stop"))}, "TEST.ts, line 7: it has 16 channels"),
    "lengths": ({R: TRAIN.replace(CHANNEL.encode(), b"1,2")}, f"{R}, line 7: its channels have different lengths"),
    "words": ({R: TRAIN.replace(CHANNEL.encode(), b"far")}, f"{R}, line 7: it is not all numbers"),
    "infinite": ({R: ts(line(np.full((2, 8, 3), np.inf), "stop"))}, f"{R}, line 7: frame 0, point 0 is not a finite"),
    "beyond a float32": ({R: TRAIN.replace(CHANNEL.encode(), b"1e99,1,1,1")}, f"{R}, line 7: frame 0, point 0"),
    "class": ({R: ts(line(CLIPS["train_00000"], "Stop"))}, f"{R}, line 7: its class 'Stop' is none of wave, stop"),
    "no classes": ({R: TRAIN.replace(b"true wave stop 3.0", b"false")}, f"{R}: its header has no `@classLabel"),
    "class twice": ({R: TRAIN.replace(b"wave stop", b"wave wave")}, f"{R}: its header has no `@classLabel .* once"),
    "regression": ({R: TRAIN.replace(b"@classLabel", b"@targetLabel")}, f"{R}: its header has no `@classLabel"),
    "time stamps": ({R: TRAIN.replace(b"timeStamps false", b"timeStamps true")}, f"{R}: its values have time stamps"),
    "no clip": ({R: ts()}, f"{R}: it holds no clip"),
    "no colon": ({R: ts("1,2,3")}, f"{R}, line 7: it has 0 channels"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_its_line(case, tmp_path):
    changes, message = BAD[case]
    files = {name: content for name, content in (FILES | changes).items() if content is not None}
    with pytest.raises(DataError, match=message):
        read_clips("uea", write_files(tmp_path, files), layout="natops8")


@fuzz
@given(data=st.data())
def test_fuzz_uea(data):
    small = {
        f"A_{split}.ts": ts(line(np.ones((2, 8, 2), int), "wave"), line(np.zeros((1, 8, 2)), "stop"))
        for split in ("TRAIN", "TEST")
    }
    name = data.draw(st.sampled_from(sorted(small)))
    only_clean_reads("uea", small | {name: data.draw(damaged(small[name]))}, Options(layout="natops8"))
