"""The confusion matrix in TensorBoard, against counting by hand."""

import numpy as np

from callbacks import pictures
from callbacks.charts import ConfusionMatrix
from tests.callbacks.small_clip_run import SmallData, Told, board_in, logits_of, small_trainer


def test_confusion_counts_every_clip_of_a_split_once(make_store, tmp_path, monkeypatch):
    store, drawn, draw = make_store(splits=("train", "val", "test")), {}, pictures.confusion_picture
    monkeypatch.setattr(
        pictures,
        "confusion_picture",
        lambda counts, classes, title: drawn.update({title: counts}) or draw(counts, classes, title),
    )
    rows = store.rows("val")
    logits = logits_of(store, {int(rows[0]): (3, 2.0)})
    logits[rows[1]] = float("nan")  # says nothing, and stands nowhere
    trainer, module = small_trainer(tmp_path, ConfusionMatrix(every_n_epochs=1), max_epochs=2), Told(logits)
    trainer.fit(module, datamodule=SmallData(store))
    trainer.test(module, datamodule=SmallData(store), verbose=False)
    expected = np.diag(np.bincount(store.labels[rows], minlength=4))
    for row in rows[:2]:
        expected[store.labels[row], store.labels[row]] -= 1
    expected[store.labels[rows[0]], 3] += 1
    assert drawn["validation, epoch 1, the best"].tolist() == expected.tolist()
    assert drawn["test"].tolist() == np.diag(np.bincount(store.labels[store.rows("test")], minlength=4)).tolist()
    assert [len(board_in(tmp_path).Images(f"confusion/{split}")) for split in ("val", "test")] == [2, 1]
