"""All parts, in the order of the pipeline. To add one: its folder, and one entry here."""

from __future__ import annotations

from mlspec.parts.data import part as data
from mlspec.parts.dvc import part as dvc
from mlspec.parts.hydra import part as hydra
from mlspec.parts.model import part as model
from mlspec.parts.optional_part import OptionalPart, infrastructure, orchestrator
from mlspec.parts.part_protocol import Part
from mlspec.parts.run import part as run
from mlspec.parts.supply import part as supply
from mlspec.parts.train import part as train
from mlspec.sections.bucket import BucketSpec
from mlspec.sections.budget import CostBudget
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.orchestrate import Orchestrate
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.sections.test import TestSpec
from mlspec.sections.track import TrackSpec

PARTS: tuple[Part, ...] = (
    data,
    model,
    train,
    OptionalPart("track", {"track": TrackSpec}),
    OptionalPart("evaluate", {"evaluate": EvaluateSpec}),
    OptionalPart("export", {"export": ExportSpec}),
    OptionalPart("test", {"test": TestSpec}),
    OptionalPart("package", {"package": Package}),
    OptionalPart("bucket", {"bucket": BucketSpec}),
    OptionalPart("registry", {"registry": Registry}),
    infrastructure("terraform"),
    infrastructure("sam"),
    infrastructure("serverless"),
    OptionalPart("deploy", {"deploy": Deploy}),
    OptionalPart("ci", {"ci": Ci}),
    OptionalPart("budget", {"budget": CostBudget}),
    supply,
    OptionalPart("monitor", {"monitor": Monitor}),
    run,
    OptionalPart("orchestrate", {"orchestrate": Orchestrate}),
    orchestrator("dagster"),
    orchestrator("prefect"),
    orchestrator("airflow"),
    hydra,
    dvc,
)
