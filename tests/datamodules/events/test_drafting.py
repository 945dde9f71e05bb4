"""A draft of an unknown log: it says what the columns are, and trains."""

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from datamodules.events import drafting
from datamodules.events.drafting import draft
from experiment.configs.compose import CONF
from schemas.errors import DataError


def a_log(rows: int = 1200) -> pd.DataFrame:
    """Sequences of six events; a machine that returns over all of them, a plant for each sequence."""
    rng = np.random.default_rng(0)
    case = np.arange(rows) // 6
    return pd.DataFrame(
        {
            "case id": [f"c{number}" for number in case],
            "Opened at": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * 90, "s"),
            "closed": pd.Timestamp("2024-02-01") + pd.to_timedelta(np.arange(rows) // 2 * 60, "s"),
            "step": rng.choice(["begin", "middle", "end"], rows),
            "machine": [f"m{number}" for number in rng.integers(0, 150, rows)],
            "plant": np.array(["north", "south"])[case % 2],
            "weight": rng.normal(size=rows).round(6),
            "row": np.arange(rows),
            "version": "v1",
        }
    )


@pytest.fixture(params=["log.csv", "log.csv.gz", "log.parquet"])
def source(request, tmp_path):
    path = tmp_path / request.param
    a_log().to_parquet(path) if path.suffix == ".parquet" else a_log().to_csv(path, index=False)
    return path


def test_what_the_columns_are(source):
    found = draft(source)
    assert (found.sequence, found.time, found.split, found.rows, found.whole) == (
        "case id",
        "Opened at",
        "sequence_hash",
        1200,
        True,
    )
    settings = yaml.safe_load(found.yaml())["fields"]
    assert settings["step"] == {} and settings["machine"] == {"kind": "id"} and settings["plant"] == {"role": "static"}
    assert set(settings) == {"step", "machine", "plant", "gap", "weekday", "hour"}
    assert set(found.left_out) == {"closed", "weight", "row", "version"}
    assert found.streams == {"machine": "{key: machine}"}


def test_columns_whose_names_collide_all_stay(tmp_path):
    """With one another, and with the fields that are made from the moments."""
    rng = np.random.default_rng(1)
    own = ["Status A", "status_a", "STATUS-A", "hour", "Gap"]
    log = a_log().assign(**{name: rng.choice(["x", "y"], 1200) for name in own})
    log.to_csv(tmp_path / "log.csv", index=False)
    fields = yaml.safe_load(draft(tmp_path / "log.csv").yaml())["fields"]
    assert fields["status_a"] == {"column": "Status A"} and fields["status_a_2"] == {"column": "status_a"}
    assert fields["status_a_3"] == {"column": "STATUS-A"}
    assert fields["hour"] == {} and fields["gap"] == {"column": "Gap"}
    assert fields["hour_2"] == {"kind": "hour"} and fields["gap_2"]["kind"] == "gap"
    made = as_datamodule(tmp_path / "log.csv")
    values = {field.name: len(field.values) for field in made.schema.fields}
    assert values["hour"] < 6 and values["hour_2"] > 20


@pytest.mark.parametrize("word", ["no", "on", "null", "y: x", "1", "true", "it's", 'a "b"', "a\nb", "ä", "${x}", "#1"])
def test_every_name_is_text_again_when_it_is_read(word, tmp_path):
    log = a_log().rename(columns={"case id": f"{word} case", "Opened at": f"{word} time", "step": word})
    log.to_csv(tmp_path / "log.csv", index=False)
    read = yaml.safe_load(draft(tmp_path / "log.csv").yaml())
    assert read["sequence"] == f"{word} case" and read["time"] == f"{word} time"
    assert all(isinstance(name, str) for name in read["fields"])
    assert word in {settings.get("column", name) for name, settings in read["fields"].items()}


@pytest.mark.parametrize("word", ["no", "on", "null", "true"])
def test_a_sequence_a_time_and_a_stream_may_have_names_that_yaml_takes_for_others(word, tmp_path):
    columns = {name: name for name in ("case id", "Opened at", "machine")}
    for column in columns:
        a_log().rename(columns=columns | {column: word}).drop(columns="closed").to_csv(tmp_path / "l.csv", index=False)
        read = yaml.safe_load(draft(tmp_path / "l.csv").yaml())
        assert word in (read["sequence"], read["time"], read["streams"].get(word, {}).get("key"))


def test_a_draft_is_a_datamodule(source):
    datamodule = as_datamodule(source)
    assert set(datamodule.schema.dynamic_names) == {"step", "machine", "gap", "weekday", "hour"}
    assert len(datamodule.table.starts) - 1 == 200


def as_datamodule(source):
    """What Hydra makes of the draft."""
    written = yaml.safe_load(draft(source).yaml())
    options = written.pop("defaults")
    merged = OmegaConf.merge(
        OmegaConf.load(CONF / "datamodule" / f"{options[0]}.yaml"),
        {"split": OmegaConf.load(CONF / "datamodule" / "split" / f"{options[1]['split']}.yaml")},
        written,
    )
    del merged["task"]
    merged.seed = 0
    return instantiate(merged)


def test_a_split_of_the_sources_own_is_used(tmp_path):
    log = a_log().assign(split=np.where(np.arange(1200) < 900, "train", "test"))
    log.to_csv(tmp_path / "log.csv", index=False)
    assert draft(tmp_path / "log.csv").split == "column"


def test_only_the_first_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(drafting, "ROWS", 600)
    a_log().to_csv(tmp_path / "log.csv", index=False)
    found = draft(tmp_path / "log.csv")
    assert (found.rows, found.whole) == (600, False) and "the first 600 rows" in found.yaml()


UNUSABLE = {
    "no time": (lambda log: log.drop(columns=["Opened at", "closed"]), "none of its columns holds moments"),
    "nothing returns": (lambda log: log[["row", "Opened at"]], "no column tells sequences apart"),
    "no rows": (lambda log: log.iloc[:0], "it has no rows"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_drafted_is_said(name, tmp_path):
    change, said = UNUSABLE[name]
    change(a_log()).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(DataError, match=said):
        draft(tmp_path / "log.csv")


def test_what_is_no_table_is_said(tmp_path):
    (tmp_path / "log.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read as a table"):
        draft(tmp_path / "log.parquet")
