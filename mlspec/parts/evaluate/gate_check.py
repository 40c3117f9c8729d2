"""The stage `gate`: holds what was measured against the bounds. Light, so that a changed bound is judged at once."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.evaluate.gate_targets import measured, parse
from mlspec.records.evaluation import Evaluation
from mlspec.records.gates import Gate, Gates
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.spec.types import holds
from mlspec.stage_result import warn


def main(job: Job) -> None:
    """Run the stage `gate`: write gates.json, and stop the line where a bound is missed."""
    passed = job.outputs / "evaluate" / "passed.json"
    passed.unlink(missing_ok=True)
    evaluation = Evaluation.read(job.inputs)
    gates = [_held(text, bound, evaluation) for text, bound in job.need(EvaluateSpec).gates.items()]
    missed = [g for g in gates if not g.passed]
    Gates(passed=not missed, gates=tuple(gates)).write(job.outputs)
    why = evaluation.undefined
    lines = [f"{g.metric} is {_shown(g, why)}, {'needed' if g in missed else 'as needed'} {g.bound}" for g in gates]
    print("\n".join(lines))
    if not missed:
        write_json(passed, {"passed": True})
    else:
        many = f"{len(missed)} of {len(gates)} gates are missed" if len(gates) > 1 else "the gate is missed"
        texts = [line for line, g in zip(lines, gates, strict=True) if g in missed]
        raise StageError(
            f"{many}: {texts[0]}" if len(texts) == 1 else "\n  ".join([f"{many}:", *texts]),
            help="improve the model or the data (wrong predictions: artifacts/evaluate/predictions.parquet), or change "
            "the bound in evaluate.gates: then only the gate runs again",
        )


def _held(text: str, bound: str, evaluation: Evaluation) -> Gate:
    """One gate: the value, or of several slices that which is furthest from the bound."""
    target = parse(text)
    values = measured(target, evaluation) if target else {}
    if not values:
        raise StageError(
            f"nothing measured `{text}`, which evaluate.gates bounds",
            help="name the metrics, labels and slices of artifacts/metrics/evaluate.json, or remove the gate",
        )
    # A slice without a value (one class only, say) is passed over where others have one.
    known = {name: value for name, value in values.items() if value is not None} or values
    rising = bound.startswith(">")
    judged = sorted(
        (value is not None and holds(bound, value), (value or 0.0) * (1 if rising else -1), name)
        for name, value in known.items()
    )
    if len(known) < len(values):
        warn(f"{text} is not defined on {len(values) - len(known)} of {len(values)} slices; the gate skips them")
    passed, _, worst = judged[0]
    return Gate(metric=text, bound=bound, value=known[worst], passed=passed, slice=worst if len(values) > 1 else "")


def _shown(gate: Gate, why: Mapping[str, str]) -> str:
    reason = f" ({why[gate.metric]})" if gate.metric in why else ""
    value = f"not defined on these rows{reason}" if gate.value is None else f"{gate.value:.4g}"
    return f"{value} ({gate.slice})" if gate.slice else value
