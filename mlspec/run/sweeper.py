"""A Hydra sweeper that reads the spec's `sweep` section: grid, random, or Bayesian through optuna."""

from __future__ import annotations

import csv
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ValidationError

from mlspec.errors import SpecError, StageError
from mlspec.job import whole
from mlspec.parts.train.monitors import GOALS, Goal, of_sweep
from mlspec.render.quoting import flow
from mlspec.run.hydra_text import Written, written
from mlspec.run.overrides import located, tree
from mlspec.sections.experiments import Parameter, Scalar, Sweep
from mlspec.spec.messages import explain

if TYPE_CHECKING:
    import optuna

Choice = Mapping[str, Scalar]
"""The value of each key that a trial varies."""
Report = Callable[[float | None], None]
"""Receives the result of a trial."""
Result = tuple[Choice, float | None]


class SweepConfig(BaseModel):
    """The part of the composed configuration that a sweep reads."""

    sweep: Sweep | None = None


class BaseSpecSweeper(Sweeper):
    """Runs one job after the other through Hydra's launcher and writes `results.csv`, sorted from best to worst."""

    def __init__(self, **_: object) -> None:  # Hydra passes the arguments of its basic sweeper
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher from what Hydra passes before the sweep."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Result]:
        """Run all trials; return them from best to worst.

        Overrides on the command line: single values apply to every trial, lists form a grid.
        """
        assert self.config is not None, "Hydra calls setup first"
        assert self.launcher is not None
        config = self.config
        search = _search(config)
        goal = _goal(search)
        fixed, lists = _command_line(arguments)
        applied = _applied(arguments)
        results: list[Result] = []
        folder = Path(str(config.hydra.sweep.dir))
        for choice, report in _choices(search, goal, lists):
            overrides = [*fixed, *(f"{_key(config, key)}={written(value)}" for key, value in choice.items())]
            (job,) = self.launcher.launch([overrides], initial_job_idx=len(results))
            value: float | None = job.return_value
            report(value)
            results.append((choice, value))
        sign = -1 if goal == "maximize" else 1
        results.sort(key=lambda row: math.inf if row[1] is None or math.isnan(row[1]) else sign * row[1])
        _table(folder, search.metric if search else "value", results, applied)
        return results


def _key(config: DictConfig, key: str) -> str:
    """The key in an override: Hydra requires `++` where the configuration has no value."""
    missing = object()
    return f"++{key}" if OmegaConf.select(config, key, default=missing) is missing else key


def _search(config: DictConfig) -> Sweep | None:
    """The section `sweep` with the overrides of the command line; None without one. Raises SpecError."""
    if "sweep" not in config:
        return None
    values = {"sweep": OmegaConf.to_container(config.sweep, resolve=True)}
    try:
        return SweepConfig.model_validate_json(json.dumps(values)).sweep
    except ValidationError as error:
        findings = explain(error.errors(include_url=False), SweepConfig, tree(values))
        raise SpecError(located(findings, list(config.hydra.overrides.task))) from None


def _goal(search: Sweep | None) -> Goal | None:
    """The direction in which the metric is better. Raises StageError where neither the spec nor its name decides it."""
    if search is None:
        return None
    monitor = of_sweep(search.metric, search.goal)
    if monitor.mode is None:
        message, help = monitor.no_direction
        raise StageError(message, help=help)
    return GOALS[monitor.mode]


def _command_line(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[Scalar]]]:
    """The overrides that apply to every trial, and the values of each key that has a list of them."""
    fixed: list[str] = []
    lists: dict[str, list[Scalar]] = {}
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        if override.is_sweep_override():
            lists[override.get_key_element().lstrip("+")] = [Written(v) for v in override.sweep_string_iterator()]
        else:
            fixed.append(str(override.input_line))
    return fixed, lists


def _applied(arguments: Sequence[str]) -> dict[str, Scalar]:
    """The keys of the spec, and the config groups such as `experiment`, that the command line sets for every trial."""
    applied: dict[str, Scalar] = {}
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        key = override.get_key_element().lstrip("+")
        if override.is_delete() or override.is_sweep_override():
            continue
        if not key.startswith(("hydra.", "hydra/", "sweep.")):
            applied[key] = Written(override.get_value_element_as_str())
    return applied


def _choices(
    search: Sweep | None, goal: Goal | None, lists: Mapping[str, Sequence[Scalar]]
) -> Iterator[tuple[Choice, Report]]:
    """The values of each trial, and the function that receives its result."""
    parameters = {k: v for k, v in search.parameters.items() if k not in lists} if search else {}
    if search is None or lists or search.method == "grid" or not parameters:
        axes = lists or {key: parameter.values or () for key, parameter in parameters.items()}
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True)), lambda _: None
    elif search.method == "random":
        generator = random.Random(search.seed)
        for _ in range(search.trials):
            yield {key: _sampled(generator, parameter) for key, parameter in parameters.items()}, lambda _: None
    else:
        yield from _bayes(search, goal, parameters)


def _range(parameter: Parameter) -> tuple[float, float]:
    """The bounds of a parameter without values. Raises StageError where an override removed one."""
    if parameter.min is None or parameter.max is None:
        raise StageError(
            "a parameter of the sweep has neither `values` nor a range",
            help="set `values`, or `min` and `max`, of each key in sweep.parameters",
        )
    return parameter.min, parameter.max


def _sampled(generator: random.Random, parameter: Parameter) -> Scalar:
    if parameter.values is not None:
        return generator.choice(parameter.values)
    low, high = _range(parameter)
    value = (
        math.exp(generator.uniform(math.log(low), math.log(high))) if parameter.log else generator.uniform(low, high)
    )
    return round(value) if parameter.whole else value


def _bayes(search: Sweep, goal: Goal | None, parameters: Mapping[str, Parameter]) -> Iterator[tuple[Choice, Report]]:
    try:
        import optuna
    except ImportError:
        raise StageError("a bayes sweep needs the package optuna", help="pip install 'mlspec[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=search.seed)
    study = optuna.create_study(direction=goal, sampler=sampler)
    for _ in range(search.trials):
        trial = study.ask()
        choice = {key: _suggested(trial, key, parameter) for key, parameter in parameters.items()}

        def report(value: float | None, trial: optuna.Trial = trial) -> None:
            failed = value is None or not math.isfinite(value)
            study.tell(trial, None if failed else value, optuna.trial.TrialState.FAIL if failed else None)

        yield choice, report


def _suggested(trial: optuna.Trial, key: str, parameter: Parameter) -> Scalar:
    if parameter.values is not None:
        value: Scalar = trial.suggest_categorical(key, parameter.values)
        return value
    low, high = _range(parameter)
    if parameter.whole:
        return int(trial.suggest_int(key, round(low), round(high), log=parameter.log))
    return float(trial.suggest_float(key, low, high, log=parameter.log))


def edits(choice: Choice) -> list[str]:
    """The values of a trial as sections of the spec: `train: {learning_rate: 0.01}`."""
    sections: dict[str, Any] = {}
    for key, value in choice.items():
        *above, last = key.split(".")
        place = sections
        for step in above:
            place = place.setdefault(step, {})
        place[last] = _value(value) if isinstance(value, Written) else value
    return [f"{name}: {flow(value)}" for name, value in sections.items()]


def _value(text: str) -> object:
    """The value that Hydra reads from an override's text."""
    return _unquoted(OverridesParser.create().parse_override(f"key={text}").value())


def _unquoted(value: object) -> object:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(item) for key, item in value.items()}
    return value


def advice(choice: Choice) -> str:
    """How to train with these values. A config group, such as `experiment`, is not a section: it stays an override."""
    values = {key: value for key, value in choice.items() if "." in key}
    groups = [f"{key}={written(value)}" for key, value in choice.items() if "." not in key]
    spec = [f"set in the spec: {', '.join(edits(values))}"] if values else []
    return "; ".join([*spec, *([f"use the override {' '.join(groups)}"] if groups else [])])


def _table(folder: Path, metric: str, results: Sequence[Result], applied: Choice) -> None:
    keys = list(dict.fromkeys(key for choice, _ in results for key in choice))
    with whole(folder / "results.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*keys, metric])
        writer.writerows([*(choice.get(key, "") for key in keys), value] for choice, value in results)
    if results and results[0][1] is not None:
        best = "  ".join(f"{key}={value}" for key, value in results[0][0].items())
        value = f"{metric} {results[0][1]:.6g}"
        print(f"sweep: the best of {len(results)} is {best} with {value}; all in {folder}/results.csv")
        print(f"  = help: to train with it, {advice({**applied, **results[0][0]})}")
    elif results:
        print(f"sweep: none of {len(results)} trials gave a value of {metric}; all in {folder}/results.csv")
