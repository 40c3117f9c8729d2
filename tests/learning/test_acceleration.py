"""How a module is prepared for its device."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402

from mlspec.learning.acceleration import accelerate, not_recordable, switches  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import ImageNetwork, PretrainedNetwork, TextNetwork  # noqa: E402
from mlspec.learning.pretrained import encoder_of  # noqa: E402
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


def learner(network: torch.nn.Module, train: TrainSpec) -> Learner:
    return Learner(network, "classification", Scores(["accuracy"], "classification"), train, None)


def on(device: str, world: int = 1) -> Any:
    """A trainer on a device that this machine may not have."""
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)), world_size=world)


@pytest.mark.parametrize(
    ("device", "world", "settings", "reason"),
    [
        ("cpu", 1, {}, "they need an NVIDIA GPU, and training runs on the processor"),
        ("mps", 1, {}, "they need an NVIDIA GPU, and training runs on MPS"),
        ("cuda:0", 2, {}, "training runs on 2 devices"),
        ("cuda:0", 1, {"accumulate": 2}, "gradients are accumulated over 2 batches (train.accumulate)"),
        ("cuda:0", 1, {"precision": "16-mixed"}, "16-mixed scales each loss (train.precision)"),
        ("cuda:0", 1, {"gradient_checkpointing": True}, "activations are recomputed (train.gradient_checkpointing)"),
    ],
)
def test_auto_reports_once_why_steps_are_not_recorded(
    device: str, world: int, settings: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train = TrainSpec(**settings)
    module = learner(TextNetwork(20, 8, 8, 1, 2, 2, 0.0), train)
    assert not_recordable(module, on(device, world), train) == reason
    assert accelerate(module, on(device, world), train) == "off"
    expected = f"decision: train.compile: no CUDA graphs, because {reason}\n" if "cuda" in device else ""
    assert capsys.readouterr().out == expected, "without a GPU nothing was expected of it"
    assert accelerate(module, on(device, world), train.model_copy(update={"compile": "off"})) == "off"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("device", "world", "compiled", "quick"),
    [("cpu", 1, "auto", True), ("cpu", 2, "auto", False), ("cpu", 1, "inductor", False), ("cuda:0", 1, "auto", False)],
)
def test_one_process_on_a_processor_has_attention_with_quick_dropout(
    device: str, world: int, compiled: Any, quick: bool
) -> None:
    size = {"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "max_position_embeddings": 16}  # fmt: skip
    encoder: Any = encoder_of(size)
    train = TrainSpec(compile=compiled)
    accelerate(learner(PretrainedNetwork(encoder, 8, 2, 0.1), train), on(device, world), train)
    assert (encoder.config._attn_implementation != "sdpa") == quick


def test_a_module_of_the_project_keeps_its_own_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert accelerate(pl.LightningModule(), on("cuda:0"), TrainSpec()) == "off"
    assert "because the steps of LightningModule, a module of the project, may do anything" in capsys.readouterr().out


def test_steps_of_mlspec_s_networks_are_recorded_on_an_nvidia_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    module = learner(TextNetwork(20, 8, 8, 1, 2, 2, 0.0), TrainSpec())
    assert accelerate(module, on("cuda:0"), TrainSpec()) == "graphs"
    assert module.graphs is not None
    assert capsys.readouterr().out == ""


@pytest.fixture
def restored() -> Iterator[None]:
    """Torch's switches as they were."""
    filled = torch.utils.deterministic.fill_uninitialized_memory
    precision, tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    attention = torch.backends.cuda.cudnn_sdp_enabled()
    yield
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.enable_cudnn_sdp(attention)


@pytest.mark.usefixtures("restored")
def test_memory_is_not_filled_for_determinism() -> None:
    """An empty tensor is filled with NaN in torch's deterministic mode: half of all kernels of a step."""
    torch.utils.deterministic.fill_uninitialized_memory = True
    switches(TrainSpec(deterministic=False), torch.device("cpu"))
    assert torch.utils.deterministic.fill_uninitialized_memory
    switches(TrainSpec(), torch.device("cpu"))
    assert not torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
            torch.empty(1000)
        assert not any(event.name == "aten::fill_" for event in profile.events())
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("tf32", "precision"), [(True, "high"), (False, "highest")])
def test_tf32_is_what_the_spec_says(tf32: bool, precision: str) -> None:
    torch.set_float32_matmul_precision("highest" if tf32 else "high")
    torch.backends.cudnn.allow_tf32 = not tf32
    switches(TrainSpec(tf32=tf32), torch.device("cpu"))
    assert torch.get_float32_matmul_precision() == precision
    assert torch.backends.cudnn.allow_tf32 is tf32


@pytest.mark.usefixtures("restored")
def test_attention_on_an_nvidia_gpu_has_no_plan_for_each_shape() -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    switches(TrainSpec(), torch.device("cpu"))
    assert torch.backends.cuda.cudnn_sdp_enabled()
    switches(TrainSpec(), torch.device("cuda"))
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def encoder() -> PretrainedNetwork:
    size = {
        "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2,
        "intermediate_size": 64, "vocab_size": 50, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip
    return PretrainedNetwork(encoder_of(size), 16, 2, 0.0)


def saved_bytes(network: torch.nn.Module) -> tuple[int, torch.Tensor]:
    """The bytes that the forward pass keeps for the backward pass, without the parameters; and a gradient."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.arange(8 * 32).reshape(8, 32) % 40
    network.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(input_ids=ids, attention_mask=torch.ones_like(ids))
    size = sum(kept.values())
    output.square().sum().backward()
    parameter = next(network.parameters())
    assert parameter.grad is not None
    return size, parameter.grad.clone()


@pytest.mark.parametrize("make", [lambda: TextNetwork(50, 32, 16, 4, 2, 2, 0.0), encoder], ids=["own", "pretrained"])
def test_gradient_checkpointing_saves_memory_with_the_same_gradients(make: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(0)
    network = make().train()
    before, gradient = saved_bytes(network)
    train = TrainSpec(gradient_checkpointing=True, compile="off")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        accelerate(learner(network, train), on("cpu"), train)
    after, same = saved_bytes(network.train())
    assert after < before / 2
    torch.testing.assert_close(same, gradient)
