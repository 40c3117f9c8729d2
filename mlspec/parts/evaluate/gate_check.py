"""The stage `gate`: compares the metrics with the bounds of the gates. Light, so that a changed bound is cheap."""

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
    """Run the stage `gate`: write gates.json. Raises StageError if a gate fails."""
    passed = job.outputs / "evaluate" / "passed.json"
    passed.unlink(missing_ok=True)
    evaluation = Evaluation.read(job.inputs)
    gates = [_held(text, bound, evaluation) for text, bound in job.need(EvaluateSpec).gates.items()]
    failed = [g for g in gates if not g.passed]
    Gates(passed=not failed, gates=tuple(gates)).write(job.outputs)
    why = evaluation.undefined
    lines = [_line(gate, why) for gate in gates]
    print("\n".join(lines))
    if not failed:
        write_json(passed, {"passed": True})
    else:
        many = f"{len(failed)} of {len(gates)} gates failed" if len(gates) > 1 else "the gate failed"
        texts = [line for line, g in zip(lines, gates, strict=True) if g in failed]
        raise StageError(
            f"{many}: {texts[0]}" if len(texts) == 1 else "\n  ".join([f"{many}:", *texts]),
            help="improve the model or the data (wrong predictions: artifacts/evaluate/predictions.parquet), or change "
            "the bound in evaluate.gates, after which only the stage gate runs again",
        )


def _held(text: str, bound: str, evaluation: Evaluation) -> Gate:
    """The result of one gate; of several slices the one that is furthest from the bound. Raises StageError."""
    target = parse(text)
    values = measured(target, evaluation) if target else {}
    if not values:
        raise StageError(
            f"the gate `{text}` has no value in artifacts/metrics/evaluate.json",
            help="use a metric, label and slice of that file in evaluate.gates, or remove the gate",
        )
    # Slices without a value (for example with a single class) are skipped if others have one.
    known = {name: value for name, value in values.items() if value is not None} or values
    rising = bound.startswith(">")
    judged = sorted(
        (value is not None and holds(bound, value), (value or 0.0) * (1 if rising else -1), name)
        for name, value in known.items()
    )
    if len(known) < len(values):
        warn(f"{text} is undefined on {len(values) - len(known)} of {len(values)} slices; the gate skips them")
    passed, _, worst = judged[0]
    return Gate(metric=text, bound=bound, value=known[worst], passed=passed, slice=worst if len(values) > 1 else "")


def _line(gate: Gate, why: Mapping[str, str]) -> str:
    """`accuracy 0.975 passes the gate >= 0.9`."""
    where = f" on {gate.slice}" if gate.slice else ""
    if gate.value is None:
        reason = f" ({why[gate.metric]})" if gate.metric in why else ""
        return f"{gate.metric} is undefined{where}{reason} and fails the gate {gate.bound}"
    return f"{gate.metric} {gate.value:.4g}{where} {'passes' if gate.passed else 'fails'} the gate {gate.bound}"
