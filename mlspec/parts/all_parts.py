"""All parts, in the order of the pipeline. To add one: its folder, and one entry here."""

from __future__ import annotations

from mlspec.parts.airflow import part as airflow
from mlspec.parts.budget import part as budget
from mlspec.parts.ci import part as ci
from mlspec.parts.dagster import part as dagster
from mlspec.parts.data import part as data
from mlspec.parts.deploy import part as deploy
from mlspec.parts.dvc import part as dvc
from mlspec.parts.evaluate import part as evaluate
from mlspec.parts.export import part as export
from mlspec.parts.hydra import part as hydra
from mlspec.parts.model import part as model
from mlspec.parts.monitor import part as monitor
from mlspec.parts.orchestrate import part as orchestrate
from mlspec.parts.package import part as package
from mlspec.parts.part_protocol import Part
from mlspec.parts.prefect import part as prefect
from mlspec.parts.registry import part as registry
from mlspec.parts.sam import part as sam
from mlspec.parts.serverless import part as serverless
from mlspec.parts.supply import part as supply
from mlspec.parts.terraform import part as terraform
from mlspec.parts.test import part as test
from mlspec.parts.track import part as track
from mlspec.parts.train import part as train

PARTS: tuple[Part, ...] = (
    data,
    model,
    train,
    track,
    evaluate,
    export,
    test,
    package,
    registry,
    terraform,
    sam,
    serverless,
    deploy,
    ci,
    budget,
    supply,
    monitor,
    orchestrate,
    dagster,
    prefect,
    airflow,
    hydra,
    dvc,
)
