"""The configure part: every section as a Hydra config group, experiments, and sweeps for Hydra and W&B."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlspec.diagnostics import Finding
from mlspec.parts.hydra.sweep_values import refused
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.parts.train import training_warnings
from mlspec.parts.train.monitors import GOALS, of_sweep
from mlspec.parts.train.part import is_logged, names_logged
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.experiments import Experiments, Parameter, Sweep
from mlspec.sections.track import TrackSpec
from mlspec.sections.train import TrainSpec
from mlspec.source.document import Plain
from mlspec.spec.keys import at as shape_at
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "configure"
SECTIONS: Mapping[str, Any] = {"experiments": Experiments, "sweep": Sweep}
PROGRAMS: Mapping[str, str] = {}
LEFT_OUT = ("experiments",)
"""Sections that are no settings of a stage."""


def check(project: Project) -> Iterator[Finding]:
    """What the models cannot see. The experiments' own values are checked with the spec's, by the compiler."""
    sweep = project.get(Sweep)
    if sweep is None:
        return
    if project.get(TrainSpec) is None:
        message = "a sweep varies training, and the spec has no `train` section"
        yield Finding("section-needed", ("sweep",), message, "add `train:`", on="key")
    known = names_logged(project)
    at = ("sweep", "metric")
    if known is not None and not is_logged(sweep.metric, known):
        help = suggest(sweep.metric, known, "logged are")
        yield Finding("monitor-not-logged", at, f"nothing logs `{sweep.metric}`", help)
    elif (monitor := of_sweep(sweep.metric, sweep.goal)).mode is None:
        yield Finding("direction-not-known", at, *monitor.no_direction)
    elif found := training_warnings.against(monitor):
        yield found
    for key, parameter in sweep.parameters.items():
        yield from _parameter(project, sweep, key, parameter)


def _parameter(project: Project, sweep: Sweep, key: str, parameter: Parameter) -> Iterator[Finding]:
    at, section = ("sweep", "parameters", key), key.partition(".")[0]
    if section in project.given and section not in project.sections:
        return  # it has faults of its own, which are told: of its keys nothing can be said
    if not _known(project, key):
        help = suggest(key, _leaves(project.values), "for example")
        yield Finding("sweep-unknown-key", at, f"`{key}` is not a key of this spec", help, on="key")
    elif (unset := _unset(project.values, key)) is not None:
        message = f"`{unset}` is not set, so `{key}` has nothing to vary"
        yield Finding("sweep-unknown-key", at, message, f"add `{unset}` to the spec", on="key")
    else:
        yield from refused(project, key, parameter)
    ranged = parameter.min is not None or parameter.max is not None
    if (parameter.values is None) == (not ranged):
        message = f"`{key}` needs either `values` or `min` and `max`"
        yield Finding("sweep-range", at, message, "values: [16, 32], or min: 1e-5 and max: 1e-3", on="key")
    elif ranged and (parameter.min is None or parameter.max is None or parameter.min >= parameter.max):
        message = f"the range of `{key}` needs a `min` below its `max`"
        yield Finding("sweep-range", at, message, on="key")
    elif ranged and parameter.log and (parameter.min or 0) <= 0:
        yield Finding("sweep-range", at, f"a logarithmic range of `{key}` begins above 0", on="key")
    elif ranged and sweep.method == "grid":
        message = f"a grid needs a list of values for `{key}`, not a range"
        yield Finding("sweep-range", at, message, "use `values`, or `method: random`", on="key")


def _known(project: Project, key: str) -> bool:
    section, *rest = key.split(".")
    model = project.sections.get(section)
    return model is not None and bool(rest) and shape_at(type(model), tuple(rest)) is not None


def _unset(values: Mapping[str, Plain], key: str) -> str | None:
    """The nearest key above that the spec leaves out: Hydra overrides nothing below it."""
    node: Plain = dict(values)
    steps = key.split(".")
    for index, step in enumerate(steps[:-1]):
        node = node.get(step) if isinstance(node, dict) else None
        if node is None:
            return ".".join(steps[: index + 1])
    return None


def _leaves(values: Mapping[str, Plain], above: str = "") -> list[str]:
    found: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{above}{name}.")
        else:
            found.append(above + name)
    return [name for name in found if not name.startswith(("sweep.", "experiments."))]


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`conf/` as a Hydra user would lay it out, and the sweep for W&B. Nothing where no stage reads it."""
    if not stages:
        return
    sections = [name for name in project.values if name not in LEFT_OUT]
    values = {"sections": sections, "sweep": project.get(Sweep) is not None}
    yield Artifact("conf/config.yaml", "hydra/config.yaml.j2", values)
    for name in sections:
        values = {"name": name, "values": project.values[name]}
        yield Artifact(f"conf/{name}/default.yaml", "hydra/group.yaml.j2", values)
    experiments = project.get(Experiments)
    for name, patch in (experiments.root if experiments else {}).items():
        values = {"name": name, "values": nested(patch)}
        yield Artifact(f"conf/experiment/{name}.yaml", "hydra/experiment.yaml.j2", values)
    sweep, track = project.get(Sweep), project.get(TrackSpec)
    if sweep is not None and track is not None and track.wandb is not None:
        values = {"sweep": _for_wandb(sweep), "project": track.wandb.project, "entity": track.wandb.entity}
        yield Artifact("sweep.yaml", "wandb/sweep.yaml.j2", values)


def nested(patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch with dotted keys as nested mappings."""
    tree: dict[str, Any] = {}
    for key, value in patch.items():
        *above, last = key.split(".")
        node = tree
        for step in above:
            node = node.setdefault(step, {})
        if isinstance(value, dict) and isinstance(node.get(last), dict):
            node[last] |= value
        else:
            node[last] = value
    return tree


def _for_wandb(sweep: Sweep) -> dict[str, Any]:
    """The sweep in W&B's words: https://docs.wandb.ai/models/sweeps/sweep-config-keys."""
    parameters: dict[str, Any] = {}
    for key, parameter in sweep.parameters.items():
        if parameter.values is not None:
            parameters[key] = {"values": parameter.values}
            continue
        kind = ("q_" if parameter.whole else "") + ("log_uniform_values" if parameter.log else "uniform")
        parameters[key] = {"distribution": kind, "min": parameter.min, "max": parameter.max}
        if parameter.whole:
            parameters[key]["q"] = 1
    limit = {} if sweep.method == "grid" else {"run_cap": sweep.trials}
    metric = {"name": sweep.metric, "goal": GOALS[of_sweep(sweep.metric, sweep.goal).mode or "min"]}
    return {"method": sweep.method, "metric": metric, **limit, "parameters": parameters}
