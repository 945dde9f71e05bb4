"""Clips in TensorBoard: which are chosen, what stands there, and the picture for the report."""

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks import pictures
from callbacks.clip_pictures import ClipAnimations, Mistakes, shown_clips, spread_over_classes, surest_mistakes
from schemas.batches import ClipOutput
from tests.callbacks.small_clip_run import SmallData, Told, board_in, logits_of, small_trainer


@pytest.fixture
def store(make_store):
    return make_store(splits=("train", "val", "test"))


def train(folder, store, wrong, *callbacks, test=True, **settings):
    trainer, module = small_trainer(folder, *callbacks, **settings), Told(logits_of(store, wrong))
    trainer.fit(module, datamodule=SmallData(store))
    if test:
        trainer.test(module, datamodule=SmallData(store), verbose=False)


def drawn(folder, tag):
    board = board_in(folder)
    return board.Images(tag) if tag in board.Tags()["images"] else []


def table(folder, split):
    (written,) = board_in(folder).Tensors(f"mistakes/{split}/text_summary")
    return written.tensor_proto.string_val[0].decode()


@pytest.mark.parametrize(
    ("labels", "clips", "chosen"),
    [
        ([0, 0, 0, 1, 1, 2], 3, [0, 1, 2]),
        ([0, 0, 0, 1, 1, 2], 5, [0, 0, 1, 1, 2]),
        ([3, 3, 3], 2, [3, 3]),
        ([0, 1], 9, [0, 1]),
        (sorted([*range(11)] * 2), 6, [0, 2, 4, 6, 8, 10]),
    ],
    ids=["one of each", "then second ones", "one class", "all there are", "every second class"],
)
def test_clips_are_spread_over_the_classes_in_whatever_order_they_come(labels, clips, chosen):
    labels, ids = np.array(labels), np.arange(len(labels)) + 100
    places = spread_over_classes(labels, ids, clips)
    assert labels[places].tolist() == chosen
    shuffled = np.random.default_rng(0).permutation(len(labels))
    again = spread_over_classes(labels[shuffled], ids[shuffled], clips)
    assert ids[shuffled][again].tolist() == ids[places].tolist()


def test_the_surest_mistake_is_first_and_what_is_not_finite_none():
    nan = float("nan")
    logits = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 9.0], [nan, 0.0], [0.0, 2.0]])
    output = ClipOutput(logits, torch.tensor([0, 0, 0, 1, 0]), torch.arange(5))
    assert surest_mistakes(output).tolist() == [2, 4, 0]


def test_a_shown_clip_is_the_one_of_the_store(store):
    row = int(store.rows("val")[1])
    output = ClipOutput(torch.tensor([[0.0, 3.0, 0.0, 0.0]]), torch.tensor([store.labels[row]]), torch.tensor([row]))
    (clip,) = shown_clips(SmallData(store), output, [0])
    span = slice(store.offsets[row], store.offsets[row + 1])
    assert (clip.visible == store.visible[span]).all()
    assert (clip.joints[clip.visible] == store.frames[span][clip.visible]).all()
    assert (clip.true, clip.said) == (f"class_{store.labels[row]}", "class_1")
    assert clip.probability == pytest.approx(np.exp(3) / (np.exp(3) + 3))


def test_clips_of_both_splits_play_in_tensorboard(store, tmp_path):
    train(tmp_path, store, {}, ClipAnimations(clips=3, every_n_epochs=2), max_epochs=3)
    for split, count in (("val", 2), ("test", 1)):
        written = drawn(tmp_path, f"clips/{split}")
        assert len(written) == count and all(one.encoded_image_string.startswith(b"GIF89a") for one in written)
        (tmp_path / "one.gif").write_bytes(written[-1].encoded_image_string)
        picture = Image.open(tmp_path / "one.gif")
        assert picture.size == (written[-1].width, written[-1].height) and picture.n_frames > 1


def test_mistakes_are_listed_by_their_probability(store, tmp_path):
    one, other = store.rows("val")[:2].tolist()
    wrong = {row: ((int(store.labels[row]) + 1) % 4, height) for row, height in ((one, 2.0), (other, 6.0))}
    train(tmp_path, store, wrong, Mistakes(clips=6, every_n_epochs=None, path=None))
    text = table(tmp_path, "val")
    assert text.startswith(f"2 mistakes of {len(store.rows('val'))} clips (validation, epoch 1, the best)")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[4:]]
    assert [line[0] for line in lines] == [str(store.ids[other]), str(store.ids[one])]
    assert lines[0][3] == f"{np.exp(6) / (np.exp(6) + 3):.3f}"
    assert [line[1:3] for line in lines] == [
        [f"class&#95;{store.labels[row]}", f"class&#95;{wrong[row][0]}"] for row in (other, one)
    ]
    assert len(drawn(tmp_path, "mistakes/val")) == 1
    assert table(tmp_path, "test") == "No clip was taken for another class (test)."
    (none,) = drawn(tmp_path, "mistakes/test")  # in place of any that were drawn before
    assert none.encoded_image_string.startswith(b"\x89PNG")


def wrong_in(store, split):
    row = int(store.rows(split)[0])
    return {row: ((int(store.labels[row]) + 1) % 4, 5.0)}


@pytest.mark.parametrize(
    ("splits", "test", "written"),
    [(("val",), False, True), (("val", "test"), True, True), (("val",), True, False), ((), False, False)],
    ids=["validation", "test", "test has none", "none"],
)
@pytest.mark.parametrize("board", [True, False], ids=["TensorBoard", "no TensorBoard"])
def test_the_picture_is_of_the_split_that_the_report_is_of(store, tmp_path, monkeypatch, splits, test, written, board):
    titles = []
    draw = pictures.clip_strip
    monkeypatch.setattr(
        pictures, "clip_strip", lambda clips, skeleton, title: titles.append(title) or draw(clips, skeleton, title)
    )
    wrong = {row: what for split in splits for row, what in wrong_in(store, split).items()}
    path = tmp_path / "mistakes.png"
    train(tmp_path, store, wrong, Mistakes(2, None, str(path)), test=test, board=board, max_epochs=2)
    assert path.exists() == written
    if written:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert titles[-1] == f"The surest mistakes: {'test' if test else 'validation, epoch 1, the best'}"


def test_without_tensorboard_nothing_is_drawn(store, tmp_path, monkeypatch):
    monkeypatch.setattr("callbacks.clip_pictures.animate", lambda *_: pytest.fail("it was drawn"))
    train(tmp_path, store, {}, ClipAnimations(2, 1), Mistakes(2, 1, None), board=False)
