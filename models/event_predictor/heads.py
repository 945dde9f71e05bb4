"""The heads: a distribution over the values of every dynamic field of the next event.

Legend: B windows, T positions, N scored positions of all windows, F fields, D dynamic fields, V values of one field
(PAD and UNK among them), U values of all dynamic fields together, d width.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.event_predictor.chain import FieldStates
from models.event_predictor.copying import History, Pointer
from models.event_predictor.embedding import EventEmbedding, small_table
from models.event_predictor.options import barred_values, chain_order, field_numbers
from schemas.batches import EventBatch, EventOutput
from schemas.errors import ConfigError
from schemas.events import UNK, EventSchema


class FieldHeads(nn.Module):
    """A softmax a dynamic field.

    Independent, a field is read off the decoder's state by a linear map, or by a small network where `head_width` is
    not 0. Chained, by a small network that also sees the fields before it in the event that is predicted, so that
    the sum over fields is the joint negative log-likelihood of the event.

    PAD and impossible values have logit -inf: a target of such a value costs infinitely much, and shows it.

    Args:
        schema: the fields.
        embedding: whose table is the output map where `tied`.
        d_model: d.
        heads: `independent` or `chained`.
        order: names of the dynamic fields in the order of the chain; None: the gap field, then field order.
        head_width: hidden units of a field's network; 0: none.
        tied: take the rows of the input embedding as the output map, on states scaled by d^-1/2 (arXiv:1910.10683).
        copy: names of the fields with a copy path.
        impossible: names of the values that a field never has.
        dropout: probability of dropping a hidden unit.

    Raises:
        ConfigError: for an unknown kind of heads, an unknown field or value, an order that is not one of the dynamic
            fields, chained heads without a width, a field of which nothing is possible.
    """

    def __init__(
        self,
        schema: EventSchema,
        embedding: EventEmbedding,
        *,
        d_model: int,
        heads: str,
        order: Sequence[str] | None,
        head_width: int,
        tied: bool,
        copy: Sequence[str],
        impossible: Mapping[str, Sequence[str]],
        dropout: float,
    ):
        super().__init__()
        if heads not in ("independent", "chained"):
            raise ConfigError(f"{heads!r} is no kind of heads", where="model.heads", remedy="independent or chained.")
        chained = heads == "chained"
        if chained and not head_width:
            raise ConfigError("chained heads need a width", where="model.head_width", remedy="Try 128.")
        self.dynamic = schema.dynamic
        self.sizes = [schema.fields[number].size for number in schema.dynamic]
        self.order = chain_order(schema, order) if chained else tuple(range(len(self.sizes)))
        self.tied = tied
        # Input embeddings are larger than output maps: tied logits begin with a standard deviation of .3.
        self.scale = 0.3 * (len(schema.fields) / d_model) ** 0.5 if tied else 1.0
        self.register_buffer("dynamic_D", torch.tensor(schema.dynamic), persistent=False)
        barred = barred_values(schema, impossible)
        self.register_buffer("barred_U", torch.cat(barred), persistent=False)
        if not tied:
            self.weight_Ud = small_table(sum(self.sizes), d_model)
        self.bias_U = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.states = None
        if head_width:
            self.states = FieldStates(self.sizes, self.order if chained else None, d_model, head_width, dropout)
        pointers = field_numbers(schema, copy, "model.copy")
        self.pointers = nn.ModuleList(Pointer(field, barred[field], d_model) for field in pointers)

    def nll(self, h_BTd: Tensor, batch: EventBatch, embedding: EventEmbedding) -> Tensor:
        """[B, T, D] float32 -log p of every target in nats, zero where not scored."""
        target_ND, history = self._scored(h_BTd, batch)
        state_DNd = self._states(h_BTd, history, target_ND)
        nll_DN = [
            F.cross_entropy(logits_NV, target_N, reduction="none")
            for logits_NV, target_N in zip(self._logits(state_DNd, embedding), target_ND.T, strict=True)
        ]
        for pointer in self.pointers:
            field = pointer.field
            nll_DN[field] = pointer.target_nll(nll_DN[field], state_DNd[field], history, target_ND[:, field])
        return _spread(torch.stack(nll_DN, dim=1), batch, history)

    def evaluate(self, h_BTd: Tensor, batch: EventBatch, embedding: EventEmbedding) -> EventOutput:
        """What is measured of every scored target; chained, each field is given the event's earlier ones."""
        target_ND, history = self._scored(h_BTd, batch)
        state_DNd = self._states(h_BTd, history, target_ND)
        logits = self._logits(state_DNd, embedding)
        measured = []
        for field, target_N in enumerate(target_ND.T):
            log_p_NV = self._log_probability(field, logits[field], state_DNd[field], history)
            log_p_N1 = log_p_NV.gather(1, target_N[:, None])
            best_N, likeliest_N = log_p_NV.max(1)
            may_hit_N = (target_N != UNK) & log_p_N1.squeeze(1).isfinite()
            hit_N = may_hit_N & (likeliest_N == target_N)
            top5_N = may_hit_N & ((log_p_NV > log_p_N1).sum(1) < 5)
            measured.append((-log_p_N1.squeeze(1), hit_N, top5_N, best_N.exp()))
        nll, hit, top5, confidence = (
            _spread(torch.stack(each, dim=1), batch, history) for each in zip(*measured, strict=True)
        )
        return EventOutput(nll, hit, top5, confidence, batch.scored, batch.sequence_id)

    def distributions(self, h_BTd: Tensor, batch: EventBatch, embedding: EventEmbedding) -> list[Tensor]:
        """[N, V] float32 log p of every value, for each dynamic field; chained, given the event's earlier fields."""
        target_ND, history = self._scored(h_BTd, batch)
        state_DNd = self._states(h_BTd, history, target_ND)
        return [
            self._log_probability(field, logits_NV, state_DNd[field], history)
            for field, logits_NV in enumerate(self._logits(state_DNd, embedding))
        ]

    def draw(
        self,
        h_Nd: Tensor,
        history: History,
        embedding: EventEmbedding,
        greedy: bool,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """One event for each state, field by field in chain order.

        UNK is never drawn, except of a field that has no other value: probabilities are those of a distribution
        without it.

        Returns:
            The values and their probabilities, both [N, D], and what each field was drawn from, [N, V] in field order.
        """
        value_ND = torch.zeros(len(h_Nd), len(self.sizes), dtype=torch.int64, device=h_Nd.device)
        probability_ND = torch.zeros_like(value_ND, dtype=torch.float32)
        drawn_from: list[Tensor] = [probability_ND] * len(self.sizes)
        prefix_Nd = torch.zeros_like(h_Nd)
        for field in self.order:
            state_Nd = h_Nd if self.states is None else self.states.one(field, h_Nd, prefix_Nd)
            logits_NV = F.linear(self.scale * state_Nd, *self._output_map(embedding)[field]).float()
            log_p_NV = self._log_probability(field, logits_NV, state_Nd, history)
            if self.sizes[field] > UNK + 1:
                log_p_NV[:, UNK] = -torch.inf
            drawn_from[field] = p_NV = log_p_NV.softmax(1)
            value_N1 = p_NV.argmax(1, keepdim=True) if greedy else p_NV.multinomial(1, generator=generator)
            value_ND[:, field] = value_N1.squeeze(1)
            probability_ND[:, field] = p_NV.gather(1, value_N1).squeeze(1)
            if self.states is not None and self.states.chained:
                prefix_Nd = prefix_Nd + self.states.embed(field, value_ND[:, field])
        return value_ND, probability_ND, drawn_from

    def _scored(self, h_BTd: Tensor, batch: EventBatch) -> tuple[Tensor, History]:
        """The targets [N, D] of all scored positions, and what lies before them."""
        event_BTD = batch.target.index_select(2, self.dynamic_D)
        place_N = batch.scored.flatten().nonzero().squeeze(1)
        target_ND = event_BTD[:, 1:].flatten(0, 1).index_select(0, place_N)
        B, T, _ = h_BTd.shape
        newest_BT = torch.arange(T, device=h_BTd.device).expand(B, T)
        return target_ND, History(h_BTd, event_BTD[:, :-1], place_N, newest_BT)

    def _states(self, h_BTd: Tensor, history: History, target_ND: Tensor) -> Tensor:
        """[D, N, d] what each field's logits are read off."""
        h_Nd = h_BTd.flatten(0, 1).index_select(0, history.place)
        return h_Nd.expand(len(self.sizes), -1, -1) if self.states is None else self.states(h_Nd, target_ND)

    def _output_map(self, embedding: EventEmbedding) -> list[tuple[Tensor, Tensor]]:
        """Weight [V, d] and bias [V] of every dynamic field."""
        if self.tied:
            of_fields = embedding.value_Vd.split(embedding.sizes)
            weights = [of_fields[number] for number in self.dynamic]
        else:
            weights = self.weight_Ud.split(self.sizes)
        bias_U = self.bias_U.masked_fill(self.barred_U, -torch.inf)
        return list(zip(weights, bias_U.split(self.sizes), strict=True))

    def _logits(self, state_DNd: Tensor, embedding: EventEmbedding) -> list[Tensor]:
        """A tensor [N, V] float32 for every dynamic field."""
        if self.states is None and not self.tied:  # one state for all fields: one product
            bias_U = self.bias_U.masked_fill(self.barred_U, -torch.inf)
            return list(F.linear(state_DNd[0], self.weight_Ud, bias_U).float().split(self.sizes, dim=1))
        pairs = zip(state_DNd.unbind(0), self._output_map(embedding), strict=True)
        return [F.linear(self.scale * state_Nd, *output_map).float() for state_Nd, output_map in pairs]

    def _log_probability(self, field: int, logits_NV: Tensor, state_Nd: Tensor, history: History) -> Tensor:
        log_p_NV = logits_NV.log_softmax(1)
        for pointer in self.pointers:
            if pointer.field == field:
                log_p_NV = pointer.log_probability(log_p_NV, state_Nd, history)
        return log_p_NV


def _spread(x_ND: Tensor, batch: EventBatch, history: History) -> Tensor:
    """[N, D] -> [B, T, D] with zeros where not scored."""
    x_PD = x_ND.new_zeros(batch.scored.numel(), x_ND.shape[1]).index_copy(0, history.place, x_ND)
    return x_PD.view(*batch.scored.shape, -1)
