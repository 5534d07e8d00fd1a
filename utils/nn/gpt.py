"""A decoder-only transformer, as week 7 builds it: GPT-2's architecture, and its logits on GPT-2's weights.

Radford et al., Language Models are Unsupervised Multitask Learners (2019); the shape of the code follows nanoGPT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

TAUGHT_IN = 7


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT.

    Attributes:
        vocabulary: V, how many tokens there are.
        block_size: the longest sequence, in tokens: there are so many position vectors.
        layers, heads: how many blocks, and how many attention heads in each.
        width: D, numbers per token; a multiple of ``heads``.
        dropout: the chance of a number to be dropped while training.
    """

    vocabulary: int
    block_size: int
    layers: int = 4
    heads: int = 4
    width: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be shared by {self.heads} heads")


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which a token looks at itself and at earlier ones, by a fused kernel."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)

    def project(self, x: Float[Tensor, "B T D"]) -> tuple[Float[Tensor, "B h T d"], ...]:
        """Queries, keys and values of all heads, from one matrix product."""
        return tuple(
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, T, d)
            for part in self.to_qkv(x).chunk(3, dim=-1)  # (B, T, D) each
        )

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        query, key, value = self.project(x)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)  # (B, h, T, d)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))  # (B, T, D)
        return F.dropout(mixed, self.dropout, self.training)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them, for each token alone; four times as wide inside."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        hidden = F.gelu(self.to_hidden(x), approximate="tanh")  # (B, T, 4D); GPT-2 uses the approximation
        return F.dropout(self.to_out(hidden), self.dropout, self.training)


class Block(nn.Module):
    """One layer: attention, then feed-forward. Each reads a normalised copy and adds its result to the stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.norm_1(x))  # (B, T, D)
        return x + self.feed_forward(self.norm_2(x))  # (B, T, D)


class GPT(nn.Module):
    """A language model: for every token the logits of the next one.

    Args:
        config: its sizes.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self) -> None:
        """Standard deviation 0.02; smaller, 0.02/√(2 · layers), for what is added to the residual stream."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "norm" not in name:
                shrink = math.sqrt(2 * self.config.layers) if "to_out" in name else 1
                nn.init.normal_(parameter, std=0.02 / shrink)

    def embed(self, tokens: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """Token and position vectors, added.

        Args:
            tokens: (B, T).
            start: the position of the first of them.

        Raises:
            ValueError: the last position is beyond the block size.
        """
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)  # (T,)
        x = self.tokens(tokens) + self.positions(places)  # (B, T, D)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Logits, by the token embedding itself: input and output share one matrix (Press and Wolf, 2017)."""
        return F.linear(self.norm(x), self.tokens.weight)  # (B, T, V)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each.

        Raises:
            ValueError: there are more tokens than the block size.
        """
        x = self.embed(tokens)  # (B, T, D)
        for block in self.blocks:
            x = block(x)  # (B, T, D)
        return self.unembed(x)

    def loss(self, tokens: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats per token.

        Args:
            tokens: (B, T).
            targets: (B, T), the token after each.
        """
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())
