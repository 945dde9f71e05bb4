"""The documented summary, from checkpoints that have those shapes: a stranger's, and our own presets."""

import pytest
import torch

from experiment.build import build_net
from experiment.configs.compose import compose_config
from reports.describe.facts import Known, Page
from reports.describe.page import describe
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

BEST = {
    ("Numbers", "numbers in the state dict"): 33_219_694,
    ("Numbers", "trainable parameters"): 33_212_519,
    ("Graph part", "hidden dimension"): 512,
    ("Graph part", "graph convolutions"): 5,
    ("Graph part", "widths"): "31 -> 512 (5 times)",
    ("Temporal part: LSTM", "hidden dimension"): 512,
    ("Temporal part: LSTM", "input dimension"): 1024,
    ("Temporal part: LSTM", "layers"): 3,
    ("Temporal part: LSTM", "bidirectional"): True,
    ("Classifier", "input dimension"): 2048,
    ("Classifier", "hidden dimension"): 1024,
    ("Classifier", "classes"): 100,
}
FINAL = {
    ("Numbers", "numbers in the state dict"): 11_223_143,
    ("Numbers", "trainable parameters"): 11_221_604,
    ("Graph part", "hidden dimension"): 256,
    ("Graph part", "graph convolutions"): 3,
    ("Temporal part: LSTM", "hidden dimension"): 512,
    ("Temporal part: LSTM", "input dimension"): 512,
    ("Temporal part: LSTM", "layers"): 2,
    ("Temporal part: LSTM", "bidirectional"): True,
    ("Classifier", "input dimension"): 1024,
    ("Classifier", "hidden dimension"): 512,
    ("Classifier", "classes"): 100,
}


def check(page: Page, expected: dict) -> None:
    assert {key: page.fact(*key).value for key in expected} == expected


def test_a_strangers_best_model_gives_the_documented_summary(stranger_best):
    page = describe(stranger_best)
    check(page, BEST)
    training = {
        "epoch": 33,
        "optimizer": "AdamW",
        "learning rate": "0.0009973422519357583",
        "initial learning rate": "0.001",
        "weight decay": "0.0001",
        "betas": "(0.9, 0.999)",
    }
    check(page, {("Training", what): value for what, value in training.items()})
    check(page, {("Metrics and notes", "val_acc"): 0.112179, ("Metrics and notes", "val_f1"): 0.064831})
    assert page.disagreements == []


def test_its_learning_rate_is_that_of_a_thousand_epochs(stranger_best):
    implied = describe(stranger_best, epochs=100).fact("What the learning rate implies", "if a cosine down to lr/100")
    # 1e-5 + (1e-3 - 1e-5) (1 + cos(pi 33 / 100)) / 2
    assert implied.text == "epoch 33 of 1000, not of 100 (where it would be 0.000756976)"
    assert implied.known is Known.GUESS
    other = describe(stranger_best).fact("What the learning rate implies", "if a cosine down to 0")
    assert other.text == "epoch 33 of 1005.04, which is no whole number"


def test_the_branches_and_the_gate_are_seen_and_the_heads_only_guessed(stranger_best):
    page = describe(stranger_best)
    transformer = "Transformer: temporal.transformer.layers"
    check(page, {(transformer, "layers"): 2, (transformer, "width"): 512, (transformer, "feed-forward"): 2048})
    assert page.fact(transformer, "heads").known is Known.GUESS
    assert page.fact("Convolutions", "Conv1d").text.startswith("1,024 -> 512 -> 512, kernel 3")
    assert page.fact("Gate", "temporal.gate").value == "1,536 -> 512 -> 3"


def test_the_norm_that_nothing_reads_shows_in_the_optimizer(stranger_best):
    fact = describe(stranger_best).fact("Training", "never stepped")
    # 20 of the graph part, 24 + 2 of the LSTM and its norm, 24 of two encoder layers, 32 of all else
    assert fact.text.startswith("2 of 102 parameters")
    assert "temporal.layer_norm.weight, temporal.layer_norm.bias" in fact.text and fact.known is Known.GUESS


def test_a_strangers_final_model_gives_the_documented_summary(stranger_final):
    page = describe(stranger_final)
    check(page, FINAL)
    for what in ("optimizer", "learning rate"):
        fact = page.fact("Training", what)
        assert (fact.text, fact.known) == ("not saved", Known.NOT)
    assert page.fact("Training", "epoch").value == 100
    assert page.fact("Metrics and notes", "best_val_acc").value == 0.196783
    assert page.fact("History", "epochs").value == 100
    best, last = page.fact("History", "best epoch"), page.fact("History", "last epoch")
    assert best.text.startswith("33 (counted from 1), by val_acc") and "0.196783" in best.text
    assert best.known is Known.GUESS  # nothing in the file numbers its epochs
    assert last.text.startswith("100 ") and "train_loss 2.4141" in last.text and "val_acc 0.1737" in last.text


@pytest.mark.parametrize(("experiment", "expected"), [("documented_best", BEST), ("documented_final", FINAL)])
def test_our_own_presets_give_the_documented_summary(experiment, expected, save):
    config = compose_config([f"experiment={experiment}"])
    schema = ClipSchema(load_layout("face62"), tuple(f"word {n}" for n in range(100)), 31)
    net = build_net(config, schema)
    page = describe(save({f"net.{name}": tensor for name, tensor in net.state_dict().items()}))
    check(page, expected)
    with pytest.raises(KeyError):
        page.fact("Settings", "anything")  # a bare state dict has none


def test_where_torch_left_no_mark_adamw_is_a_guess(stranger_best, save):
    content = torch.load(stranger_best, weights_only=True)
    del content["optimizer_state_dict"]["param_groups"][0]["decoupled_weight_decay"]
    fact = describe(save(content)).fact("Training", "optimizer")
    assert fact.known is Known.GUESS and "Adam family" in fact.text and "AdamW" in fact.text
