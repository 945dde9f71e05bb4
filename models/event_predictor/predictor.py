"""The event predictor as a whole.

Legend: B windows, T positions, F fields, D dynamic fields, d width.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from models.dropout import Dropout
from models.event_predictor.attention import Memory
from models.event_predictor.decoder import Decoder
from models.event_predictor.embedding import EventEmbedding
from models.event_predictor.heads import FieldHeads
from models.event_predictor.memory import StreamMemory
from schemas.batches import EventBatch, EventOutput
from schemas.errors import ConfigError
from schemas.events import EventSchema


class EventPredictor(nn.Module):
    """What happens next, from every field of every event so far and from the pasts of the streams.

    Past events of each stream are encoded into a memory; a causal decoder reads the window's own events and looks at
    the memory; heads give a distribution over every dynamic field of each next event. A schema without streams has
    no memory, and the decoder no cross-attention.

    Args:
        schema: fields, streams and lengths, from the DataModule.
        d_model, num_heads, feed_forward: width, attention heads and hidden units of all layers.
        encoder_layers, decoder_layers: of each stream's encoder, and of the decoder.
        memory: `last`: one vector a source row, that of its newest event; `full`: one a source event.
        heads: `independent`: fields are predicted each for itself; `chained`: given the event's earlier fields.
        order: chained: the dynamic fields' names in order; None: the gap field first, then field order.
        head_width: hidden units of each field's own network; 0: a linear map (independent only).
        tied: the output map of a field is its rows of the input embedding.
        copy: names of fields that may copy a value of the window.
        impossible: field -> names of values that are never predicted.
        stream_attention: layers in which the streams' vectors attend to one another; 0: none.
        dropout: probability of dropping.

    Raises:
        ConfigError: when an option does not fit the schema or another option.
    """

    def __init__(
        self,
        schema: EventSchema,
        *,
        d_model: int,
        num_heads: int,
        encoder_layers: int,
        decoder_layers: int,
        feed_forward: int,
        memory: str,
        heads: str,
        order: Sequence[str] | None,
        head_width: int,
        tied: bool,
        copy: Sequence[str],
        impossible: Mapping[str, Sequence[str]],
        stream_attention: int,
        dropout: float,
    ):
        super().__init__()
        _check_sizes(d_model=d_model, num_heads=num_heads, feed_forward=feed_forward)
        _check_sizes(encoder_layers=encoder_layers, decoder_layers=decoder_layers)
        _check_sizes(least=0, head_width=head_width, stream_attention=stream_attention)
        if d_model % num_heads:
            raise ConfigError(f"{d_model} is no multiple of num_heads {num_heads}", where="model.d_model")
        if memory not in ("last", "full"):
            raise ConfigError(f"{memory!r} is no memory", where="model.memory", remedy="Memories: last, full.")
        if stream_attention and memory == "full":
            raise ConfigError(
                "streams attend to one another only with one vector each",
                where="model.stream_attention",
                remedy="Use memory=last, or stream_attention=0.",
            )
        self.schema = schema
        self.num_heads = num_heads
        self.embedding = EventEmbedding(schema, d_model)
        self.dropout = Dropout(dropout)
        self.memory = None
        if schema.streams:
            self.memory = StreamMemory(
                schema,
                d_model=d_model,
                num_heads=num_heads,
                encoder_layers=encoder_layers,
                feed_forward=feed_forward,
                last_only=memory == "last",
                stream_attention=stream_attention,
                dropout=dropout,
            )
        self.decoder = Decoder(d_model, num_heads, decoder_layers, feed_forward, dropout, bool(schema.streams))
        self.heads = FieldHeads(
            schema,
            self.embedding,
            d_model=d_model,
            heads=heads,
            order=order,
            head_width=head_width,
            tied=tied,
            copy=copy,
            impossible=impossible,
            dropout=dropout,
        )

    def forward(self, batch: EventBatch) -> Tensor:
        """[B, T, D] float32, -log p of every target in nats, zero where not scored."""
        return self.heads.nll(self.decode(batch), batch, self.embedding)

    def evaluate(self, batch: EventBatch) -> EventOutput:
        """What is measured of every target; zero where not scored."""
        return self.heads.evaluate(self.decode(batch), batch, self.embedding)

    def decode(self, batch: EventBatch) -> Tensor:
        """[B, T, d] the state that each next event is predicted from."""
        x_BTd = self.embedding.targets(batch.target[:, :-1], batch.target_gap[:, :-1])
        return self.decoder(self.dropout(x_BTd), self.remember(batch))

    def remember(self, batch: EventBatch) -> Memory | None:
        """What is known of past events at each cut-off; None where there are no streams."""
        return None if self.memory is None else self.memory(batch, self.embedding)


def _check_sizes(least: int = 1, **sizes: int) -> None:
    for name, size in sizes.items():
        if size < least:
            raise ConfigError(f"{size} is less than {least}", where=f"model.{name}")
