"""Exports a torch module to an ONNX file with `torch.export`, with dynamic batch and length dimensions."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from mlspec.errors import StageError
from mlspec.job import own_frames, shown_frame
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import Feature, Preprocess
from mlspec.runtime.preprocess.base import Array
from mlspec.runtime.preprocess.custom import CustomPreprocess

OUTPUT = "logits"
BATCH, LENGTH = "batch", "length"
EXAMPLES = 3
"""Rows in the example batch: with one row the exporter would make the batch size a constant."""
_PACKED, _PACKS = "packed sequence", "pack_"
_PROTOBUF_LIMIT = 2 * 2**30
_NAMES_A_NODE = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)'|translating node (%\w+)")
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\w+)\n\s*(.+)')


class _Named(nn.Module):
    """`module` with positional inputs, because a `forward(**inputs)` cannot be exported."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(names)

    def forward(self, *tensors: Tensor) -> Tensor:
        """The module's logits."""
        logits: Tensor = self.module(**dict(zip(self.names, tensors, strict=True)))
        return logits


def write(module: nn.Module, rows: Rows, preprocess: Preprocess, opset: int, path: Path, root: Path) -> None:
    """Export `module` to `path`, optimised and checked. Raises StageError if the exporter fails."""
    batch = example(rows.features, preprocess)
    tensors = tuple(torch.from_numpy(array) for array in batch.values())
    named = _Named(module.eval(), preprocess.names)
    try:
        with _quiet():
            program = torch.onnx.export(
                named,
                tensors,
                dynamo=True,
                dynamic_shapes=(tuple(open_axes(batch, rows.features, preprocess)),),
                opset_version=opset,
                input_names=list(preprocess.names),
                output_names=[OUTPUT],
                optimize=True,
                verbose=False,
            )
    except Exception as error:  # noqa: BLE001 - the exporter wraps whatever the model's code raises
        raise refusal(error, root) from None
    assert program is not None
    if sum(t.numel() * t.element_size() for t in module.state_dict().values()) >= _PROTOBUF_LIMIT:
        raise StageError("the model exceeds 2 GB, the limit of an ONNX file", help="choose a smaller model")
    program.save(str(path), external_data=False)
    _finish(path, opset)


def example(features: Sequence[Feature], preprocess: Preprocess) -> dict[str, Array]:
    """A batch of the shortest, a medium and the longest row, so that it contains padding."""
    order = sorted(range(len(features)), key=lambda row: preprocess.length(features[row]))
    chosen = [order[(len(order) - 1) * step // (EXAMPLES - 1)] for step in range(EXAMPLES)]
    batch = preprocess.collate([features[row] for row in chosen])
    return {name: batch[name] for name in preprocess.names}


def open_axes(
    batch: dict[str, Array], features: Sequence[Feature], preprocess: Preprocess | None = None
) -> Iterator[dict[int, str]]:
    """The dynamic axes of each input: the batch dimension, and the length if rows are padded."""
    if isinstance(preprocess, CustomPreprocess):  # determined from the training rows
        yield from ({0: BATCH, **({1: LENGTH} if name in preprocess.varying else {})} for name in batch)
        return
    texts = ("input_ids", "attention_mask", "token_type_ids")
    shapes = {name: {feature[name].shape for feature in features} for name in batch}
    for name, array in batch.items():
        padded = name in texts or len(shapes[name]) > 1
        yield {0: BATCH, **({1: LENGTH} if padded and array.ndim == 2 else {})}


def _finish(path: Path, opset: int) -> None:
    """Check the file, and remove metadata about source files of this machine. Raises StageError."""
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*graph.graph.value_info, *graph.graph.input, *graph.graph.output, *graph.graph.initializer):
        value.ClearField("metadata_props")
    graph.ClearField("metadata_props")
    graph.graph.ClearField("metadata_props")
    onnx.checker.check_model(graph, full_check=True)
    written = next(o.version for o in graph.opset_import if o.domain == "")
    if written != opset:
        raise StageError(
            f"the exporter wrote opset {written}, not {opset}",
            help="the model needs operators of another opset; set export.onnx.opset to 18",
        )
    for value in graph.graph.input:
        if not value.type.tensor_type.shape.dim[0].dim_param:
            raise StageError(
                f"the exporter fixed the batch size of `{value.name}`",
                help="use `tensor.shape[0]` instead of a constant batch size in forward",
            )
    onnx.save(graph, path)


def refusal(error: Exception, root: Path) -> StageError:
    """The error of a failed export: the reason, the operator or the line of the user's code, and a help."""
    chain = list(_chain(error))
    texts = "\n".join(str(e) for e in chain)
    reasons = [line.strip(" -") for line in str(chain[-1]).splitlines() if line.strip()] or ["no reason given"]
    reason = " ".join(reasons[:2]) if reasons[0].endswith(":") else reasons[0]
    lines = [f"cannot export the model to ONNX: {type(chain[-1]).__name__}: {reason}"]
    node = _NAMES_A_NODE.search(texts)
    if node:
        lines.append(f"at the operator {node[1] or node[2]}")
    own = [m for m in _FRAME.finditer(texts) if Path(m[1]).is_relative_to(root)]
    if own:
        file, line, function, code = own[-1].groups()
        lines.append(f"at {Path(file).relative_to(root)}:{line} in {function}: {code.strip()}")
    else:
        # The exporter quotes no source line for errors raised in a library that the model calls.
        frames = next((f for f in (own_frames(e, root) for e in reversed(chain)) if f), [])
        lines += [f"at {shown_frame(frame, root)}" for frame in frames[-1:]]
    return StageError("\n  ".join(lines), help=_advice(_PACKED if _packed(chain, root) else texts))


def _packed(chain: Sequence[BaseException], root: Path) -> bool:
    """Whether a recurrent layer failed in code of the project that uses packed sequences."""
    for error in chain:
        frames = traceback.extract_tb(error.__traceback__)
        if any(frame.filename.endswith(("nn/modules/rnn.py", "nn/utils/rnn.py")) for frame in frames):
            own = {frame.filename for frame in own_frames(error, root)}
            return any(_PACKS in Path(name).read_text(encoding="utf-8", errors="replace") for name in own)
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _advice(text: str) -> str:
    if _PACKED in text:
        return (
            "ONNX does not support packed sequences: run the LSTM or GRU on the padded batch and take the output at "
            "the last token of each row, output[torch.arange(len(output)), attention_mask.sum(1) - 1]"
        )
    if "data-dependent" in text:
        return "forward branches on tensor values; use torch.where or torch.cond instead of `if`"
    if "static shape" in text or "specializ" in text:
        return "forward uses a size of the example as a constant; use sizes of `tensor.shape`, and -1 in reshape"
    if "No ONNX function found" in text or "Unsupported" in text:
        return "ONNX does not support this operator; replace it with others, or try a newer export.onnx.opset"
    return "see what torch.export supports: https://docs.pytorch.org/docs/stable/export.html"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the output of the exporter, which is verbose; the exception contains the relevant reason."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
