"""What the server of `tests.forked` imports, and so each of its forks has."""

from __future__ import annotations

import gc
import importlib

for name in (
    "_pytest.assertion.rewrite",
    "_pytest.debugging",
    "_pytest.junitxml",
    "_pytest.logging",
    "_pytest.unraisableexception",
    "httptools",
    "hydra",
    "hydra.core.global_hydra",
    "hydra.utils",
    "mlspec.parts.evaluate.work",
    "mlspec.parts.train.work",
    "mlspec.testing.composed_settings",
    "onnxruntime",
    "orjson",
    "pytest",
    "xml.etree.ElementTree",
):
    importlib.import_module(name)
gc.collect()
gc.freeze()  # pytest collects garbage five times at its end: each would visit all that was imported
gc.set_threshold(20_000)
