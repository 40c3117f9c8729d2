"""mlspec's networks. `forward(**inputs)` takes the preprocessed arrays and returns logits [B, classes] or [B]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

FULL_ATTENTION: Final = frozenset({"bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
"""Encoders of transformers that accept an attention mask in four dimensions and use it in every layer."""


class ImageNetwork(nn.Module):
    """Convolutions, each with batch normalisation, ReLU and max pooling; then two dense layers."""

    def __init__(
        self, shape: Sequence[int], channels: Sequence[int], hidden: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        inputs, height, width = shape
        layers: list[nn.Module] = []
        self.narrowest = height * width
        """Pixels of the smallest feature map with batch normalisation."""
        for filters in channels:
            self.narrowest = height * width
            layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
            inputs, height, width = filters, -(-height // 2), -(-width // 2)
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """`pixels` float32 [B, C, H, W] to logits [B, classes]."""
        logits: Tensor = self.head(self.body(pixels))
        return logits


class TabularNetwork(nn.Module):
    """Numbers and embeddings of categories, followed by dense layers."""

    def __init__(
        self,
        numbers: int,
        categories: Sequence[int],
        embedding: int,
        hidden: Sequence[int],
        outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.embeddings = nn.ModuleList(nn.Embedding(size + 1, embedding) for size in categories)
        width = numbers + embedding * len(categories)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.body = nn.Sequential(*layers, nn.Linear(width, max(outputs, 1)))
        if outputs == 0:
            # Mean and standard deviation of the target: the layers learn a standardised target.
            self.register_buffer("shift", torch.zeros(()))
            self.register_buffer("scale", torch.ones(()))
            self.shift: Tensor
            self.scale: Tensor

    def learn_unit(self, targets: Tensor) -> None:
        """Set mean and standard deviation from the training targets [N]."""
        self.shift.copy_(targets.double().mean())
        spread = targets.double().std(correction=0)
        self.scale.copy_(spread if spread > 0 else torch.ones(()))

    def forward(self, numbers: Tensor | None = None, categories: Tensor | None = None) -> Tensor:
        """`numbers` float32 [B, n], `categories` int64 [B, m] to logits [B, classes], or [B] for a number."""
        parts = [] if numbers is None else [numbers]
        if categories is not None:
            parts += [embed(categories[:, index]) for index, embed in enumerate(self.embeddings)]
        logits: Tensor = self.body(torch.cat(parts, dim=1))
        if self.outputs:
            return logits
        # In mixed precision the layers return 8 or 11 bits, which suffice for deviations, not for the number itself.
        return logits.squeeze(1).to(self.scale.dtype) * self.scale + self.shift


class TextNetwork(nn.Module):
    """A small transformer encoder with mean pooling and a linear head."""

    def __init__(
        self, vocab: int, max_length: int, hidden: int, layers: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab, hidden)
        self.places = nn.Embedding(max_length, hidden)
        self.blocks = nn.ModuleList(_Block(hidden, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, outputs))
        self.recompute = False
        """Whether the backward pass computes the activations of a block again, to save memory."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """`input_ids` and `attention_mask` int64 [B, L] to logits [B, classes]."""
        state = self.tokens(input_ids) + self.places.weight[: input_ids.shape[1]]
        for block in self.blocks:
            again = self.recompute and self.training
            state = (
                checkpoint(block, state, attention_mask, use_reentrant=False) if again else block(state, attention_mask)
            )
        logits: Tensor = self.head(mean(self.norm(state), attention_mask))
        return logits


class _Block(nn.Module):
    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(hidden)
        self.mix = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.after = nn.LayerNorm(hidden)
        self.dense = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))
        self.drop = nn.Dropout(dropout)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        batch, length, hidden = state.shape
        mixed = self.mix(self.before(state)).view(batch, length, 3, self.heads, hidden // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        allowed = (mask > 0)[:, None, None, :]
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        state = state + self.drop(self.out(seen.transpose(1, 2).reshape(batch, length, hidden)))
        output: Tensor = state + self.drop(self.dense(self.after(state)))
        return output


class PretrainedNetwork(nn.Module):
    """A transformers encoder with mean pooling and a linear head."""

    def __init__(self, encoder: nn.Module, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, outputs))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """`input_ids`, `attention_mask` and optional `token_type_ids` int64 [B, L] to logits [B, classes]."""
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        mask = self._mask(attention_mask)
        state = self.encoder(input_ids=input_ids, attention_mask=mask, **more).last_hidden_state
        logits: Tensor = self.head(mean(state, attention_mask))
        return logits

    def _mask(self, mask: Tensor) -> Tensor:
        """The mask as the encoder reads it: on CUDA in four dimensions, else transformers waits for the device.

        It looks for a mask without zeros. Only where every layer attends to all tokens, so that one mask serves all.
        """
        known = getattr(getattr(self.encoder, "config", None), "model_type", "") in FULL_ATTENTION
        return (mask > 0)[:, None, None, :] if mask.is_cuda and known else mask


def mean(state: Tensor, mask: Tensor) -> Tensor:
    """The mean [B, H] of the states [B, L, H] at which the mask [B, L] is 1."""
    weights = mask.unsqueeze(-1).to(state.dtype)
    return (state * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
