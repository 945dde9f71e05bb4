"""Several runs as one event model: of every field a mixture of their distributions, with equal weights.

With chained heads the mixture is of whole events: p(event) is the mean of the members' joint probabilities. Field by
field that is the mean of their conditional ones, in which each member counts as much as it expected of the event's
earlier fields; so the nats of the fields add up to those of the event.
Legend: M members, N targets, D dynamic fields, V values of one.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from schemas.batches import EventBatch, EventOutput
from schemas.events import UNK, EventSchema


def targets_of(batch: EventBatch, schema: EventSchema) -> Tensor:
    """[N, D] the values that came, of every scored position in the order of the batch."""
    return batch.target[:, 1:][batch.scored][:, list(schema.dynamic)]


def tempered(told: Sequence[Tensor], temperature_D: Sequence[float] | None) -> list[Tensor]:
    """[N, V] log p of each field at its temperature; as they are where there are none."""
    if temperature_D is None:
        return list(told)
    return [(log_p_NV / each).log_softmax(1) for log_p_NV, each in zip(told, temperature_D, strict=True)]


def mixed(told: Sequence[Sequence[Tensor]], target_ND: Tensor, chain: Sequence[int] | None) -> list[Tensor]:
    """[N, V] log p of the mixture for each field.

    Args:
        told: of each member the [N, V] log p of each field; chained, given the target's own earlier fields.
        target_ND: the values that came.
        chain: the fields in the members' order; None: heads are independent, and every field is mixed by itself.
    """
    fields = range(len(told[0])) if chain is None else chain
    mixture: list[Tensor] = [torch.empty(0)] * len(told[0])
    log_weight_MN = torch.full((len(told), len(target_ND)), -math.log(len(told)))
    for field in fields:
        log_p_MNV = torch.stack([of_member[field] for of_member in told])
        mixture[field] = (log_weight_MN[..., None] + log_p_MNV).logsumexp(0)
        if chain is not None:
            target_MN1 = target_ND[:, field].expand(len(told), -1)[..., None]
            log_weight_MN = _weighed(log_weight_MN, log_p_MNV.gather(2, target_MN1).squeeze(2))
    return mixture


def _weighed(log_weight_MN: Tensor, log_p_MN: Tensor) -> Tensor:
    """The members' weights after a field: those that expected its value count more. Nobody did: they stay."""
    joint_MN = log_weight_MN + log_p_MN
    total_N = joint_MN.logsumexp(0)
    return torch.where(total_N.isinf(), log_weight_MN, joint_MN - total_N)


def measured(told: Sequence[Tensor], target_ND: Tensor, batch: EventBatch) -> EventOutput:
    """What a net's own `evaluate` would say, had it told these distributions; all on the CPU."""
    columns = []
    for log_p_NV, target_N in zip(told, target_ND.T, strict=True):
        log_p_N1 = log_p_NV.gather(1, target_N[:, None])
        best_N, likeliest_N = log_p_NV.max(1)
        may_hit_N = (target_N != UNK) & log_p_N1.squeeze(1).isfinite()
        top5_N = may_hit_N & ((log_p_NV > log_p_N1).sum(1) < 5)
        columns.append((-log_p_N1.squeeze(1), may_hit_N & (likeliest_N == target_N), top5_N, best_N.exp()))
    nll, hit, top5, confidence = (_spread(torch.stack(each, 1), batch.scored) for each in zip(*columns, strict=True))
    return EventOutput(nll, hit, top5, confidence, batch.scored, batch.sequence_id)


def _spread(x_ND: Tensor, scored_BT: Tensor) -> Tensor:
    """[N, D] -> [B, T, D] with zeros where not scored."""
    x_BTD = x_ND.new_zeros(*scored_BT.shape, x_ND.shape[1])
    x_BTD[scored_BT] = x_ND
    return x_BTD
