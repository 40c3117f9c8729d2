"""How the pipeline ended, in one sentence, and the most important figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlspec.plan.plan import Plan
from mlspec.records.export import Export
from mlspec.records.gates import Gate, Gates
from mlspec.render.formatting import bound, count, number, plural, seconds, size
from mlspec.report.collect import Results
from mlspec.run.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Headline:
    """`title` is the sentence, `detail` the reason, `help` the command that resumes."""

    kind: Literal["good", "bad", "warn", "plain"]
    title: str
    detail: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure with its name and a remark."""

    name: str
    value: str
    note: str = ""
    kind: str = ""


def verdict(outcomes: Sequence[Outcome], gates: Gates | None) -> Headline:
    """The worst thing that happened decides."""
    by = {status: [o for o in outcomes if o.status == status] for status in ("failed", "skipped")}
    interrupted = sorted((o for o in outcomes if o.interrupted), key=lambda o: o.status != "interrupted")
    failed = [o for o in by["failed"] if o.stage != "gate" or gates is None or gates.passed]
    if failed:
        first = failed[0]
        return Headline("bad", f"Stage {first.stage} failed", first.reason.text, first.help)
    if interrupted:
        first = interrupted[0]
        where = "in" if first.status == "interrupted" else "before"
        return Headline(
            "warn", f"Interrupted {where} stage {first.stage}", first.reason.text, first.help or "mlspec apply"
        )
    if gates and not gates.passed:
        missed = [gate for gate in gates.gates if not gate.passed]
        title = f"{'Gate' if len(missed) == 1 else f'{len(missed)} gates'} failed"
        return Headline("bad", title, "; ".join(map(_miss, missed)), next((o.help for o in by["failed"]), ""))
    left = by["skipped"]
    beside = f"{plural(len(left), 'stage')} skipped: {', '.join(o.stage for o in left)}" if left else ""
    if gates:
        passed = "The gate passed" if len(gates.gates) == 1 else "All gates passed"
        return Headline("good", passed, beside)
    if left:
        return Headline("warn", "Finished, with skipped stages", beside)
    if outcomes:
        return Headline("good", "Finished", "The spec has no gates.")
    return Headline("plain", "No run recorded", "Shown are the files of an earlier run.", "mlspec apply")


def _miss(gate: Gate) -> str:
    return f"{gate.metric} is {number(gate.value)}, needed {bound(gate.bound)}"


def tiles(results: Results, plan: Plan, outcomes: Sequence[Outcome]) -> tuple[Tile, ...]:
    """Up to six: gated metrics first, other metrics, rows, size, time."""
    tiles = [
        Tile(g.metric, number(g.value), f"needs {bound(g.bound)}", "good" if g.passed else "bad")
        for g in (results.gates.gates if results.gates else ())
    ]
    gated = {tile.name for tile in tiles}
    metrics = results.evaluation.metrics if results.evaluation else {}
    tiles += [Tile(n, number(v), "on the test split") for n, v in metrics.items() if n not in gated and v is not None]
    tiles = tiles[:3]
    if results.evaluation and results.evaluation.rows:
        tiles.append(Tile("test rows", count(results.evaluation.rows), "not used in training"))
    elif results.profile:
        tiles.append(Tile("training rows", count(results.profile.splits.get("train", results.profile.rows))))
    if results.export:
        tiles.append(Tile("model", size(results.export.size_bytes), _agreement(results.export)))
    spent = [o for o in outcomes if o.status in ("ran", "failed", "interrupted")]
    if outcomes:
        total = sum(o.seconds for o in spent)
        ran = sum(o.status == "ran" for o in spent)
        tiles.append(Tile("time", seconds(total), f"{ran} of {plural(len(plan.stages), 'stage')} ran"))
    return tuple(tiles)


def _agreement(export: Export) -> str:
    return f"ONNX differs by {number(export.parity.max_abs_difference)}"
