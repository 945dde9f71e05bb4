"""Event predictors: assay's own, whose schema is stored, and a stranger's, whose fields show in names."""

import pytest
import torch
from torch import nn

from experiment.build import build_net
from experiment.configs.compose import compose_config
from reports.describe.facts import Known
from reports.describe.page import describe
from schemas.events import EventField, EventSchema, Stream

FIELDS = {"kind": 3, "colour": 2, "place": 20}
SMALL = ("model=event_predictor", "model.d_model=16", "model.feed_forward=32", "model.encoder_layers=2")


def own_schema() -> EventSchema:
    fields = tuple(
        EventField(name, tuple(f"{name}{n}" for n in range(values)), "category", "dynamic")
        for name, values in FIELDS.items()
    )
    return EventSchema(fields, (Stream("own", None), Stream("place", "place")), 5, 6, "window", None, (0.0,))


@pytest.fixture
def own(save):
    """own(*overrides, **changes): a checkpoint as a run writes it, with parts of its record changed."""

    def own(*overrides: str, **changes):
        config = compose_config([*SMALL, *overrides])
        net = build_net(config, own_schema())
        model = {
            name: config.model[name] for name in ("name", "d_model", "num_heads", "decoder_layers", "feed_forward")
        }
        record = {"config": {"model": model}, "schema": own_schema().to_dict(), "history": []} | changes
        weights = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
        return save({"state_dict": weights, "epoch": 3, "pytorch-lightning_version": "2.6", "assay": record})

    return own


def test_our_own_is_told_by_shapes_and_its_fields_by_the_stored_schema(own):
    page = describe(own())
    # every field's values, with PAD and UNK: 5 + 4 + 22
    assert page.fact("Event fields", "values of all fields").value == 31
    assert page.fact("Event fields", "streams").value == 2
    assert page.fact("Event fields", "place").text == "21 values with unknown, dynamic"
    assert page.fact("Event fields", "place").known is Known.STORED
    for stack, layers in (("encoder: memory.encoder.layers", 2), ("decoder: decoder.layers", 2)):
        title = f"Transformer {stack}"
        found = [page.fact(title, what).value for what in ("layers", "width", "feed-forward")]
        assert found == [layers, 16, 32]
        assert (page.fact(title, "heads").value, page.fact(title, "heads").known) == (4, Known.STORED)
    assert page.fact("Transformer encoder: memory.encoder.layers", "side by side").value == 2
    assert page.fact("Event fields", "heads").value == "independent" and page.disagreements == []


def test_chained_tied_and_copying_heads_are_seen(own):
    data = "+datamodule.fields.place={}"  # the config's own check wants a field that is there
    page = describe(own("model.heads=chained", "model.tied=true", "model.copy=[place]", "model.head_width=8", data))
    expected = {"heads": "chained", "output map": "tied to the embedding", "fields with a copy path": 1}
    expected |= {"predicted fields": 3, "hidden units a head": 8}
    assert {what: page.fact("Event fields", what).value for what in expected} == expected


def test_without_its_schema_the_fields_are_not_made_up(own):
    page = describe(own(schema=None, config=None))
    fact = page.fact("Event fields", "values of each field")
    assert fact.known is Known.NOT and "sum" in fact.text


def test_a_config_that_does_not_fit_the_shapes_is_named(own):
    model = {"d_model": 32, "decoder_layers": 5}
    page = describe(own(config={"model": model}))
    assert "the config's model.d_model is 32, the shapes say 16" in page.disagreements
    assert "the config's model.decoder_layers is 5, the shapes say 2" in page.disagreements


def test_a_strangers_fields_show_in_embeddings_and_heads(save):
    cardinality = {"EventType": 10, "IsTimesheet": 4, "HoursWorked": 100}
    decoder = nn.TransformerDecoderLayer(32, 4, 2048)
    net = nn.ModuleDict(
        {
            "embeddings": nn.ModuleDict({name: nn.Embedding(size, 32) for name, size in cardinality.items()}),
            "decoder": nn.TransformerDecoder(decoder, 1),
            "heads": nn.ModuleDict({name: nn.Linear(32, size) for name, size in cardinality.items()}),
        }
    )
    page = describe(save(net.state_dict()))
    assert page.fact("Event fields", "fields").value == 3 and page.fact("Event fields", "d_model").value == 32
    for name, size in cardinality.items():
        assert page.fact("Event fields", name).text == f"{size} values"
    assert page.fact("Transformer decoder: decoder.layers", "feed-forward").value == 2048
    with pytest.raises(KeyError):
        page.fact("Classifier", "classes")


def test_a_field_that_is_embedded_and_not_predicted_is_said(save):
    state = {f"embed.{name}.weight": torch.zeros(size, 8) for name, size in FIELDS.items()}
    state |= {f"heads.{name}.weight": torch.zeros(FIELDS[name] + 1, 8) for name in ("kind", "place")}
    page = describe(save(state))
    assert page.fact("Event fields", "colour").text == "2 values, not predicted"
    assert page.fact("Event fields", "place").text == "20 values embedded, 21 predicted"
