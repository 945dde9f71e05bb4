"""The three sides that the benchmark of the event predictor compares, on random events of the documented sizes.

    loop     for every sample, stream and group a call of `nn.TransformerEncoder` on [1, L, d], whose last vector goes
             on; for every sample a call of `nn.TransformerDecoder`, and for each of its fields a `nn.Linear` and a loss
    streams  a call of `nn.TransformerEncoder` a stream, one of `nn.TransformerDecoder`, a `nn.Linear` and loss a field
    ours     `EventPredictor`

The first two sum one `nn.Embedding` a field (the loop over all rows of a sample at once) and drop attention weights
too, as torch's layers do.
Legend: B samples, T target events, G groups a stream, R source rows (G of every stream), L events a row, F fields,
V values, d width.
"""

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import Tensor, nn

from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from schemas.events import UNK

GROUPS = 2
ENCODER = {
    "self_attn.in_proj_": "query_key_value.",
    "self_attn.out_proj.": "out.",
    "linear1.": "up.",
    "linear2.": "down.",
    "norm1.": "attention_norm.",
    "norm2.": "feed_forward_norm.",
}
DECODER = {
    "self_attn.in_proj_": "self_attention.query_key_value.",
    "self_attn.out_proj.": "self_attention.out.",
    "multihead_attn.in_proj_": "cross_attention.query_key_value.",
    "multihead_attn.out_proj.": "cross_attention.out.",
    "linear1.": "feed_forward.up.",
    "linear2.": "feed_forward.down.",
    "norm1.": "self_attention_norm.",
    "norm2.": "cross_attention_norm.",
    "norm3.": "feed_forward_norm.",
}
"""What torch's layers call their weights, and ours."""


class Ours(nn.Module):
    def __init__(self, net: EventPredictor):
        super().__init__()
        self.net = net
        self.positions = net.embedding.source_position_Ld, net.embedding.target_position_Td

    def forward(self, batch: EventBatch) -> Tensor:
        return self.net(batch).mean()


class OneCallAStream(nn.Module):
    """The documented architecture in torch's own modules, with our net's weights.

    The memory has our two additions: a vector of its stream on each row's, and one that says "nothing known".
    """

    def __init__(self, ours: EventPredictor, config: DictConfig):
        super().__init__()
        state, schema, d = ours.state_dict(), ours.schema, config.d_model
        sizes = [field.size for field in schema.fields]
        tables = state["embedding.value_Vd"].split(sizes)
        self.tables = nn.ModuleList(nn.Embedding.from_pretrained(table.clone(), freeze=False) for table in tables)
        self.source_position_Ld = nn.Parameter(state["embedding.source_position_Ld"].clone())
        self.target_position_Td = nn.Parameter(state["embedding.target_position_Td"].clone())
        self.positions = self.source_position_Ld, self.target_position_Td
        self.dropout = nn.Dropout(config.dropout)

        layer_sizes = d, config.num_heads, config.feed_forward, config.dropout, F.mish
        encoder = nn.TransformerEncoderLayer(*layer_sizes, batch_first=True)
        self.encoders = nn.ModuleList(
            nn.TransformerEncoder(encoder, config.encoder_layers, enable_nested_tensor=False) for _ in schema.streams
        )
        for stream, module in enumerate(self.encoders):
            for number, layer in enumerate(module.layers):
                stacked = renamed(state, f"memory.encoder.layers.{number}.", ENCODER)
                layer.load_state_dict({name: weight[stream].t() for name, weight in stacked.items()})
        self.stream_Sd = nn.Parameter(state["memory.stream_Sd"].clone())
        self.nothing_1d = nn.Parameter(state["memory.nothing_1d"].clone())

        decoder = nn.TransformerDecoderLayer(*layer_sizes, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(decoder, config.decoder_layers, nn.LayerNorm(d))
        for number, layer in enumerate(self.decoder.layers):
            layer.load_state_dict(renamed(state, f"decoder.layers.{number}.", DECODER))
        self.decoder.norm.load_state_dict(ours.decoder.norm.state_dict())
        self.register_buffer("causal_TT", nn.Transformer.generate_square_subsequent_mask(schema.tgt_seq_len))

        self.heads = nn.ModuleList(nn.Linear(d, field.cardinality) for field in schema.fields)
        weights, biases = state["heads.weight_Ud"].split(sizes), state["heads.bias_U"].split(sizes)
        for head, weight, bias in zip(self.heads, weights, biases, strict=True):
            head.load_state_dict({"weight": weight[UNK:], "bias": bias[UNK:]})  # never PAD

    def forward(self, batch: EventBatch) -> Tensor:
        x_BRLd = self.embed(batch.source[:, 0], self.source_position_Ld.flip(0))
        memory = [self.nothing_1d.expand(len(x_BRLd), 1, -1)]
        for stream, x_BGLd in enumerate(x_BRLd.split(GROUPS, dim=1)):
            last = self.encoders[stream](x_BGLd.flatten(0, 1))[:, -1]
            memory.append(last.unflatten(0, (-1, GROUPS)) + self.stream_Sd[stream])
        return self.loss(torch.cat(memory, dim=1), batch.target)

    def embed(self, event_F: Tensor, position_d: Tensor) -> Tensor:
        """[..., F] -> [..., d]."""
        return sum(table(event_F[..., field]) for field, table in enumerate(self.tables)) + position_d

    def loss(self, memory_BMd: Tensor, target_BTF: Tensor) -> Tensor:
        x_BTd = self.dropout(self.embed(target_BTF[:, :-1], self.target_position_Td))
        h_BTd = self.decoder(x_BTd, memory_BMd, tgt_mask=self.causal_TT, tgt_is_causal=True)
        h_Nd, target_NF = h_BTd.flatten(0, 1), target_BTF[:, 1:].flatten(0, 1) - UNK
        losses = [F.cross_entropy(head(h_Nd), target_NF[:, field]) for field, head in enumerate(self.heads)]
        return torch.stack(losses).mean()


class PerSampleLoop(OneCallAStream):
    """The same modules, called as documented."""

    def forward(self, batch: EventBatch) -> Tensor:
        losses = []
        for source_RLF, target_TF in zip(batch.source[:, 0], batch.target, strict=True):
            x_RLd = self.embed(source_RLF, self.source_position_Ld.flip(0))
            memory = [self.nothing_1d]
            for stream, encoder in enumerate(self.encoders):
                for group in range(GROUPS):
                    row = stream * GROUPS + group
                    memory.append(encoder(x_RLd[row : row + 1])[:, -1] + self.stream_Sd[stream])
            losses.append(self.loss(torch.stack(memory, dim=1), target_TF[None]))
        return torch.stack(losses).mean()


def renamed(state: dict[str, Tensor], prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    """Our weights under torch's names."""
    parts = ("weight", "bias")
    return {their + part: state[prefix + our + part] for their, our in names.items() for part in parts}
