"""A Hydra sweeper that reads the spec's `sweep` section: grid, random, or Bayesian through optuna."""

from __future__ import annotations

import csv
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from mlspec.errors import StageError
from mlspec.job import whole
from mlspec.parts.train.monitors import GOALS, of_sweep
from mlspec.run.hydra_text import Written, written

Choice = dict[str, Any]


class BaseSpecSweeper(Sweeper):
    """Runs one job after the other through Hydra's launcher and writes `results.csv`, sorted from best to worst."""

    def __init__(self, **_: Any) -> None:  # Hydra passes the arguments of its basic sweeper
        self.config: Any = None
        self.launcher: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher from what Hydra passes before the sweep."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[tuple[Choice, float | None]]:
        """Run all trials; return them from best to worst.

        Overrides on the command line: single values apply to every trial, lists form a grid.
        """
        section: Any = OmegaConf.to_container(self.config.sweep, resolve=True) if "sweep" in self.config else {}
        settings: dict[str, Any] = {**section, "goal": _goal(section)}
        fixed, lists = _command_line(arguments)
        results: list[tuple[Choice, float | None]] = []
        folder = Path(str(self.config.hydra.sweep.dir))
        for choice, report in _choices(settings, lists):
            overrides = [*fixed, *(f"{self._key(key)}={written(value)}" for key, value in choice.items())]
            (job,) = self.launcher.launch([overrides], initial_job_idx=len(results))
            value = job.return_value
            report(value)
            results.append((choice, value))
        worst = math.inf
        sign = -1 if settings.get("goal") == "maximize" else 1
        results.sort(key=lambda row: worst if row[1] is None or math.isnan(row[1]) else sign * row[1])
        _table(folder, str(settings.get("metric", "value")), results)
        return results

    def _key(self, key: str) -> str:
        """The key in an override: Hydra requires `++` where the configuration has no value."""
        missing = object()
        return f"++{key}" if OmegaConf.select(self.config, key, default=missing) is missing else key


def _goal(settings: dict[str, Any]) -> str | None:
    """The direction in which the metric is better. Raises StageError where neither the spec nor its name decides it."""
    if not settings.get("metric"):
        return None
    monitor = of_sweep(str(settings["metric"]), settings.get("goal"))
    if monitor.mode is None:
        message, help = monitor.no_direction
        raise StageError(message, help=help)
    return GOALS[monitor.mode]


def _command_line(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[Any]]]:
    fixed: list[str] = []
    lists: dict[str, list[Any]] = {}
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        if override.is_sweep_override():
            lists[override.get_key_element().lstrip("+")] = [Written(v) for v in override.sweep_string_iterator()]
        else:
            fixed.append(str(override.input_line))
    return fixed, lists


def _choices(settings: dict[str, Any], lists: dict[str, list[Any]]) -> Iterator[tuple[Choice, Callable[[Any], None]]]:
    """The values of each trial, and the function that receives its result."""
    parameters = {k: v for k, v in settings.get("parameters", {}).items() if k not in lists}
    if lists or settings.get("method") == "grid" or not parameters:
        axes = lists or {key: parameter["values"] for key, parameter in parameters.items()}
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True)), lambda _: None
    elif settings["method"] == "random":
        generator = random.Random(settings["seed"])
        for _ in range(settings["trials"]):
            yield {key: _sampled(generator, parameter) for key, parameter in parameters.items()}, lambda _: None
    else:
        yield from _bayes(settings, parameters)


def _sampled(generator: random.Random, parameter: dict[str, Any]) -> Any:
    if parameter.get("values") is not None:
        return generator.choice(parameter["values"])
    low, high, log = parameter["min"], parameter["max"], parameter["log"]
    value = math.exp(generator.uniform(math.log(low), math.log(high))) if log else generator.uniform(low, high)
    return round(value) if parameter["whole"] else value


def _bayes(settings: dict[str, Any], parameters: dict[str, Any]) -> Iterator[tuple[Choice, Callable[[Any], None]]]:
    try:
        import optuna
    except ImportError:
        raise StageError("a bayes sweep needs the package optuna", help="pip install 'mlspec[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=settings["seed"])
    study = optuna.create_study(direction=settings["goal"], sampler=sampler)
    for _ in range(settings["trials"]):
        trial = study.ask()
        choice = {key: _suggested(trial, key, parameter) for key, parameter in parameters.items()}

        def report(value: Any, trial: Any = trial) -> None:
            failed = value is None or not math.isfinite(value)
            study.tell(trial, None if failed else value, optuna.trial.TrialState.FAIL if failed else None)

        yield choice, report


def _suggested(trial: Any, key: str, parameter: dict[str, Any]) -> Any:
    if parameter.get("values") is not None:
        return trial.suggest_categorical(key, parameter["values"])
    if parameter["whole"]:
        return trial.suggest_int(key, round(parameter["min"]), round(parameter["max"]), log=parameter["log"])
    return trial.suggest_float(key, parameter["min"], parameter["max"], log=parameter["log"])


def _table(folder: Path, metric: str, results: Sequence[tuple[Choice, float | None]]) -> None:
    keys = list(dict.fromkeys(key for choice, _ in results for key in choice))
    with whole(folder / "results.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*keys, metric])
        writer.writerows([*(choice.get(key, "") for key in keys), value] for choice, value in results)
    if results and results[0][1] is not None:
        best = "  ".join(f"{key}={value}" for key, value in results[0][0].items())
        value = f"{metric} {results[0][1]:.6g}"
        print(f"sweep: the best of {len(results)} is {best} with {value}; all in {folder}/results.csv")
    elif results:
        print(f"sweep: none of {len(results)} trials gave a value of {metric}; all in {folder}/results.csv")
