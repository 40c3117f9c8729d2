"""Networks in mixed precision."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.networks import TabularNetwork  # noqa: E402


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_a_number_is_not_rounded_to_the_precision_of_the_layers(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    network = TabularNetwork(4, [], 8, [16], 0, 0.0)
    network.learn_unit(torch.randn(100) * 5 + 200_000)
    numbers = torch.randn(20, 4)
    with torch.no_grad():
        exact = network(numbers=numbers)
        with torch.autocast("cpu", kind):
            mixed = network(numbers=numbers)
    assert mixed.dtype == torch.float32
    assert torch.allclose(mixed, exact, rtol=0, atol=0.1)  # of a deviation of 5
