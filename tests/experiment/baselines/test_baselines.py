"""Baselines stand beside the very clips and targets that a loader gives, and are fitted once for a data set."""

from dataclasses import fields
from pathlib import Path

import lightning as L
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from datamodules.events.table import EventTable
from datamodules.skeletons.datamodule import SkeletonDataModule
from experiment.baselines import cache as baseline_cache
from experiment.baselines import fitting
from experiment.baselines.fitting import clip_baselines, event_baselines, history_of
from experiment.build import build_datamodule
from models.baselines.event_counts import fit_count_models
from models.baselines.scores import ClipBaselines, EventBaselines
from schemas.errors import DataError

CONF = Path(__file__).parents[3] / "conf"


def shipped(name: str, data_dir: Path) -> L.LightningDataModule:
    overrides = [f"+datamodule={name}", "datamodule.num_workers=0", "+seed=0", f"+paths.data_dir='{data_dir}'"]
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=overrides)
    OmegaConf.resolve(config)
    return build_datamodule(config)


@pytest.fixture(scope="module")
def clips(data_dir) -> SkeletonDataModule:
    return shipped("nw_ucla", data_dir)


@pytest.fixture(scope="module")
def table(data_dir) -> EventTable:
    return shipped("bpic2013", data_dir).table


@pytest.fixture(scope="module")
def order(table) -> list[str]:
    return [field.name for field in table.fields if field.role == "dynamic"][::-1]


def assert_equal(one: dict, other: dict) -> None:
    """Every figure of every split, and the order in which models stand."""
    assert list(one) == list(other)
    for split, first in one.items():
        second = other[split]
        for name in (field.name for field in fields(first)):
            np.testing.assert_equal(getattr(second, name), getattr(first, name), f"{split} {name}")
        assert list(second.levels["loss"]) == list(first.levels["loss"])


def no_more_fits(monkeypatch) -> None:
    def fail(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr(fitting, "_fit_clips", fail)
    monkeypatch.setattr(fitting, "_fit_events", fail)


# ---- clips


def test_clips_stand_in_the_order_of_the_loader(clips):
    found = clip_baselines(clips, None)
    assert list(found) == ["val", "test"]
    for split, loader in (("val", clips.val_dataloader()), ("test", clips.test_dataloader())):
        batches = list(loader)
        assert np.array_equal(found[split].clip_id, np.concatenate([batch.clip_id for batch in batches]))
        assert np.array_equal(found[split].label, np.concatenate([batch.label for batch in batches]))
        for predicted in found[split].predicted.values():
            assert predicted.shape == found[split].label.shape


def test_majority_class_and_prior_are_the_training_clips_own(clips):
    found, train = clip_baselines(clips, None), clips.store.labels[clips.rows["train"]]
    counts = np.array([(train == k).sum() for k in range(clips.schema.num_classes)])
    for split in ("val", "test"):
        label = clips.store.labels[clips.rows[split]]
        assert (found[split].predicted["majority class"] == counts.argmax()).all()
        nats = [-np.log((counts[k] + 1) / (len(train) + len(counts))) for k in label]
        assert found[split].loss == {"class prior": pytest.approx(np.mean(nats))}
        assert found[split].levels["accuracy"]["majority class"] == (label == counts.argmax()).mean()


def test_classifiers_rise_and_the_best_is_that_of_validation(clips):
    found = clip_baselines(clips, None)
    names, accuracy = list(found["val"].predicted), found["val"].levels["accuracy"]
    assert names[0] == "majority class" and set(names[1:]) == {"nearest centroid", "linear ridge"}
    assert accuracy[names[1]] <= accuracy[names[2]]
    assert accuracy[found["val"].best] == max(accuracy.values())
    assert list(found["test"].predicted) == names and found["test"].best == found["val"].best
    assert accuracy["linear ridge"] > 0.9, "the swings of these clips are easy to tell apart"


def test_the_best_may_be_the_majority_class(clips, monkeypatch):
    """Where nothing can be learnt from the clips, guessing the class that most training clips have is hard to beat."""
    monkeypatch.setattr(fitting, "clip_features", lambda store, rows: np.ones((len(rows), 8), np.float32))
    found = clip_baselines(clips, None)["val"]
    accuracy = found.levels["accuracy"]
    assert accuracy[found.best] == max(accuracy.values()) == accuracy["majority class"]


def test_a_split_without_clips_is_left_out_and_one_to_fit_on_is_needed(clips):
    def with_rows(**rows):
        some = shipped("nw_ucla", clips.root.parent)
        some.rows = clips.rows | rows
        return some

    none = np.array([], dtype=np.int64)
    assert list(clip_baselines(with_rows(test=none), None)) == ["val"]
    for split in ("train", "val"):
        with pytest.raises(DataError, match=f"{split} split"):
            clip_baselines(with_rows(**{split: none}), None)


def test_many_clips_are_classified_in_pieces_and_fitted_by_a_part(clips, monkeypatch):
    whole = clip_baselines(clips, None)
    monkeypatch.setattr(fitting, "CHUNK", 3)
    assert_equal(clip_baselines(clips, None), whole)
    seen = []

    def recorded(store, rows):
        seen.append(np.asarray(rows))
        return baselines_features(store, rows)

    baselines_features = fitting.clip_features
    monkeypatch.setattr(fitting, "clip_features", recorded)
    monkeypatch.setattr(fitting, "LARGEST_FIT", 12 * fitting.feature_width(clips.store))
    part = clip_baselines(clips, None)
    fitted = seen[0]
    assert len(np.unique(fitted)) == 12 and np.isin(fitted, clips.rows["train"]).all()
    assert part["test"].loss == whole["test"].loss, "the prior still counts every training clip"
    assert_equal(clip_baselines(clips, None), part)


# ---- events


def targets_of(table: EventTable, split: str) -> tuple[np.ndarray, np.ndarray]:
    """[n, D] values and [n] sequences."""
    rows = table.targets(split)
    return table.values[rows][:, list(history_of(table).dynamic)], table.sequence[rows]


def test_sequences_and_their_targets_are_those_of_the_split(table):
    found = event_baselines(table, None, None)
    assert list(found) == ["val", "test"]
    for split in found:
        own = found[split]
        sequence = targets_of(table, split)[1]
        assert own.sequence_id.tolist() == sorted(set(sequence.tolist()))
        assert own.count.tolist() == [(sequence == number).sum() for number in own.sequence_id]


def test_nats_of_a_sequence_are_the_sum_over_its_targets(table):
    own = event_baselines(table, None, None)["test"]
    rows = table.targets("test")
    scores = fit_count_models(history_of(table)).score(rows)
    for name in ("unigram", "bigram", "pair", "5-gram"):
        for place, number in enumerate(own.sequence_id):
            expected = scores[name].nll[table.sequence[rows] == number].sum(axis=0)
            np.testing.assert_allclose(own.nats[name][place], expected)
        np.testing.assert_allclose(own.accuracy[name], scores[name].hit.mean(axis=0))


def test_uniform_costs_ln_v_and_hits_one_time_in_v(table):
    for split, own in event_baselines(table, None, None).items():
        v = np.array([field.cardinality for field in table.fields if field.role == "dynamic"])
        np.testing.assert_allclose(own.uniform, np.log(v))
        np.testing.assert_allclose(own.nats["uniform"], own.count[:, None] * np.log(v))
        known = (targets_of(table, split)[0] != 1).mean(axis=0)
        np.testing.assert_allclose(own.accuracy["uniform"], known / v)


def test_blind_nats_are_the_entropy_of_the_splits_own_shares(table, order):
    for given in (None, order):
        for split, own in event_baselines(table, given, None).items():
            for place, column in enumerate(targets_of(table, split)[0].T):
                share = np.unique(column, return_counts=True)[1] / len(column)
                assert own.blind[:, place].sum() == pytest.approx(-len(column) * (share * np.log(share)).sum())
            assert (own.blind.sum(axis=0) <= own.nats["unigram"].sum(axis=0) + 1e-9).all(), "the best in hindsight"


def test_the_best_is_chosen_on_validation_a_field(table):
    history, found = history_of(table), event_baselines(table, None, None)
    models = fit_count_models(history)
    val = {n: s.nll.mean(axis=0) for n, s in models.score(table.targets("val")).items() if s.nll is not None}
    test = {n: s.nll.mean(axis=0) for n, s in models.score(table.targets("test")).items() if s.nll is not None}
    for d in range(len(history.dynamic)):
        chosen = min(val, key=lambda name: val[name][d])
        own = found["test"].nats[found["test"].best][:, d].sum() / found["test"].count.sum()
        assert own == pytest.approx(test[chosen][d])


def test_independent_and_chained_models_stand_apart(table, order):
    alone, chained = event_baselines(table, None, None)["val"], event_baselines(table, order, None)["val"]
    assert list(alone.nats) == ["uniform", "unigram", "bigram", "pair", "5-gram", "counts (best on val)"]
    assert list(chained.nats) == ["uniform", "unigram", "counts, chained"]
    assert set(alone.accuracy) - set(alone.nats) == set(chained.accuracy) - set(chained.nats) == {"copy-last"}
    assert alone.fields == chained.fields == tuple(order[::-1])
    assert (alone.chained, chained.chained) == (False, True)
    assert alone.best == "counts (best on val)" and chained.best == "counts, chained"
    assert f"ce/{order[0]}" in alone.levels and f"ce_given_earlier/{order[0]}" in chained.levels


# ---- the cache


def test_what_was_fitted_is_not_fitted_again(clips, table, order, tmp_path, monkeypatch):
    folder = tmp_path / "not" / "there"

    def all_three():
        return (
            clip_baselines(clips, folder),
            event_baselines(table, None, folder),
            event_baselines(table, order, folder),
        )

    fresh = all_three()
    assert len(list(folder.iterdir())) == 3, "each under its own name"
    no_more_fits(monkeypatch)
    for one, other in zip(fresh, all_three(), strict=True):
        assert_equal(one, other)
    assert isinstance(fresh[0]["val"], ClipBaselines) and isinstance(fresh[1]["val"], EventBaselines)


def test_another_split_order_or_version_is_fitted_anew(clips, table, order, tmp_path, monkeypatch):
    clip_baselines(clips, tmp_path)
    event_baselines(table, order, tmp_path)
    moved = shipped("nw_ucla", clips.root.parent)
    moved.rows = clips.rows | {"train": clips.rows["train"][1:]}
    assert len(clip_baselines(moved, tmp_path)["val"].label) and len(list(tmp_path.iterdir())) == 3
    event_baselines(table, order[::-1], tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    monkeypatch.setattr(baseline_cache, "VERSION", baseline_cache.VERSION + 1)
    clip_baselines(clips, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda _: b"", lambda _: b"no archive"])
def test_a_damaged_file_is_fitted_and_written_again(clips, tmp_path, monkeypatch, damage):
    fresh = clip_baselines(clips, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert_equal(clip_baselines(clips, tmp_path), fresh)
    no_more_fits(monkeypatch)
    assert_equal(clip_baselines(clips, tmp_path), fresh)


def test_a_file_of_something_else_is_fitted_again(clips, table, tmp_path):
    fresh = clip_baselines(clips, tmp_path)
    (file,) = tmp_path.iterdir()
    event_baselines(table, None, tmp_path)
    (other,) = set(tmp_path.iterdir()) - {file}
    file.write_bytes(other.read_bytes())
    assert_equal(clip_baselines(clips, tmp_path), fresh)


def test_objects_in_a_cache_file_are_never_unpickled(clips, tmp_path, monkeypatch):
    clip_baselines(clips, tmp_path)
    (file,) = tmp_path.iterdir()
    np.savez(file, header=np.array([{"val": 1}], dtype=object))
    seen, load = [], np.load

    def watched(*args, **settings):
        seen.append(settings)
        return load(*args, **settings)

    monkeypatch.setattr(np, "load", watched)
    assert list(clip_baselines(clips, tmp_path)) == ["val", "test"]
    assert seen == [{"allow_pickle": False}]


def test_a_folder_that_cannot_be_written_is_not_used(clips, tmp_path, monkeypatch):
    fresh = clip_baselines(clips, None)
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    assert_equal(clip_baselines(clips, blocked), fresh)
    assert_equal(clip_baselines(clips, blocked / "below"), fresh)
    assert blocked.read_text() == "no folder"

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(baseline_cache.atomic, "write_bytes", full)
    assert_equal(clip_baselines(clips, tmp_path / "full"), fresh)
    assert list((tmp_path / "full").iterdir()) == []
