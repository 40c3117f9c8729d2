"""The hydra part: the sections that stages read as Hydra config groups, experiments, and sweeps for Hydra and W&B."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel

from mlspec.diagnostics import Finding, Location
from mlspec.parts.hydra.group_files import group_file
from mlspec.parts.hydra.sweep_values import refused
from mlspec.parts.part_protocol import no_stages as stages
from mlspec.parts.stage_sections import ACCOUNT, READ
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
from mlspec.spec.spec_model import SpecModel, dotted
from mlspec.spec.unread_keys import unread_key

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "hydra"
SECTIONS: Mapping[str, type[BaseModel]] = {"experiments": Experiments, "sweep": Sweep}
PROGRAMS: Mapping[str, str] = {}
ACCOUNT_FILE = "conf/account.yaml"
LEFT_OUT = ("experiments",)
"""Sections that only name variants of the settings."""


def check(project: Project) -> Iterator[Finding]:
    """Checks that the models cannot do. The compiler checks the experiments' values with those of the spec."""
    experiments = project.get(Experiments)
    for name, patch in (experiments.root if experiments else {}).items():
        yield from _without_effect(project, ("experiments", name), (), patch)
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
        yield Finding("monitor-not-logged", at, f"training does not log `{sweep.metric}`", help)
    elif (monitor := of_sweep(sweep.metric, sweep.goal)).mode is None:
        message, help = monitor.no_direction
        yield Finding("direction-not-known", at, message, help)
    elif warning := training_warnings.against(monitor):
        yield warning
    for key, parameter in sweep.parameters.items():
        yield from _parameter(project, sweep, key, parameter)


def _without_effect(
    project: Project, at: Location, above: tuple[str, ...], patch: Mapping[str, Plain]
) -> Iterator[Finding]:
    """Keys of an experiment that no stage reads: Hydra changes the configuration of stages alone."""
    for key, value in patch.items():
        steps = (*above, *key.split("."))
        unread = _unread(project, steps)
        if unread and unread == steps[0]:
            message = f"no stage reads `{unread}`, so an experiment cannot change it"
            help = "change it in the spec, or in an environment"
            yield Finding("unknown-key", (*at, key), message, help, on="key")
        elif unread:
            message = f"no stage reads `{unread}`, so the experiment does not change it"
            help = f"remove it here; `{dotted(steps)}` of the spec itself or of an environment does change it"
            yield Finding("experiment-unread-key", (*at, key), message, help, on="key", severity="warning")
        elif isinstance(value, dict):
            yield from _without_effect(project, (*at, key), steps, value)


def _unread(project: Project, steps: Sequence[str]) -> str:
    """The first key on the way to `steps` that no stage reads; empty if a stage reads them."""
    section = project.sections.get(steps[0])
    if section is None:
        return ""
    if not getattr(section, "READ_BY_STAGES", True):
        return steps[0]
    key = unread_key(section, type(section), steps[1:])
    return dotted((steps[0], *key)) if key else ""


def _read(project: Project, tree: Mapping[str, Plain], above: tuple[str, ...] = ()) -> dict[str, Plain]:
    """What stages read of an experiment."""
    kept = {key: value for key, value in tree.items() if not _unread(project, (*above, key))}
    return {k: _read(project, v, (*above, k)) if isinstance(v, dict) else v for k, v in kept.items()}


def _parameter(project: Project, sweep: Sweep, key: str, parameter: Parameter) -> Iterator[Finding]:
    at, section = ("sweep", "parameters", key), key.partition(".")[0]
    if section in project.given and section not in project.sections:
        return  # the section is invalid, which is reported at its own keys
    if not _known(project, key):
        help = suggest(key, _leaves(project.values), "for example")
        yield Finding("sweep-unknown-key", at, f"`{key}` is not a key of this spec", help, on="key")
    elif (unset := _unset(project.values, key)) is not None:
        message = f"`{unset}` is not set, so `{key}` has nothing to vary"
        yield Finding("sweep-unknown-key", at, message, f"add `{unset}` to the spec", on="key")
    elif unread := _unread(project, key.split(".")):
        message = f"no stage reads `{unread}`, so a sweep cannot vary it"
        yield Finding("sweep-unknown-key", at, message, f"change `{key}` itself", on="key")
    elif section not in READ["train"]:
        message = f"training does not read `{section}`, so a sweep of `{key}` would try the same training again"
        yield Finding("sweep-unknown-key", at, message, "vary a key of `train`, `model` or `data`", on="key")
    else:
        yield from refused(project, key, parameter)
    ranged = parameter.min is not None or parameter.max is not None
    if (parameter.values is None) == (not ranged):
        message = f"`{key}` needs either `values` or `min` and `max`"
        yield Finding("sweep-range", at, message, "values: [16, 32], or min: 1e-5 and max: 1e-3", on="key")
    elif ranged and (parameter.min is None or parameter.max is None or parameter.min >= parameter.max):
        message = f"the range of `{key}` needs a `min` below its `max`"
        yield Finding("sweep-range", at, message, "for example min: 1e-5 and max: 1e-3", on="key")
    elif ranged and parameter.log and (parameter.min or 0) <= 0:
        message = f"a logarithmic range of `{key}` needs a `min` above 0, not {parameter.min:g}"
        yield Finding("sweep-range", at, message, "raise `min`, or use `log: false`", on="key")
    elif ranged and sweep.method == "grid":
        message = f"a grid needs a list of values for `{key}`, not a range"
        yield Finding("sweep-range", at, message, "use `values`, or `method: random`", on="key")


def _known(project: Project, key: str) -> bool:
    section, *rest = key.split(".")
    model = project.sections.get(section)
    return model is not None and bool(rest) and shape_at(type(model), tuple(rest)) is not None


def _unset(values: Mapping[str, Plain], key: str) -> str | None:
    """The nearest key above that the spec leaves out, or turns off."""
    node: Plain = dict(values)
    steps = key.split(".")
    for index, step in enumerate(steps[:-1]):
        node = node.get(step) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            return ".".join(steps[: index + 1])
    return None


def _leaves(values: Mapping[str, Plain], above: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            keys += _leaves(value, f"{above}{name}.")
        else:
            keys.append(above + name)
    return [key for key in keys if not key.startswith(("sweep.", "experiments."))]


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """`conf/` as Hydra users lay it out, and the sweep for W&B; nothing for a spec without stages."""
    if not stages:
        return
    groups = dict(_groups(project))
    sections = list(groups)
    experiments = project.get(Experiments)
    patches = experiments.root if experiments else {}
    sweep, track = project.get(Sweep), project.get(TrackSpec)
    values = {"sections": sections, "sweep": sweep is not None, "experiments": list(patches)}
    yield Artifact("conf/config.yaml", "hydra/config.yaml.j2", values)
    yield from groups.values()
    if account := _account(project, [stage.name for stage in stages]):
        yield Artifact(ACCOUNT_FILE, "hydra/account.yaml.j2", {"values": account})
    for name, patch in patches.items():
        values = {"name": name, "values": _read(project, nested(patch))}
        yield Artifact(f"conf/experiment/{name}.yaml", "hydra/experiment.yaml.j2", values)
    if sweep is not None and track is not None and track.wandb is not None:
        values = {"name": project.info.name, "project": track.wandb.project, "entity": track.wandb.entity}
        yield Artifact("sweep.yaml", "wandb/sweep.yaml.j2", {**values, "sweep": _for_wandb(sweep)})


def _groups(project: Project) -> Iterator[tuple[str, Artifact]]:
    """Each section that a stage reads, with its file: its values can be overridden for a run."""
    for name, values in project.values.items():
        section = project.sections.get(name)
        if name in LEFT_OUT or not getattr(section, "READ_BY_STAGES", True):
            continue
        file = group_file(section, values)
        if file.values or not values:
            shown = {"name": name, "about": file.about, "values": file.values, "comments": file.comments}
            yield name, Artifact(f"conf/{name}/default.yaml", "hydra/group.yaml.j2", shown)


def _account(project: Project, stages: Iterable[str]) -> dict[str, Plain]:
    """What the stages that create resources in an account read and no other stage does: the sections and keys that
    otherwise only decide what is generated."""
    sections = set[str]().union(*(READ[stage] for stage in stages if stage in ACCOUNT))
    return {name: kept for name in sorted(sections) if (kept := _only_of_account(project, name))}


def _only_of_account(project: Project, name: str) -> dict[str, Plain]:
    section, values = project.sections.get(name), project.values.get(name)
    if not isinstance(section, SpecModel) or not isinstance(values, dict):
        return {}
    whole = not section.READ_BY_STAGES
    return _without_null({key: value for key, value in values.items() if whole or key in section.unread_keys()})


def _without_null(values: dict[str, Plain]) -> dict[str, Plain]:
    """The values without those that are null, which is the default of their keys."""
    return {
        key: _without_null(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def nested(patch: Mapping[str, Plain]) -> dict[str, Plain]:
    """A patch with dotted keys as nested mappings."""
    tree: dict[str, Plain] = {}
    for key, value in patch.items():
        *above, last = key.split(".")
        node = tree
        for step in above:
            inner = node.setdefault(step, {})
            assert isinstance(inner, dict)  # the compiler rejects a patch below a scalar
            node = inner
        old = node.get(last)
        node[last] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return tree


def _for_wandb(sweep: Sweep) -> dict[str, object]:
    """The sweep in W&B's format: https://docs.wandb.ai/models/sweeps/sweep-config-keys."""
    parameters: dict[str, dict[str, object]] = {}
    for key, parameter in sweep.parameters.items():
        if parameter.values is not None:
            parameters[key] = {"values": parameter.values}
            continue
        kind = ("q_" if parameter.whole else "") + ("log_uniform_values" if parameter.log else "uniform")
        parameters[key] = {"distribution": kind, "min": parameter.min, "max": parameter.max}
        if parameter.whole:
            parameters[key]["q"] = 1
    limit = {} if sweep.method == "grid" else {"run_cap": sweep.trials}
    stop = sweep.early_terminate
    stopped = {} if stop is None else {"early_terminate": {"type": "hyperband", **stop.model_dump()}}
    metric = {"name": sweep.metric, "goal": GOALS[of_sweep(sweep.metric, sweep.goal).mode or "min"]}
    description = f"{metric['goal'].capitalize()} {sweep.metric} over {', '.join(parameters)}"
    known = {"description": description, "method": sweep.method, "metric": metric}
    return {**known, **limit, **stopped, "parameters": parameters}
