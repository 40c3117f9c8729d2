"""Stand-in for what CloudFormation creates of a service's stack, and the emulated one does not: `python -m` in a project.

The function with the code that was packaged, a version of it, and the alias, which is on the new version afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.desired import desired_function, spec_location
from mlspec.aws.function import FunctionProvider, read_function
from mlspec.aws.published_version import publish_action
from mlspec.compiler import compile_project
from mlspec.job import Job
from mlspec.sections.delivery_tool import DIRECT
from mlspec.shipping.deployment import Deployment
from mlspec.shipping.image_push import zipped
from mlspec.shipping.target_choice import current
from mlspec.stage_context import StageContext


def release(root: Path) -> None:
    """Create or update the function of the zip of a project, publish it, and move the alias."""
    project, artifacts = compile_project(root / "mlproject.yaml").project, root / "artifacts"
    context = StageContext(root=root)
    job = Job(root, artifacts, artifacts, project.values, project.sections, context)
    target = current(context, spec_location(job).region)
    packaged = zipped(artifacts, job, target)
    assert packaged is not None
    desired = replace(desired_function(target, job, "", packaged[0]), tool=DIRECT)
    aliases, provider = AliasProvider(target, desired.name), FunctionProvider(desired)
    before = aliases.read(desired.alias)
    if before is None and read_function(target, desired.name):  # of the emulator's own settings, and without tags
        target.client("lambda").delete_function(FunctionName=desired.name)
    execution = Deployment(desired).execution(print)
    execution.run(provider.diff(desired.function(), read_function(target, desired.name)))
    execution.run([publish_action(desired.name, "created by the stack")])
    execution.outputs["revision"] = before.revision if before else ""
    execution.run(aliases.diff(Alias(desired.alias, execution.outputs["version"]), before))


if __name__ == "__main__":
    release(Path.cwd())
