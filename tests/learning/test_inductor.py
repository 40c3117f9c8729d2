"""A model that torch.compile cannot compile trains with its plain code."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mlspec.errors import StageError  # noqa: E402
from mlspec.learning.inductor import compile_errors, or_plain  # noqa: E402

FAILURE = "CppCompileError: C++ compile error\nCommand: g++ and many more lines"


def failing(*_: object, **__: object) -> None:
    from torch._dynamo.exc import TorchDynamoException

    raise TorchDynamoException(FAILURE)


def test_a_failed_compilation_is_reported_once_and_the_plain_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    module, rows = torch.nn.Linear(3, 2), torch.ones(4, 3)
    expected = module(rows)
    or_plain(module, failing)
    assert all(torch.equal(module(rows), expected) for _ in range(3))
    output = capsys.readouterr().out
    assert output.count("training runs without torch.compile, which failed: CppCompileError: C++ compile error") == 1
    assert "g++" not in output


def test_a_compiled_module_is_called() -> None:
    module = torch.nn.Linear(3, 2)
    or_plain(module, lambda rows: rows * 2)
    assert torch.equal(module(torch.ones(1)), torch.full((1,), 2.0))


def test_a_failure_in_the_backward_pass_names_the_key_to_change() -> None:
    with (
        pytest.raises(StageError, match=r"^torch\.compile failed: CppCompileError: C\+\+ compile error$") as raised,
        compile_errors(),
    ):
        failing()
    assert raised.value.help == "set train.compile: off"


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), compile_errors():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
