"""A training step of documented_events against the documented per-sample loop, and against one call a stream.

    python benchmarks/event_predictor_step.py [--repeats 15] [--allow-busy]

A step is forward, mean over fields of the cross-entropy, backward and Adam: the preset's sizes and batch, the 17
documented fields, the six documented streams with 2 groups each, all lengths full, dropout 0.1. Three sides:

    loop     for every sample, stream and group a call of `nn.TransformerEncoder` on [1, L, d], whose last vector goes
             on; for every sample a call of `nn.TransformerDecoder`, and for each of its fields a `nn.Linear` and a loss
    streams  a call of `nn.TransformerEncoder` a stream, one of `nn.TransformerDecoder`, a `nn.Linear` and loss a field
    ours     `EventPredictor`

The first two sum one `nn.Embedding` a field (the loop over all rows of a sample at once) and drop attention weights
too, as torch's layers do. All three have the same weights and, in eval mode, the same loss and gradients, which is
checked first. Their steps alternate. A busy machine is refused with exit code 2.
Legend: B samples, T target events, G groups a stream, R source rows (G of every stream), L events a row, F fields,
V values, d width.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from idle import Others, refuse_if_busy
from omegaconf import DictConfig
from torch import Tensor, nn

from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from schemas.events import UNK, EventField, EventSchema, Stream

CONF = Path(__file__).resolve().parents[1] / "conf"

GROUPS, THREADS = 2, 2
IDS = ("Actor", "Recipient", "Location", "CostCode", "JobCode", "ApprovedByManagerUser")
TIMES = {"Month": 14, "Day": 33, "Hour": 25, "Minute": 61}
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


def documented_schema(config: DictConfig) -> EventSchema:
    """The documented fields with their cardinalities, and a stream for EventType and for each id but the manager's."""
    sizes = {"EventType": 10} | {f"{name}RecordId": config.datamodule.id_category_size for name in IDS}
    sizes |= {"IsTimesheet": 4, "HoursWorked": 100}
    sizes |= {f"Time_{of}_{part}": size for of in ("Event", "Reference") for part, size in TIMES.items()}
    fields = [  # UNK counts as a value
        EventField(name, tuple(map(str, range(size - 1))), "category", "dynamic") for name, size in sizes.items()
    ]
    streams = [Stream("EventType", "EventType")] + [Stream(name, f"{name}RecordId") for name in IDS[:-1]]
    data = config.datamodule
    return EventSchema(tuple(fields), tuple(streams), data.src_seq_len, data.tgt_seq_len, "window")


def random_batch(schema: EventSchema, samples: int) -> EventBatch:
    """Full windows and full rows of random events. No time passes: the documented embedding reads no time gaps."""
    generator = torch.Generator().manual_seed(1)

    def events(*shape: int) -> Tensor:
        values = [torch.randint(UNK, field.size, shape, generator=generator) for field in schema.fields]
        return torch.stack(values, dim=-1)

    rows, L, T = GROUPS * len(schema.streams), schema.src_seq_len, schema.tgt_seq_len
    return EventBatch(
        source=events(samples, 1, rows, L).int(),
        source_age=torch.zeros(samples, 1, rows, L),
        source_length=torch.full((samples, 1, rows), L),
        stream=torch.arange(len(schema.streams)).repeat_interleave(GROUPS),
        target=events(samples, T + 1),
        target_gap=torch.zeros(samples, T + 1),
        target_length=torch.full((samples,), T + 1),
        scored=torch.ones(samples, T, dtype=torch.bool),
        sequence_id=torch.arange(samples),
    )


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


class Step:
    """A side, its optimizer and the batch."""

    def __init__(self, side: nn.Module, batch: EventBatch, config: DictConfig):
        self.side, self.batch = side, batch
        self.optimizer = instantiate(config.optimizer)(side.parameters())

    def in_eval_mode(self) -> list[Tensor]:
        """The loss, and its gradients at the positions: each event passes one on its way back."""
        loss = self.side.eval()(self.batch)
        return [loss.detach(), *torch.autograd.grad(loss, self.side.positions)]

    def run(self) -> float:
        """Seconds of one training step."""
        self.side.train()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        self.side(self.batch).backward()
        self.optimizer.step()
        return time.perf_counter() - start


def build() -> dict[str, Step]:
    torch.manual_seed(0)
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", overrides=["experiment=documented_events"])
    schema = documented_schema(config)
    net = instantiate(config.model.net)(schema)
    sides = {
        "loop": PerSampleLoop(net, config.model),
        "streams": OneCallAStream(net, config.model),
        "ours": Ours(net),
    }
    batch = random_batch(schema, config.datamodule.batch_size)
    return {name: Step(side, batch, config) for name, side in sides.items()}


def check_equality(steps: dict[str, Step]):
    loss, *gradients = steps["ours"].in_eval_mode()
    print(f"loss in eval mode, same weights: ours {loss:.6f}")
    for name in ("loop", "streams"):
        other, *others = steps[name].in_eval_mode()
        difference = (other - loss).abs()
        relative = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(others, gradients, strict=True))
        print(f"  {name} differs by {difference:.1e}, its gradients by {relative:.1e} of the largest")
        if difference > 1e-5 or relative > 1e-4:
            sys.exit("the models differ: nothing to compare")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="timed steps of each side")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    steps = build()
    check_equality(steps)
    for _ in range(2):  # warm up
        for step in steps.values():
            step.run()
    during = Others()
    seconds = [[step.run() for step in steps.values()] for _ in range(args.repeats)]
    refuse_if_busy(during, args.allow_busy)

    medians = dict(zip(steps, map(statistics.median, zip(*seconds, strict=True)), strict=True))
    batch = steps["ours"].batch
    (B, _, R, L, fields), T = batch.source.shape, batch.scored.shape[1]
    print(
        f"training step with Adam, {THREADS} threads, B {B}, T {T}, R {R}, L {L}, F {fields}, {args.repeats} repeats:"
    )
    print(f"  {'':8}{'median, ms':>12}{'side / ours':>14}")
    for name, median in medians.items():
        print(f"  {name:8}{1000 * median:12.1f}{median / medians['ours']:14.2f}")


if __name__ == "__main__":
    main()
