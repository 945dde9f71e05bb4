"""The decoder: what a window's events so far, and the memory of past events, say about the next event.

Legend: B windows, T positions, d width.
"""

from torch import Tensor, nn

from models.dropout import Dropout, MishDropout
from models.event_predictor.attention import CrossAttention, KeyValueCache, Memory, SelfAttention, linear
from models.event_predictor.feed_forward import feed_forward


class FeedForward(nn.Module):
    """Linear map up, Mish (arXiv:1908.08681), linear map down."""

    def __init__(self, d_model: int, width: int, dropout: float):
        super().__init__()
        self.up = linear(d_model, width)
        self.down = linear(width, d_model)
        self.mish = MishDropout(dropout)

    def forward(self, x_BTd: Tensor) -> Tensor:
        """[B, T, d] -> [B, T, d]."""
        maps = ((layer.weight.mT[None], layer.bias[None]) for layer in (self.up, self.down))
        return feed_forward(x_BTd.flatten(0, 1)[None], *maps, self.mish).view(x_BTd.shape)


class PreNormLayer(nn.Module):
    """Self-attention, cross-attention where there is a memory, and a feed-forward network.

    Each reads the norm of what it adds to (arXiv:2002.04745). Dropout acts on what each adds and on the hidden units,
    not on attention weights.
    """

    def __init__(self, d_model: int, num_heads: int, feed_forward: int, dropout: float, reads_memory: bool):
        super().__init__()
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.self_attention = SelfAttention(d_model, num_heads)
        self.cross_attention = None
        if reads_memory:
            self.cross_attention_norm = nn.LayerNorm(d_model)
            self.cross_attention = CrossAttention(d_model, num_heads)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, feed_forward, dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x_BTd: Tensor, memory: Memory | None = None, **positions) -> Tensor:
        """[B, T, d] -> [B, T, d]; `positions` go to the self-attention."""
        x_BTd = x_BTd + self.dropout(self.self_attention(self.self_attention_norm(x_BTd), **positions))
        if self.cross_attention is not None:
            x_BTd = x_BTd + self.dropout(self.cross_attention(self.cross_attention_norm(x_BTd), memory))
        return x_BTd + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTd)))


class Decoder(nn.Module):
    """Pre-norm layers with causal self-attention, and a norm.

    Windows are padded on the right, so causality alone keeps padding out of every real position.
    """

    def __init__(
        self, d_model: int, num_heads: int, layers: int, feed_forward: int, dropout: float, reads_memory: bool
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            PreNormLayer(d_model, num_heads, feed_forward, dropout, reads_memory) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(
        self,
        x_BTd: Tensor,
        memory: Memory | None,
        caches: list[KeyValueCache] | None = None,
        position_BT: Tensor | None = None,
    ) -> Tensor:
        """[B, T, d] -> [B, T, d].

        Args:
            x_BTd: embedded events.
            memory: what was known at the one cut-off, or at each position; None where there are no streams.
            caches: one a layer, of the positions before these; None: these are the window.
            position_BT: [B, T] int64 where in the caches these positions stand.
        """
        for number, layer in enumerate(self.layers):
            cached = {} if caches is None else {"cache": caches[number], "position_BT": position_BT}
            x_BTd = layer(x_BTd, memory, **cached)
        return self.norm(x_BTd)
