"""What the server of `tests.warm_python` has done before it forks: imports, models, templates."""

from __future__ import annotations

import atexit
import importlib
import logging
import multiprocessing.util
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
PRELOADED = (
    *(f"mlspec.cli.commands.{name}" for name in ("apply", "build", "plan", "releases", "report", "run", "status")),
    *(
        "mlspec.cli.app",
        "mlspec.cli.applying",
        "mlspec.cli.command_line",
        "mlspec.cli.deployed",
        "mlspec.cli.plan_text",
    ),
    *("mlspec.run.program", "mlspec.run.sweeper", "mlspec.apply.execute", "mlspec.apply.remote", "mlspec.report.page"),
    *(f"mlspec.parts.{part}.work" for part in ("data", "train", "evaluate", "export", "test", "registry", "deploy")),
    *("mlspec.runtime.preprocess.tabular", "omegaconf._impl", "pyarrow.dataset", "pyarrow.pandas_compat", "s3fs"),
    *("torch.onnx._internal.exporter._compat", "torch.utils.serialization", "torch.export.pt2_archive._package"),
    *("onnxscript.optimizer", "onnxscript.function_libs.torch_lib.ops", "sympy.combinatorics", "sympy.tensor.tensor"),
    *("dvc.cli.parser", "dvc.commands.repro", "dvc.compare", "dvc.data_cloud", "dvc.repo.index", "dvc.repo.stage"),
    *(
        "dvc.cachemgr",
        "dvc.lock",
        "dvc.repo.metrics",
        "dvc.repo.plots",
        "dvc.rwlock",
        "dvc.scm",
        "dvc.utils.strictyaml",
    ),
    *(
        "configobj",
        "dulwich.porcelain",
        "flufl.lock",
        "networkx",
        "pandas",
        "ruamel.yaml",
        "scmrepo.git",
        "zc.lockfile",
    ),
    *(
        "_pytest.assertion.rewrite",
        "_pytest.debugging",
        "_pytest.junitxml",
        "_pytest.logging",
        "_pytest.unraisableexception",
        "httptools",
        "hydra.core.global_hydra",
        "hydra.utils",
        "mlspec.testing.composed_settings",
        "pytest",
        "xml.etree.ElementTree",
    ),
    *("boto3", "botocore.client", "botocore.handlers", "botocore.parsers"),
    *(f"mlspec.cli.{name}" for name in ("commands.labels", "commands.monitor", "labelling", "monitor_text")),
    *("mlspec.cli.retrain_command", "mlspec.monitoring.challenge", "mlspec.monitoring.observation"),
    *("mlspec.monitoring.pushgateway", "mlspec.report.monitor_page", "scipy.stats", "sklearn.isotonic"),
)
"""What several of these programs import, often only when they need it."""


def prepare() -> None:
    """Do once what each of the programs would do: imports, models, templates."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    from mlspec.compiler import compile_project
    from mlspec.records.record_file import Value
    from mlspec.report.page_environment import page_environment
    from tests.aws_models import keep_models
    from tests.onnx_operators import keep_operators

    for name in PRELOADED:
        importlib.import_module(name)
    compile_project(CHECKOUT / "specs" / "full" / "mlproject.yaml")  # builds the models of all sections
    for model in _descendants(Value):
        model.model_rebuild()
    pages = page_environment()
    for name in pages.list_templates(filter_func=lambda name: name.startswith("report/")):
        pages.get_template(name)
    keep_models()
    keep_operators()
    ONNXRegistry.from_torchlib()  # parses the source of its operators
    _forget_ends()


def _descendants(model: Any) -> Iterator[Any]:
    for inner in model.__subclasses__():
        yield from (inner, *_descendants(inner))


def _forget_ends() -> None:
    """Of what a process does at its end, leave out what takes longer than a short program: PyTorch's statistics, and
    the removal of each of its operators, one after the other."""
    import colorama.initialise
    import torch.utils.data._utils

    for end in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        end.atexit = False
    atexit._clear()
    atexit.register(logging.shutdown)
    atexit.register(torch.utils.data._utils._set_python_exit_flag)
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(colorama.initialise.reset_all)
