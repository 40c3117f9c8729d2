"""How a module is prepared for its device."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402

from mlspec.learning.acceleration import accelerate  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import ImageNetwork  # noqa: E402
from mlspec.sections.train import TrainSpec  # noqa: E402


def test_on_a_processor_the_channels_of_a_pixel_lie_side_by_side() -> None:
    torch.manual_seed(0)
    network = ImageNetwork((3, 8, 8), [4], 8, 2, 0.0).eval()
    pixels = torch.randn(2, 3, 8, 8)
    before = network(pixels)
    train = TrainSpec()
    module = Learner(network, "classification", Scores(["accuracy"], "classification"), train, None)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    assert accelerate(module, trainer, train) == "off"
    features = network.body[0](pixels)
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(pixels), before)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of PyTorch has no oneDNN")
def test_convolutions_on_a_processor_are_those_of_onednn() -> None:
    network = ImageNetwork((1, 28, 28), [4], 8, 2, 0.0).to(memory_format=torch.channels_last)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        network(torch.randn(4, 1, 28, 28)).sum().backward()
    assert "aten::mkldnn_convolution" in {event.name for event in profile.events()}
