"""Generation: what may happen next, event after event.

Legend: B windows, N of them, n generated events, P = `tgt_seq_len` positions, Q positions read at once, C cut-offs,
F fields, D dynamic fields, d width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.event_predictor.attention import KeyValueCache, Memory
from models.event_predictor.copying import History
from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch


@dataclass
class Generated:
    """Continuations of a batch of histories."""

    values: Tensor
    """[B, n, F] int64, never PAD or an impossible value; UNK only in a field that has no other value."""
    probability: Tensor
    """[B, n, D] float32 of each drawn value, UNK left out of its distribution; with chained heads given the event's
    earlier fields."""
    first: list[Tensor]
    """[B, V] float32 for each dynamic field: the distribution that the first event's value was drawn from."""


@torch.no_grad()
def generate(
    net: EventPredictor, batch: EventBatch, steps: int, greedy: bool = False, generator: torch.Generator | None = None
) -> Generated:
    """Continues the real events of every window, all of them read, by `steps` events.

    Each event is drawn field by field (chained heads: in their order), or its likeliest values are taken where
    `greedy`. Static fields stay those of the last event; its time gap is the typical one of its gap bin. Keys and
    values of the events so far are cached, so that a step decodes one event. The memory is that of the batch's
    cut-off, with one for each event (`context_at: event`) the newest that has any source.

    A window holds P events; of a longer history the newest P are read. When one more has been generated, the newest
    P / 2 are kept, and read anew as positions 0 to P / 2 - 1.

    Args:
        net: the model; it generates without dropout.
        batch: histories of 1 to P + 1 events; what follows `target_length` is not read.
        steps: n.
        greedy: take the likeliest value of each field.
        generator: on the model's device; the same seed gives the same events. None: torch's global one.
    """
    B, F = len(batch.target), batch.target.shape[2]
    device = batch.target.device
    values_BnF = torch.zeros(B, steps, F, dtype=torch.int64, device=device)
    probability_BnD = torch.zeros(B, steps, len(net.schema.dynamic), device=device)
    first: list[Tensor] = []
    was_training = net.training
    net.eval()
    try:
        continuation = _Continuation(net, batch)
        for step in range(steps):
            if step:
                continuation.read_newest()
            values_BnF[:, step], probability_BnD[:, step], drawn_from = continuation.draw(greedy, generator)
            first = first or drawn_from
    finally:
        net.train(was_training)
    return Generated(values_BnF, probability_BnD, first)


class _Continuation:
    """Windows that grow: their events, what the decoder made of them, and its cache."""

    def __init__(self, net: EventPredictor, batch: EventBatch):
        self.net, self.schema = net, net.schema
        device = batch.target.device
        B, given, F = batch.target.shape
        self.P = self.schema.tgt_seq_len
        self.length_B = batch.target_length.clone()
        self.event_BPF = torch.zeros(B, max(self.P + 1, given), F, dtype=torch.int64, device=device)
        self.gap_BP = torch.zeros(self.event_BPF.shape[:2], device=device)
        self.event_BPF[:, :given], self.gap_BP[:, :given] = batch.target, batch.target_gap
        self.memory = net.remember(batch)
        self.newest_cut_B = _newest_cut_off(batch)
        self.cut_BP = torch.arange(self.event_BPF.shape[1], device=device).minimum(self.newest_cut_B[:, None])

        d = net.embedding.value_Vd.shape[1]
        per_head = (B, net.num_heads, self.P, d // net.num_heads)
        self.caches = [
            KeyValueCache(torch.zeros(per_head, device=device), torch.zeros(per_head, device=device))
            for _ in net.decoder.layers
        ]
        self.state_BPd = torch.zeros(B, self.P, d, device=device)
        self.dynamic_D = torch.tensor(self.schema.dynamic, device=device)
        self.typical_gaps = torch.tensor(self.schema.typical_gaps or (0.0,), device=device)
        self._keep_newest(self.P)
        self._read_window(torch.arange(B, device=device))

    def draw(self, greedy: bool, generator: torch.Generator | None) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Appends an event to every window: its fields [B, F], their probabilities [B, D] and distributions [B, V]."""
        window_B = torch.arange(len(self.length_B), device=self.length_B.device)
        last_B = self.length_B - 1
        event_BPD = self.event_BPF[:, : self.P].index_select(2, self.dynamic_D)
        value_BD, probability_BD, drawn_from = self.net.heads.draw(
            self.state_BPd[window_B, last_B],
            History(self.state_BPd, event_BPD, window_B, last_B[:, None]),
            self.net.embedding,
            greedy,
            generator,
        )
        event_BF = self.event_BPF[window_B, last_B].index_copy(1, self.dynamic_D, value_BD)
        gap_field = self.schema.gap_field
        gap_bin_B = event_BF[:, self.schema.number(gap_field)] if gap_field else torch.zeros_like(last_B)
        self.event_BPF[window_B, self.length_B] = event_BF
        self.gap_BP[window_B, self.length_B] = self.typical_gaps[gap_bin_B]
        self.cut_BP[window_B, self.length_B] = self.newest_cut_B
        self.length_B = self.length_B + 1
        return event_BF, probability_BD, drawn_from

    def read_newest(self) -> None:
        """Decodes the newest event of each window, or all of what is kept where it has no place left."""
        full_N = (self.length_B > self.P).nonzero().squeeze(1)
        rest_N = (self.length_B <= self.P).nonzero().squeeze(1)
        if len(full_N):
            self._keep_newest(max(self.P // 2, 1))
            self._read_window(full_N)
        if len(rest_N):
            self._read(rest_N, self.length_B[rest_N, None] - 1)

    def _read_window(self, window_N: Tensor) -> None:
        longest = int(self.length_B[window_N].max())
        self._read(window_N, torch.arange(longest, device=window_N.device).expand(len(window_N), -1))

    def _keep_newest(self, kept: int) -> None:
        """Moves the newest events of windows of more than P to the window's start."""
        window_N = (self.length_B > self.P).nonzero().squeeze(1)
        index_NK = self.length_B[window_N, None] - kept + torch.arange(kept, device=window_N.device)
        for window_BP in (self.event_BPF, self.gap_BP, self.cut_BP):
            window_BP[window_N, :kept] = window_BP[window_N[:, None], index_NK]
        self.length_B[window_N] = kept

    def _read(self, window_N: Tensor, position_NQ: Tensor) -> None:
        """Decodes the events at these positions of some windows; those before them are in the cache."""
        at = (window_N[:, None], position_NQ)
        x_NQd = self.net.embedding.targets(self.event_BPF[at], self.gap_BP[at], position_NQ)
        memory = self.memory
        if memory is not None:
            cut_NQ = self.cut_BP[at] if memory.vector.shape[1] > 1 else torch.zeros_like(window_N)[:, None]
            memory = Memory(memory.vector[window_N[:, None], cut_NQ], memory.known[window_N[:, None], cut_NQ])
        caches = [KeyValueCache(cache.key[window_N], cache.value[window_N]) for cache in self.caches]
        self.state_BPd[at] = self.net.decoder(x_NQd, memory, caches, position_NQ).to(self.state_BPd.dtype)
        for cache, of_windows in zip(self.caches, caches, strict=True):
            cache.key[window_N], cache.value[window_N] = of_windows.key, of_windows.value


def _newest_cut_off(batch: EventBatch) -> Tensor:
    """[B] the newest cut-off up to the last event that has any source; the last event's where none has."""
    C = batch.source.shape[1]
    number_C = torch.arange(C, device=batch.target.device)
    last_B = (batch.target_length - 1).clamp(max=C - 1)
    usable_BC = (batch.source_length > 0).any(2) & (number_C <= last_B[:, None])
    return torch.where(usable_BC.any(1), (usable_BC * number_C).amax(1), last_B)
