"""Results to one HTML page. All markup is in `templates/report/`, which escapes by itself; all charts are inline SVG.

The page names its own script by digest in a content security policy: no other script can run in it, and nothing can be
fetched, whatever the data says.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlspec.plan.plan import Plan
from mlspec.render.confusion_matrix import matrix, mistaken
from mlspec.report import attack_section, data_section, run_section, score_tables, settings_section, shipping_section
from mlspec.report.charts import reliability, scatter
from mlspec.report.collect import Results
from mlspec.report.curves import panels
from mlspec.report.headline import tiles, verdict
from mlspec.report.model_card import CARD
from mlspec.report.page_environment import page_environment
from mlspec.report.run_history import RunHistory
from mlspec.run.outcome import Outcome
from mlspec.sections.export import ExportSpec
from mlspec.spec.project import Project
from mlspec.stage_result import Reason

SCRIPT = "report/script.js.j2"


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page; `id` is also its template's name. Two of `half` may be side by side.

    `stale` says why what it shows is not of this run, or not of this spec.
    """

    id: str
    title: str
    view: object
    half: bool = False
    stale: str = ""


def page(
    project: Project,
    plan: Plan,
    outcomes: Sequence[Outcome],
    results: Results,
    history: RunHistory,
    root: Path,
    outdated: Mapping[str, Reason],
) -> str:
    """The whole page."""
    jinja = page_environment()
    script = jinja.get_template(SCRIPT).render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    stale = {name: f"out of date: {reason}" for name, reason in outdated.items()} | _unfinished(plan, outcomes)
    shown = [_marked(s, stale) for s in sections(project, plan, outcomes, results, history)]
    stale_stages = {_STAGE_OF.get(section.id, "") for section in shown if section.stale}
    # A stage that is only out of date because an earlier one is has no line of its own.
    older = [(n, stale[n]) for n, why in outdated.items() if n in stale_stages and why.kind != "upstream"]
    warnings = [(outcome.stage, warning) for outcome in outcomes for warning in outcome.warnings]
    return jinja.get_template("report/page.html.j2").render(
        info=project.info,
        environment=project.environment or "",
        when=history.when,
        verdict=verdict(outcomes, results.gates),
        tiles=tiles(results, plan, outcomes),
        troubles=run_section.troubles(outcomes, root),
        warnings=[*older, *warnings],
        sections=shown,
        digest=digest,
    )


def sections(
    project: Project, plan: Plan, outcomes: Sequence[Outcome], results: Results, history: RunHistory
) -> Iterator[Section]:
    """The sections for which there is something to show, in the order of the page."""
    pipeline = run_section.view(plan, outcomes, history.before)
    if pipeline:
        yield Section("pipeline", "Pipeline", pipeline)
    yield from _evaluation(results)
    if results.curves:
        shown = panels(results.training, results.curves)
        yield Section("learning", "Learning curves", {"panels": shown, "training": results.training})
    yield from _mistakes(results)
    if results.robustness:
        rows = score_tables.robustness(results.robustness)
        yield Section("robustness", "Robustness", {"rows": rows, "result": results.robustness}, half=True)
    if results.attacks:
        shown_attacks = attack_section.view(results.attacks, results.successful_attacks)
        yield Section("attacks", "Adversarial attacks", shown_attacks)
    if results.export:
        exported = score_tables.export(results.export, _tolerance(project))
        yield Section("export", "Exported model", exported, half=True)
    if shipping := shipping_section.view(results.shipped):
        yield Section("shipping", "Shipped" if results.shipped.release else "Packaged", shipping)
    if results.profile:
        yield Section("data", "Data", data_section.view(results.profile, results.decisions))
    tuned = results.training.tuned if results.training else None
    yield Section("spec", "Spec", {"sections": settings_section.sections(project, tuned)})
    card = CARD.rpartition("/")[2] if results.evaluation else ""
    lineage = settings_section.lineage_rows(results.lineage)
    runs = list(_runs(results))
    versions = {"versions": settings_section.versions(), "lineage": lineage, "card": card, "runs": runs}
    yield Section("lineage", "Versions and lineage", versions)


def _runs(results: Results) -> Iterator[tuple[str, str | None, str]]:
    """The runs that trained the model, as tracker, page and text: of this machine, else as training recorded them."""
    for run in results.runs:
        yield run.tracker, run.url, run.place
    here = {run.tracker for run in results.runs}
    for tracker, page in results.training.runs.items() if results.training else ():
        if tracker not in here and page.startswith(("http://", "https://")):
            yield tracker, page, page


def _evaluation(results: Results) -> Iterator[Section]:
    evaluation, gates = results.evaluation, results.gates
    rows = score_tables.scores(results)
    if rows:
        title = "Metrics and gates" if gates else "Metrics"
        yield Section("metrics", title, {"rows": rows, "evaluation": evaluation, "gated": gates})
    if results.confusion:
        pairs = mistaken(results.confusion)
        wide = len(results.confusion.labels) > 5
        view = {"chart": matrix(results.confusion), "pairs": pairs, "confusion": results.confusion}
        yield Section("confusion", "Confusion matrix", view, half=not wide)
    if results.bins:
        error = evaluation.calibration.ece if evaluation and evaluation.calibration else None
        yield Section("calibration", "Calibration", {"chart": reliability(results.bins), "error": error}, half=True)
    if evaluation is None:
        return
    if evaluation.per_class:
        few = len(evaluation.per_class) <= 12
        yield Section("classes", "Classes", {"rows": score_tables.classes(evaluation)}, half=few)
    slices = score_tables.slices(evaluation, gates.gates if gates else ())
    if slices:
        yield Section("slices", "Slices", slices, half=True)


def _mistakes(results: Results) -> Iterator[Section]:
    if results.fit:
        yield Section("fit", "Predicted against actual", {"chart": scatter(results.fit), "fit": results.fit}, half=True)
    if results.mistakes:
        title = "Largest errors" if results.fit else "Most confident errors"
        pictures = all(row.images and not row.inputs for row in results.mistakes)
        view = {"rows": results.mistakes, "numeric": results.fit is not None, "gallery": pictures and not results.fit}
        yield Section("mistakes", title, view, half=results.fit is not None)


_STAGE_OF = {
    "learning": "train",
    "metrics": "evaluate",
    "confusion": "evaluate",
    "calibration": "evaluate",
    "classes": "evaluate",
    "slices": "evaluate",
    "fit": "evaluate",
    "mistakes": "evaluate",
    "robustness": "robustness",
    "attacks": "textattack",
    "export": "export",
    "shipping": "image",
    "data": "data",
}


def _unfinished(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The stages that this run did not finish: their files are those of an earlier run."""
    if not any(o.status in ("failed", "interrupted") for o in outcomes):
        return {}
    done = {o.stage for o in outcomes if o.status in ("ran", "cached")}
    unfinished = [stage.name for stage in plan.stages if stage.name not in done]
    return {name: f"from an earlier run: {name} did not finish" for name in unfinished}


def _marked(section: Section, stale: Mapping[str, str]) -> Section:
    why = stale.get(_STAGE_OF.get(section.id, ""), "")
    return Section(section.id, section.title, section.view, section.half, why)


def _tolerance(project: Project) -> float | None:
    export = project.get(ExportSpec)
    return export.onnx.tolerance if export else None
