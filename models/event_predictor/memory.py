"""The memory: one vector a source row, or one a source event, that the decoder may look at.

Legend: B windows, C cut-offs, N real cut-offs of all windows, S streams, R source rows (every group of every stream),
G rows that stand for a value, L events a row, M vectors of the memory, d width.
"""

import torch
from torch import Tensor, nn

from models.event_predictor.attention import Memory
from models.event_predictor.decoder import PreNormLayer
from models.event_predictor.embedding import EventEmbedding, small_table
from models.event_predictor.streams import StackedEncoder
from schemas.batches import EventBatch
from schemas.events import UNK, EventSchema

NOTHING = "nothing known"
"""What a person calls the vector that is always there."""


class StreamMemory(nn.Module):
    """The encoded source rows, each with a learned vector of its stream, and one vector that says "nothing known".

    A row of a stream with `groups: all` also carries the embedding of its group's value. A row is the vector of its
    newest event where `last_only`, and `stream_attention` pre-norm layers let these vectors attend to one another;
    else it is the vectors of all its events.
    """

    def __init__(
        self,
        schema: EventSchema,
        *,
        d_model: int,
        num_heads: int,
        encoder_layers: int,
        feed_forward: int,
        last_only: bool,
        stream_attention: int,
        dropout: float,
    ):
        super().__init__()
        self.schema = schema
        self.numbers: dict[tuple, tuple[Tensor, ...]] = {}
        self.last_only = last_only
        self.encoder = StackedEncoder(
            len(schema.streams), d_model, num_heads, encoder_layers, feed_forward, dropout, last_only
        )
        self.stream_Sd = small_table(len(schema.streams), d_model)
        self.nothing_1d = small_table(1, d_model)
        self.stream_attention = nn.ModuleList(
            PreNormLayer(d_model, num_heads, feed_forward, dropout, reads_memory=False) for _ in range(stream_attention)
        )
        self.stream_norm = nn.LayerNorm(d_model) if stream_attention else nn.Identity()

    def forward(self, batch: EventBatch, embedding: EventEmbedding) -> Memory:
        """The memory of every cut-off; vector 0 is "nothing known", then row after row. At padding no more is known."""
        B, C = batch.source.shape[:2]
        source, age, length = (x.flatten(0, 1) for x in (batch.source, batch.source_age, batch.source_length))
        if C == 1:
            vector_NMd, known_NM = self._encode(source, age, length, self._rows(batch.stream), embedding)
            return Memory(vector_NMd[:, None], known_NM[:, None])
        # windows differ in length: only the cut-offs at real events are encoded
        real_BC = torch.arange(C, device=length.device) < batch.target_length[:, None]
        real_N = real_BC.flatten().nonzero().squeeze(1)
        source, age, length = (x.index_select(0, real_N) for x in (source, age, length))
        vector_NMd, known_NM = self._encode(source, age, length, self._rows(batch.stream), embedding)
        vector = vector_NMd.new_zeros(B * C, *vector_NMd.shape[1:]).index_copy(0, real_N, vector_NMd)
        known = (torch.arange(known_NM.shape[1], device=length.device) == 0).repeat(B * C, 1)
        known = known.index_copy(0, real_N, known_NM)
        return Memory(vector.unflatten(0, (B, C)), known.unflatten(0, (B, C)))

    @property
    def sources(self) -> tuple[str, ...]:
        """[S + 1] names of what the memory's vectors come from: NOTHING, and the streams in the schema's order."""
        return NOTHING, *(stream.name for stream in self.schema.streams)

    def source_of_vectors(self, batch: EventBatch) -> Tensor:
        """[M] int64, of each vector of this batch's memory its place in `sources`."""
        each = 1 if self.last_only else batch.source.shape[3]
        places = [0] + [stream + 1 for stream in self._rows(batch.stream) for _ in range(each)]
        return torch.tensor(places, device=batch.source.device)

    def _encode(
        self, source_NRLF: Tensor, age_NRL: Tensor, length_NR: Tensor, rows: tuple[int, ...], embedding: EventEmbedding
    ) -> tuple[Tensor, Tensor]:
        """Vectors [N, M, d] of N cut-offs and which of them are known, [N, M] bool."""
        N, R, L, _ = source_NRLF.shape
        encoded = self.encoder(embedding.sources(source_NRLF, age_NRL), length_NR.T, rows)
        encoded = encoded.view(R, N, 1 if self.last_only else L, -1) + self._identity(rows, embedding)[:, None, None]
        vector_NMd = encoded.transpose(0, 1).flatten(1, 2)
        vector_NMd = torch.cat([self.nothing_1d.expand(N, 1, -1).to(vector_NMd.dtype), vector_NMd], dim=1)

        # the last vector of a row is real where any event is, the one before it where two are
        needed = torch.arange(encoded.shape[2], 0, -1, device=length_NR.device)
        known_NM = (length_NR[..., None] >= needed).flatten(1)
        known_NM = torch.cat([known_NM.new_ones(N, 1), known_NM], dim=1)
        for layer in self.stream_attention:
            vector_NMd = layer(vector_NMd, seen_BT=known_NM)
        return self.stream_norm(vector_NMd), known_NM

    def _rows(self, stream_R: Tensor) -> tuple[int, ...]:
        """The stream of each row. On another device the schema is believed, to spare a wait for it."""
        rows = self.schema.row_streams
        return rows if stream_R.device.type != "cpu" and len(stream_R) == len(rows) else tuple(stream_R.tolist())

    def _identity(self, rows: tuple[int, ...], embedding: EventEmbedding) -> Tensor:
        """[R, d] what tells the rows apart."""
        stream_R, row_G, value_G = self._numbers(rows)
        identity_Rd = self.stream_Sd.index_select(0, stream_R)
        if len(row_G):
            identity_Rd = identity_Rd.index_add(0, row_G, embedding.value_Vd.index_select(0, value_G))
        return identity_Rd

    def _numbers(self, rows: tuple[int, ...]) -> tuple[Tensor, ...]:
        """The rows' streams [R]; the rows that stand for a value [G], and where these values are in the table [G]."""
        device = self.stream_Sd.device
        if (rows, device) not in self.numbers:
            starts = torch.tensor([0] + [field.size for field in self.schema.fields]).cumsum(0).tolist()
            row_G, value_G = [], []
            for number, stream in enumerate(self.schema.streams):
                if stream.groups == "all":
                    of_stream = [row for row, its in enumerate(rows) if its == number]
                    row_G += of_stream
                    value_G += [starts[self.schema.number(stream.key)] + UNK + group for group in range(len(of_stream))]
            self.numbers[rows, device] = tuple(
                torch.tensor(n, dtype=torch.int64, device=device) for n in (rows, row_G, value_G)
            )
        return self.numbers[rows, device]
