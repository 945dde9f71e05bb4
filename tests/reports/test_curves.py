from reports.curves import draw_curves


def test_a_picture_is_written_beside_the_metrics(tmp_path):
    text = "epoch,train/loss,train/accuracy,val/loss,val/accuracy\n1,2.0,0.2,2.1,0.1\n2,1.0,0.6,1.5,0.4\n"
    (tmp_path / "metrics.csv").write_text(text)
    path = draw_curves(tmp_path, best_epoch=2, test={"test/accuracy": 0.5, "test/loss": 1.4})
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_no_metrics_no_picture(tmp_path):
    assert draw_curves(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_baselines_stand_beside_the_losses(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,train/loss,val/loss\n1,2.0,2.1\n2,1.0,1.5\n")
    without = draw_curves(tmp_path, best_epoch=2).read_bytes()
    assert draw_curves(tmp_path, best_epoch=2, baselines={"uniform": 2.8, "counts": 1.7}).read_bytes() != without
