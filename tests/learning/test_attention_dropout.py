"""Attention with dropout as one function: torch's result and gradient, and the dropout that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from mlspec.learning.attention_dropout import NAME, AttentionDropout, attention, quicken_attention  # noqa: E402
from mlspec.learning.networks import PretrainedNetwork, TextNetwork  # noqa: E402
from mlspec.learning.pretrained import encoder_of  # noqa: E402

SCALE, HARDLY = 0.3, 1e-9
"""A probability with which none of the few values is dropped."""


class Layer(nn.Module):
    """What the library passes of a layer that attends to all tokens."""

    is_causal = False


def tensors() -> list[Tensor]:
    """`query`, `key` and `value` as the library passes them: [B, H, L, D], a view of [B, L, H, D]."""
    torch.manual_seed(0)
    return [torch.randn(3, 7, 2, 4).transpose(1, 2).requires_grad_() for _ in range(3)]


def masked(length: int = 7) -> Tensor:
    allowed = torch.ones(3, 1, 1, length, dtype=torch.bool)
    allowed[1, :, :, -2:] = False
    return allowed


@pytest.mark.parametrize("allowed", [None, masked(), masked().expand(3, 1, 7, 7)], ids=["all", "row", "square"])
def test_result_and_gradient_are_those_of_torch(allowed: Tensor | None) -> None:
    inputs, change = tensors(), torch.randn(3, 7, 2, 4)
    mixed = AttentionDropout.apply(*inputs, allowed, HARDLY, SCALE)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=allowed, scale=SCALE).transpose(1, 2)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(
        torch.autograd.grad(mixed, inputs, change), torch.autograd.grad(expected, inputs, change)
    )


def test_the_gradient_is_that_of_the_values_that_were_kept() -> None:
    inputs = [each.detach().double().requires_grad_() for each in tensors()]

    def dropped(*inputs: Tensor) -> Any:
        torch.manual_seed(5)
        return AttentionDropout.apply(*inputs, masked(), 0.4, SCALE)

    assert torch.autograd.gradcheck(dropped, inputs)


def test_dropout_has_its_probability_and_keeps_the_mean() -> None:
    query, key, value = (each.detach() for each in tensors())
    value = torch.ones_like(value)
    torch.manual_seed(1)
    sums = torch.stack([AttentionDropout.apply(query, key, value, None, 0.25, 0.0) for _ in range(3000)])
    # With equal shares of 7 tokens a result is the number of kept tokens / (7 * 0.75).
    kept = sums[..., 0] * 7 * 0.75
    assert torch.equal(kept.round(), kept.mul(1e3).round().div(1e3).round())
    assert float(kept.mean()) == pytest.approx(7 * 0.75, abs=0.02)  # five standard deviations
    assert float(kept.var()) == pytest.approx(7 * 0.75 * 0.25, rel=0.03)


@pytest.mark.parametrize(
    ("changed", "dropout"),
    [({}, 0.0), ({"position_bias": torch.zeros(3, 2, 7, 7)}, 0.5), ({"is_causal": True, "mask": None}, 0.5)],
    ids=["evaluation", "bias", "causal"],
)
def test_what_it_does_not_compute_is_left_to_torch(changed: dict[str, Any], dropout: float) -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    mask = changed.pop("mask", masked())
    results = []
    for function in (attention, sdpa_attention_forward):
        torch.manual_seed(3)
        results.append(function(Layer(), *tensors(), mask, dropout, SCALE, **changed)[0])
    assert torch.equal(*results)


def encoder(kind: str) -> PretrainedNetwork:
    size = {"model_type": kind, "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 24, "max_position_embeddings": 32}  # fmt: skip
    names = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24} if kind == "distilbert" else {}
    torch.manual_seed(2)
    return PretrainedNetwork(encoder_of(size | names), 16, 2, 0.1)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "electra", "roberta"])
def test_an_encoder_trains_with_it_and_evaluates_with_torch(kind: str) -> None:
    plain, quick = encoder(kind), encoder(kind)
    quicken_attention(quick)
    assert quick.encoder.config._attn_implementation == NAME  # type: ignore[union-attr]
    for network in (plain, quick):
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = HARDLY
    batch = {"input_ids": torch.randint(5, 50, (4, 9)), "attention_mask": torch.ones(4, 9, dtype=torch.int64)}
    batch["attention_mask"][0, 5:] = 0
    gradients = []
    for network in (plain, quick):
        network(**batch).square().sum().backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    torch.testing.assert_close(gradients[1], gradients[0])
    assert torch.equal(quick.eval()(**batch), plain.eval()(**batch))


def test_other_networks_stay_as_they_are() -> None:
    quicken_attention(TextNetwork(50, 16, 8, 1, 2, 2, 0.1))
    unknown = encoder("bert")
    unknown.encoder.config.model_type = "albert"  # type: ignore[union-attr]
    quicken_attention(unknown)
    assert unknown.encoder.config._attn_implementation == "sdpa"  # type: ignore[union-attr]
