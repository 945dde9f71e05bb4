"""Which runs are averaged, what their groups are called, how they are ranked and compared."""

import math

import pytest

from experiment.results.group_names import group_names
from experiment.results.groups import group_runs
from experiment.results.ranking import results_page
from experiment.results.runs import read_runs
from schemas.errors import ConfigError
from tests.experiment.many_runs import CHANCE, write_run


@pytest.fixture
def page(tmp_path):
    """The tables of the runs that were written to tmp_path."""
    return lambda *by, compare=None: results_page(read_runs([tmp_path]), by, compare)


def groups_of(folder) -> list[list[list[str]]]:
    """Names of the folders, by table and group."""
    tables = group_runs(read_runs([folder])).values()
    return sorted(sorted(sorted(run.path.name for run in group.runs) for group in groups) for groups in tables)


def test_seeds_are_averaged_by_hand(tmp_path, page):
    for seed, (value, test) in enumerate([(1.0, 0.5), (2.0, 0.7), (3.0, None)]):
        write_run(tmp_path / f"r{seed}", value, test, seed=seed)
    [section] = page().sections
    [row] = section.rows
    assert row.name == "gcn_lstm" and (row.val.n, row.val.value, row.val.sd) == (3, 2.0, 1.0)
    assert row.val.interval == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-5)
    assert row.test.n == 2 and row.test.value == pytest.approx(0.6) and row.best_run.endswith("r0")
    assert section.opened == 2 and section.headline == "accuracy" and section.monitor_falls


def test_a_splits_seed_is_not_that_of_run_0(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / f"r{seed}", seed=seed)
    assert groups_of(tmp_path) == [[["r0", "r1"]]]


def test_a_component_that_follows_the_runs_seed_is_known_by_all_its_runs(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path / f"follows{seed}", seed=seed, model__mask__init_seed=seed)
        write_run(tmp_path / f"fixed{seed}", seed=seed, model__mask__init_seed=0, model__spatial_dim=8)
    write_run(tmp_path / "own", seed=0, datamodule__seed=5)
    expected = [["fixed0", "fixed1", "fixed2"], ["follows0", "follows1", "follows2"], ["own"]]
    assert groups_of(tmp_path) == [expected]


def test_where_a_run_lies_and_how_it_was_asked_for_make_no_group(tmp_path):
    write_run(tmp_path / "a", seed=0)
    write_run(tmp_path / "b", seed=1, datamodule__num_workers=8, test=None, resume={"source": "auto"}, repeat="x")
    write_run(tmp_path / "c", seed=2, datamodule__root="/elsewhere/gestures", sweep={"resume": None})
    write_run(tmp_path / "d", seed=3, optimizer__lr=0.1)
    assert groups_of(tmp_path) == [[["a", "b", "c"], ["d"]]]


def test_other_data_splits_and_monitors_are_other_tables(tmp_path, page):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", data="d2", test=0.4)
    write_run(tmp_path / "c", split="s2")
    write_run(tmp_path / "d", model__monitor="val/accuracy", test=0.5)
    sections = page().sections
    assert [len(section.rows) for section in sections] == [1, 1, 1, 1]
    assert sorted(row.number for section in sections for row in section.rows) == [1, 2, 3, 4]
    # By the split's fingerprint, whoever opened it.
    opened = {(s.data_fingerprint, s.splits[0], s.monitor): s.opened for s in sections}
    assert opened[("d1", "s2", "val/loss")] == 0 and opened[("d1", "s1", "val/loss")] == 2


def test_tests_are_counted_over_all_runs(tmp_path, page):
    write_run(tmp_path / "a", test=0.5)
    write_run(tmp_path / "b", test=0.5, optimizer__lr=1.0)
    write_run(tmp_path / "c", test=0.5, state="failed")
    write_run(tmp_path / "d", test=0.5, value=None)
    write_run(tmp_path / "e")
    assert page().sections[0].opened == 4


def test_folds_are_units_of_one_mean(tmp_path, page):
    fold = {"datamodule__split__by": "subject"}
    for number, value in enumerate([0.2, 0.4, 0.9]):
        write_run(tmp_path / f"f{number}", value, 0.5, split=f"s{number}", datamodule__split__fold=number, **fold)
    write_run(tmp_path / "other", split="s9", datamodule__split__fold=0, datamodule__split__by="camera")
    sections = sorted(page().sections, key=lambda section: -section.folds)
    assert [section.folds for section in sections] == [3, 1]
    assert sections[0].rows[0].val.n == 3 and sections[0].rows[0].val.value == pytest.approx(0.5)
    assert sections[0].opened == 3 and any("narrower" in note for note in sections[0].notes)


def test_a_seed_that_ran_twice_counts_once(tmp_path, page):
    for name, seed, value in (("a", 0, 1.0), ("b", 0, 3.0), ("c", 1, 4.0)):
        write_run(tmp_path / name, value, seed=seed)
    [section] = page().sections
    assert (section.rows[0].val.n, section.rows[0].runs, section.rows[0].val.value) == (2, 3, 3.0)
    assert any("more than once" in note for note in section.notes)


def test_runs_without_a_figure_are_listed_and_not_averaged(tmp_path, page):
    write_run(tmp_path / "a", 1.0, seed=0)
    write_run(tmp_path / "b", None, seed=1)
    write_run(tmp_path / "c", seed=2, state="failed", why="it broke")
    write_run(tmp_path / "d", seed=3, state="running")
    shown = page()
    row = shown.sections[0].rows[0]
    assert row.val.n == 1 and row.val.value == 1.0 and row.val.interval is None
    assert row.lost == {"without a figure": 1, "failed": 1, "cut off": 1}
    assert [(left.state, left.run.rsplit("/", 1)[1]) for left in shown.left_out] == [
        ("cut off", "d"),
        ("failed", "c"),
        ("finished", "b"),
    ]
    assert shown.left_out[1].why == "it broke" and shown.runs == 4


def test_runs_at_chance_are_counted(tmp_path, page):
    for seed, level in enumerate(["beats the best baseline", CHANCE, None]):
        write_run(tmp_path / f"r{seed}", seed=seed, level=level)
    [row] = page().sections[0].rows
    assert (row.above_chance, row.judged, row.runs, row.at_chance) == (1, 2, 3, True)


@pytest.mark.parametrize(("monitor", "first"), [("val/loss", "low"), ("val/accuracy", "high")])
def test_ranked_on_validation_in_the_monitors_direction(monitor, first, tmp_path, page):
    # The test split says the opposite, and is not listened to.
    write_run(tmp_path / "low", 0.1, 0.9 if first == "high" else 0.1, optimizer__lr=1, model__monitor=monitor)
    write_run(tmp_path / "high", 0.8, 0.1 if first == "high" else 0.9, optimizer__lr=2, model__monitor=monitor)
    rows = page().sections[0].rows
    assert rows[0].best_run.endswith(first) and [row.number for row in rows] == [1, 2]


def test_two_groups_are_compared_in_pairs_unasked(tmp_path, page):
    for seed, (a, b) in enumerate([(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]):
        write_run(tmp_path / f"a{seed}", a, 0.5, seed=seed, optimizer__lr=1)
        write_run(tmp_path / f"b{seed}", b, 0.4 if seed else None, seed=seed, optimizer__lr=2)
    write_run(tmp_path / "b9", 50.0, seed=9, optimizer__lr=2)
    on_val, on_test = page().sections[0].differences
    assert (on_val.first, on_val.second, on_val.metric, on_val.mean.n) == (1, 2, "val/loss", 3)
    assert on_val.mean.value == -2.0 and on_val.mean.sd == 1.0
    t = 2 * math.sqrt(3)
    assert on_val.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    # Every pair differs by the same: that is no certainty.
    assert on_test.mean.n == 2 and on_test.mean.value == pytest.approx(0.1) and on_test.p is None


def test_groups_that_share_no_seed_have_no_difference(tmp_path, page):
    write_run(tmp_path / "a", 1.0, seed=0, optimizer__lr=1)
    write_run(tmp_path / "b", 2.0, seed=1, optimizer__lr=2)
    section = page().sections[0]
    assert [difference.mean for difference in section.differences] == [None]
    assert any("not all over the same seeds" in note for note in section.notes)


def test_compare_names_groups_of_one_table(tmp_path, page):
    for lr in (1, 2, 3):
        write_run(tmp_path / f"a{lr}", lr / 10, optimizer__lr=lr)
    write_run(tmp_path / "z", data="d2")
    assert page().sections[0].differences == []
    [found] = page(compare=(3, 1)).sections[0].differences
    assert (found.first, found.second) == (3, 1) and found.mean.value == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="not comparable: other data, split or monitor"):
        page(compare=(1, 4))
    with pytest.raises(ConfigError, match=r"there is no group 5.* Groups are 1 to 4"):
        page(compare=(5, 1))


def test_by_takes_some_keys_for_the_group_and_pairs_the_rest(tmp_path, page):
    for dim, lr, value in ((8, 1, 1.0), (8, 2, 3.0), (16, 1, 2.0), (16, 2, 5.0)):
        write_run(tmp_path / f"{dim}_{lr}", value, model__spatial_dim=dim, optimizer__lr=lr)
    [section] = page("spatial_dim").sections
    assert [(row.name, row.val.n, row.val.value) for row in section.rows] == [
        ("spatial_dim=8", 2, 2.0),
        ("spatial_dim=16", 2, 3.5),
    ]
    [difference] = section.differences
    assert difference.mean.value == -1.5 and difference.mean.n == 2
    with pytest.raises(ConfigError, match="no run has a key 'spatial'"):
        page("spatial")
    with pytest.raises(ConfigError, match=r"2 keys end in '_target_'.*Say which: .*optimizer._target_"):
        write_run(tmp_path / "two", model___target_="x.Y")
        page("_target_")


def test_the_best_baseline_is_the_mean_over_folds(tmp_path, page):
    for fold, (ridge, centroid) in enumerate([(0.9, 0.6), (0.3, 0.7)]):
        levels = {"test": {"ridge": ridge, "centroid": centroid}}
        write_run(tmp_path / f"{fold}", split=f"s{fold}", baselines=levels, datamodule__split__fold=fold)
    assert page().sections[0].baselines == {"test/accuracy": ("centroid", pytest.approx(0.65))}


GCN = {"model.name": "gcn", "model.dim": 64, "model.net._target_": "x.GCN", "model.net.dim": 64, "optimizer.lr": 1}
FUSION = GCN | {"model.name": "fusion", "model.net._target_": "x.Fusion", "model.heads": 4}
SGD, ADAM = {"optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0.9}, {"optimizer._target_": "a.b.Adam"}


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        ([GCN], ["gcn"]),
        ([GCN, GCN | {"model.dim": 128, "model.net.dim": 128}], ["dim=64", "dim=128"]),
        # Set side by side, neither is a copy of the other.
        ([GCN | {"model.dim": n, "model.width": n} for n in (8, 16)], ["dim=8 width=8", "dim=16 width=16"]),
        ([GCN, FUSION], ["gcn", "fusion"]),
        # What a net is put together from stands nearer to the root.
        ([GCN | {"model.net.part.drop": 0}, FUSION | {"model.net.part.drop": 1}], ["gcn", "fusion"]),
        ([GCN, FUSION, FUSION | {"model.heads": 8}], ["gcn", "fusion heads=4", "fusion heads=8"]),
        ([GCN | {"optimizer.lr": 3}, FUSION], ["gcn lr=3", "fusion lr=1"]),
        ([GCN | SGD, GCN | ADAM], ["optimizer=SGD", "optimizer=Adam"]),
        (
            [GCN, GCN | {"callbacks.ema._target_": "c.Average", "callbacks.ema.decay": 0.9}],
            ["ema=(none)", "ema=Average"],
        ),
        ([GCN | {"a.drop": 0, "b.drop": 1}, GCN | {"a.drop": 1, "b.drop": 1}], ["drop=0", "drop=1"]),
        (
            [GCN | {"a.drop": 0, "b.drop": 1}, GCN | {"a.drop": 1, "b.drop": 2}],
            ["a.drop=0 b.drop=1", "a.drop=1 b.drop=2"],
        ),
        ([GCN | {"model.tied": True}, GCN | {"model.tied": None}], ["tied=true", "tied=null"]),
        ([GCN | {"d.split.seed": 0}, GCN | {"d.split.seed": 1}], ["split.seed=0", "split.seed=1"]),
        ([GCN, GCN | {"model.new": 1}], ["new=(none)", "new=1"]),
    ],
)
def test_groups_are_called_by_what_differs(configs, names):
    assert group_names(configs) == names
    assert len(set(group_names(configs))) == len(configs)
