"""Dropout with fewer random numbers drops the share that it should, and depends on the seed alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mlspec.learning.dropout import LEAST, BitDropout, quicken  # noqa: E402


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_values_are_dropped_with_the_probability_and_the_others_scaled(p: float) -> None:
    torch.manual_seed(0)
    values = BitDropout(p)(torch.ones(1000, 1001))
    share = float((values == 0).double().mean())
    assert share == pytest.approx(p, abs=0.003)  # six standard deviations
    assert values[values != 0].unique().tolist() == pytest.approx([1 / (1 - p)])
    assert float((values[:, 1:] * values[:, :-1] > 0).double().mean()) == pytest.approx((1 - p) ** 2, abs=0.003)


def test_the_numbers_follow_the_generator_of_torch() -> None:
    layer, values = BitDropout(0.3), torch.ones(LEAST + 1)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = layer(values), layer(values)
    torch.set_rng_state(state)
    assert torch.equal(layer(values), first)
    assert torch.equal(layer(values), second)
    assert not torch.equal(first, second)


def test_the_gradient_is_dropped_with_the_value() -> None:
    values = torch.full((LEAST,), 2.0, requires_grad=True)
    dropped = BitDropout(0.25)(values.view(-1, 8).t())
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, dropped.detach().t().reshape(-1) / 2)


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_few_values_and_evaluation_are_those_of_torch(p: float, count: int) -> None:
    values = torch.randn(count)
    layers = [BitDropout(p), nn.Dropout(p)]
    results = []
    for layer in layers:
        torch.manual_seed(0)
        results.append(layer(values))
    assert torch.equal(*results) == (count < LEAST or p in (0, 1))
    assert torch.equal(layers[0].eval()(values), values)


def test_only_plain_dropout_is_replaced() -> None:
    class Other(nn.Dropout):
        pass

    network = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.2)), nn.Dropout(0.3, inplace=True), Other(0.4))
    network[1].eval()
    quicken(network)
    layers = [network[0], network[1][0], network[2], network[3]]  # type: ignore[index]
    assert [type(layer) for layer in layers] == [BitDropout, BitDropout, nn.Dropout, Other]
    assert [layer.p for layer in layers] == [0.1, 0.2, 0.3, 0.4]
    assert [layer.training for layer in layers] == [True, False, True, True]
