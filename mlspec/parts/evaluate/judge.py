"""The stage `gate`: holds what was measured against the bounds. Light, so that a changed bound is judged at once."""

from __future__ import annotations

import json
from typing import Any

from mlspec.errors import StageError
from mlspec.job import Job, write_json
from mlspec.parts.evaluate.gates import measured, parse
from mlspec.parts.evaluate.spec import EvaluateSpec
from mlspec.spec.types import holds


def main(job: Job) -> None:
    """Run the stage `gate`: write gates.json, and stop the line where a bound is missed."""
    passed = job.outputs / "evaluate" / "passed.json"
    passed.unlink(missing_ok=True)
    evaluation = json.loads((job.inputs / "metrics" / "evaluate.json").read_text(encoding="utf-8"))
    gates = [_held(text, bound, evaluation) for text, bound in job.need(EvaluateSpec).gates.items()]
    missed = [g for g in gates if not g["passed"]]
    write_json(job.outputs / "metrics" / "gates.json", {"passed": not missed, "gates": gates})
    why = evaluation.get("undefined", {})
    lines = [
        f"{g['metric']} is {_shown(g, why)}, {'needed' if g in missed else 'as needed'} {g['bound']}" for g in gates
    ]
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


def _held(text: str, bound: str, evaluation: dict[str, Any]) -> dict[str, Any]:
    """One gate's entry in gates.json: the value, or of several slices that which is furthest from the bound."""
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
        print(
            f"warning: {text} is not defined on {len(values) - len(known)} of {len(values)} slices; the gate skips them"
        )
    passed, _, worst = judged[0]
    entry = {"metric": text, "bound": bound, "value": known[worst], "passed": passed}
    return entry | ({"slice": worst} if len(values) > 1 else {})


def _shown(entry: dict[str, Any], why: dict[str, str]) -> str:
    reason = f" ({why[entry['metric']]})" if entry["metric"] in why else ""
    value = f"not defined on these rows{reason}" if entry["value"] is None else f"{entry['value']:.4g}"
    return f"{value} ({entry['slice']})" if "slice" in entry else value
