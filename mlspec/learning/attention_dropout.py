"""Attention with dropout for encoders of transformers, in training on a processor.

There torch has no kernel for attention with dropout. It takes a general path of many operators and its own random
numbers, which take as long as the products; here it is one function with its gradient. A step of a transformer of 22
million parameters on short sentences takes a twentieth less.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from mlspec.learning.dropout import kept
from mlspec.learning.networks import FULL_ATTENTION, PretrainedNetwork
from mlspec.learning.pretrained_tokenizer import transformers_library

NAME: Final = "mlspec"
"""The name of this attention in the library."""
_OTHERS: Final = ("cache", "is_causal", "position_bias", "softcap")
"""Arguments that change what attention computes."""


class AttentionDropout(torch.autograd.Function):
    """`softmax(scale * query @ key.T) @ value` with dropout of the softmax."""

    @staticmethod
    def forward(
        context: Any, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, p: float, scale: float
    ) -> Tensor:
        """`query`, `key` and `value` float32 [B, H, L, D], `allowed` bool [B, 1, 1 or L, L] to float32 [B, L, H, D]."""
        batch, heads, length, depth = query.shape
        query, key, value = (each.reshape(batch * heads, length, depth) for each in (query, key, value))
        scores = torch.bmm(query, key.transpose(1, 2)).mul_(scale)
        if allowed is not None:
            scores.view(batch, heads, length, length).masked_fill_(~allowed, torch.finfo(scores.dtype).min)
        shares = torch.softmax(scores, -1)
        factors = kept(shares, p)
        context.save_for_backward(query, key, value, shares, factors)
        context.scale = scale
        mixed = torch.bmm(shares * factors, value).view(batch, heads, length, depth)
        return mixed.transpose(1, 2).contiguous()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of `query`, `key` and `value`."""
        query, key, value, shares, factors = context.saved_tensors
        batch, length, heads, depth = gradient.shape
        of_mixed = gradient.transpose(1, 2).reshape(batch * heads, length, depth)
        of_value = torch.bmm((shares * factors).transpose(1, 2), of_mixed)
        of_shares = torch.bmm(of_mixed, value.transpose(1, 2)).mul_(factors)
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype).mul_(context.scale)
        of_query, of_key = torch.bmm(of_scores, key), torch.bmm(of_scores.transpose(1, 2), query)
        of_inputs = (each.view(batch, heads, length, depth) for each in (of_query, of_key, of_value))
        return *of_inputs, None, None, None


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """The attention of a layer as the library calls it; torch's where this one does not apply."""
    applies = (
        0 < dropout < 1
        and scaling is not None
        and query.device.type == "cpu"
        and query.dtype == torch.float32
        and query.shape == key.shape == value.shape
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and not getattr(module, "is_causal", True)
        and all(others.get(name) is None for name in _OTHERS)
    )
    if applies:
        return AttentionDropout.apply(query, key, value, attention_mask, dropout, scaling), None  # type: ignore[no-untyped-call]
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **others)


def quicken_attention(network: nn.Module) -> None:
    """Use it in the layers of a pretrained encoder whose attention it computes."""
    if not isinstance(network, PretrainedNetwork):
        return
    encoder: Any = network.encoder
    config: Any = getattr(encoder, "config", None)
    if getattr(config, "model_type", "") not in FULL_ATTENTION or config._attn_implementation != "sdpa":
        return
    library = transformers_library()
    masks = getattr(library, "AttentionMaskInterface", None)  # releases before 4.54 have none
    if masks is None or not hasattr(encoder, "set_attn_implementation"):
        return
    library.AttentionInterface.register(NAME, attention)
    masks.register(NAME, masks()["sdpa"])
    encoder.set_attn_implementation(NAME)
