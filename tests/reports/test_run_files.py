from reports.run_files import read_run
from tests.reports.run_folders import write


def test_baselines_are_told_from_fields(events_run):
    run = read_run(events_run)
    assert run.levels == {"val/loss": {"bigram": 1.7, "uniform": 3.0}, "val/ce/city": {"bigram": 1.5}}
    # A field's accuracy that never changed is the field's, not a baseline's.
    assert [row["val/accuracy/city"] for row in run.history] == [0.3, 0.3]
    assert "val/loss/bigram" not in run.history[0]


def test_without_a_result_the_best_epoch_is_found_in_the_history(clips_run):
    write(clips_run, status={"state": "interrupted"})
    run = read_run(clips_run)
    assert (run.monitor, run.best_epoch, run.last["epoch"]) == ("val/accuracy", 2, 4)


def test_of_a_loss_the_lowest_is_best(clips_run):
    write(clips_run, status={}, config={"callbacks": {"best": {"monitor": "val/loss"}}})
    text = (clips_run / "metrics.csv").read_text()
    (clips_run / "metrics.csv").write_text(
        text + "5,50,0.001,0.9,0.2,0.2,0.6,0.35,0.10,2.0\n6,60,0.001,,nan,,,,nan,2.0\n"
    )
    assert read_run(clips_run).best_epoch == 5


def test_a_row_cut_off_in_a_figure_is_left_out(clips_run):
    text = (clips_run / "metrics.csv").read_text()
    (clips_run / "metrics.csv").write_text(text[:-2])
    run = read_run(clips_run)
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert run.damaged == ["1 line of metrics.csv cannot be read and are left out"]
