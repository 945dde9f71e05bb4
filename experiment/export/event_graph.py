"""The event predictor of a run as an ONNX graph: a window of events with its sources in, the next event out.

The graph is what torch's tracing exporter makes of the run's own modules, as in `onnx_graph.py`. It knows no `mT`, no
`logaddexp`, no bag of embeddings, and no norm over a traced width: it is shown what these are made of.
Legend: B windows, T events (the longest window's), C cut-offs (1, or T), R source rows, L past events a row, F fields,
D dynamic fields, V values of one field.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from schemas.events import UNK, EventSchema


@dataclass
class Inputs:
    """The graph's inputs; what stands at padding is never read."""

    target: Tensor
    """[B, T, F] int64, the events of each window so far, oldest first."""
    target_gap: Tensor
    """[B, T] float32, log(1 + seconds) since the sequence's previous event, 0 at its first."""
    target_length: Tensor
    """[B] int64, real events, 1 to T."""
    source: Tensor | None = None
    """[B, C, R, L, F] int32, past events of each source row, the newest last."""
    source_age: Tensor | None = None
    """[B, C, R, L] float32, log(1 + seconds) from the past event to the cut-off event."""
    source_length: Tensor | None = None
    """[B, C, R] int64, real past events, 0 to L."""
    chosen: Tensor | None = None
    """[B, D] int64, of chained heads: what the next event's fields are, as far as that is chosen; 0 where it is not."""

    @property
    def given(self) -> dict[str, Tensor]:
        """Those that the run has, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def axes(self, schema: EventSchema) -> dict[str, dict[int, str]]:
        """The names of the dimensions that are free."""
        cut_off = {1: "events"} if schema.context_at == "event" else {}
        free = {"target": {1: "events"}, "target_gap": {1: "events"}}
        free |= {"source": cut_off | {3: "past"}, "source_age": cut_off | {3: "past"}, "source_length": cut_off}
        return {name: {0: "windows"} | free.get(name, {}) for name in self.given}


class NextEvent(nn.Module):
    """What is exported: from windows to the distribution of every dynamic field of the event that follows each.

    As in prediction, UNK has no part in it, except of a field that has no other value.

    Args:
        names: of the inputs, in order.
        temperature_D: what the log probabilities of each dynamic field are divided by.
    """

    def __init__(self, net: EventPredictor, names: tuple[str, ...], temperature_D: Sequence[float]):
        super().__init__()
        self.net, self.names, self.temperature_D = deepcopy(net), names, tuple(temperature_D)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The inputs of `names` -> D tensors [B, V], in field order; chained, each given those before it as chosen."""
        batch, net = self._batch(Inputs(**dict(zip(self.names, inputs, strict=True)))), self.net
        log_p = net.heads.distributions(net.decode(batch), batch, net.embedding)
        pairs = zip(log_p, self.temperature_D, strict=True)
        return tuple((_without_unknown(log_p_BV) / temperature).softmax(dim=1) for log_p_BV, temperature in pairs)

    def _batch(self, given: Inputs) -> EventBatch:
        """As a batch whose last target is the chosen event, and nothing but it is scored."""
        B, T, fields = given.target.shape
        real_BT = torch.arange(T) < given.target_length[:, None]
        nothing_B1F = given.target.new_zeros(B, 1, fields)
        target = torch.cat([given.target * real_BT[..., None], nothing_B1F], dim=1)
        if given.chosen is not None:
            dynamic = self.net.schema.dynamic
            columns = [
                given.chosen[:, dynamic.index(n)] if n in dynamic else nothing_B1F[:, 0, 0] for n in range(fields)
            ]
            next_BT1 = torch.arange(T + 1) == given.target_length[:, None]
            target = torch.where(next_BT1[..., None], torch.stack(columns, dim=1)[:, None], target)
        gap_BT = torch.where(real_BT, given.target_gap, torch.zeros_like(given.target_gap))
        source = age = None
        if given.source is not None:
            real_BCRL = torch.arange(given.source.shape[3], 0, -1) <= given.source_length[..., None]
            source = given.source * real_BCRL[..., None]
            age = torch.where(real_BCRL, given.source_age, torch.zeros_like(given.source_age))
        return EventBatch(
            source=source,
            source_age=age,
            source_length=given.source_length,
            stream=torch.tensor(self.net.schema.row_streams),
            target=target,
            target_gap=torch.cat([gap_BT, gap_BT.new_zeros(B, 1)], dim=1),
            target_length=given.target_length,
            scored=torch.arange(T) == given.target_length[:, None] - 1,
            sequence_id=given.target_length,
        )


def _without_unknown(log_p_BV: Tensor) -> Tensor:
    unknown_V = torch.arange(log_p_BV.shape[1]) == UNK
    return log_p_BV.masked_fill(unknown_V, -torch.inf) if log_p_BV.shape[1] > UNK + 1 else log_p_BV


@contextmanager
def simple_functions() -> Iterator[None]:
    """Functions that the exporter does not know, as those that it does."""
    with ExitStack() as stack:
        # The nets' own faster forms of Mish and dropout are left out, as by `torch.compile`.
        stack.enter_context(patch.object(torch.compiler, "is_compiling", lambda: True))
        stack.enter_context(patch.object(F, "embedding_bag", _bag))
        stack.enter_context(patch.object(F, "layer_norm", partial(_layer_norm, F.layer_norm)))
        stack.enter_context(patch.object(torch, "logaddexp", _logaddexp))
        stack.enter_context(patch.object(torch.Tensor, "mT", property(lambda x: x.transpose(-2, -1))))
        yield


def _layer_norm(layer_norm: Callable[..., Tensor], x: Tensor, shape: tuple[int, ...], *rest: object) -> Tensor:
    return layer_norm(x, [int(width) for width in shape], *rest)


def _bag(index_NF: Tensor, table_Vd: Tensor, mode: str) -> Tensor:
    return F.embedding(index_NF, table_Vd).sum(dim=1)


def _logaddexp(a: Tensor, b: Tensor) -> Tensor:
    larger = torch.maximum(a, b).clamp(min=-1e30)  # of two that are -inf too
    return larger + ((a - larger).exp() + (b - larger).exp()).log()
