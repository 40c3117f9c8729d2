"""Direct deployment, Terraform, SAM and Serverless create the same resources: compared without an account, by what the tools make.

To add a source: a function that gives its resources (`from_template` for a CloudFormation template), and a key in
`sources`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from mlspec.aws.aws_target import AwsTarget
from tests.conftest import CHECKOUT
from tests.parts.sam.sam_environment import Translator
from tests.scenarios.equivalence import projects
from tests.scenarios.equivalence.canonical import CanonicalResource
from tests.scenarios.equivalence.differences import ALLOWED, Source, compare, table
from tests.scenarios.equivalence.from_cloudformation import from_template
from tests.scenarios.equivalence.from_terraform import Plan, from_modules
from tests.scenarios.equivalence.order import ORDER, RequiredOrder, order_table
from tests.scenarios.equivalence.projects import (
    SAM_MUTATIONS,
    SERVERLESS_MUTATIONS,
    SPECS,
    TERRAFORM_MUTATIONS,
    Mutation,
    mutation_id,
)

Resources = Sequence[CanonicalResource]
pytestmark = pytest.mark.slow
PAGE = CHECKOUT / "docs" / "targets" / "equivalence.md"


def from_plan(plan: Plan, name: str, **replaced: str) -> Resources:
    """The resources of both modules of a project; `replaced` names other modules of the plan."""
    return from_modules(*(plan[replaced.get(module, f"{name}-{module}")] for module in ("foundation", "service")))


@pytest.fixture
def sources(
    target: AwsTarget,
    terraform_plan: Plan,
    sam_translator: Translator,
    serverless_packages: Mapping[str, Resources],
    tmp_path: Path,
) -> Mapping[str, Mapping[Source, Resources]]:
    """The resources of each project by source."""
    return {
        name: {
            "direct": projects.from_direct(tmp_path / name, name, target),
            "terraform": from_plan(terraform_plan, name),
            "sam": projects.from_sam(projects.generated(tmp_path / name, name, "sam"), sam_translator),
            "serverless": serverless_packages[name],
            "cloudformation": projects.from_resources(tmp_path / name, name),
        }
        for name in SPECS
    }


def test_all_sources_have_the_same_resources(sources: Mapping[str, Mapping[Source, Resources]]) -> None:
    compared = {name: compare(own) for name, own in sources.items()}
    assert [fault for one in compared.values() for fault in one.faults] == []
    needed = {line for one in compared.values() for line in one.needed}
    assert [line for line in ALLOWED if line not in needed] == [], "an allowed difference that there is not"
    used = {line for own in sources.values() for one in own.values() for line in ORDER if _is_used(line, one)}
    assert [line for line in ORDER if line not in used] == [], "an order of nothing"
    types = {resource.type for own in sources.values() for resource in own["cloudformation"]}
    assert len(types) == 20, sorted(types)


def _is_used(line: RequiredOrder, resources: Resources) -> bool:
    keys = [(one.type, one.name) for one in resources]
    return any(line.requires(one, other) for one in keys for other in keys)


@pytest.fixture(scope="session")
def reference(moto: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[Source, Resources]]:
    """Two sources that no mutation touches."""
    folder = tmp_path_factory.mktemp("reference")
    target = AwsTarget("aws", "eu-west-1", moto, "", ("testing", "testing"))
    return {
        name: {
            "direct": projects.from_direct(folder / name, name, target),
            "cloudformation": projects.from_resources(folder / name, name),
        }
        for name in SPECS
    }


@pytest.mark.parametrize("mutation", SAM_MUTATIONS, ids=mutation_id)
def test_a_fault_in_a_template_of_sam_is_found(
    mutation: Mutation,
    reference: Mapping[str, Mapping[Source, Resources]],
    sam_translator: Translator,
    tmp_path: Path,
) -> None:
    name, file, text, other = mutation
    created = projects.mutated(projects.generated(tmp_path, name, "sam"), file, text, other)
    assert compare({**reference[name], "sam": projects.from_sam(created, sam_translator)}).faults


@pytest.mark.parametrize("name", ["everything", "http-api"])
def test_every_value_in_a_template_of_sam_counts(
    name: str,
    reference: Mapping[str, Mapping[Source, Resources]],
    sam_translator: Translator,
    tmp_path: Path,
) -> None:
    """Each value alone is changed: the comparison, or the reader of the template, finds it."""
    created = projects.generated(tmp_path, name, "sam")
    both = [projects.translated(created[f"{part}.yaml"], sam_translator) for part in ("foundation", "service")]
    expected = reference[name]["cloudformation"]
    for document, other in (both, both[::-1]):
        rest = from_template(other, projects.PARAMETERS)

        def detected(document: JsonValue = document, rest: Resources = rest) -> bool:
            try:
                resources = [*from_template(document, projects.PARAMETERS), *rest]
                return bool(compare({"cloudformation": expected, "sam": resources}).faults)
            except (AssertionError, KeyError, ValueError):
                return True

        assert not detected()
        unnoticed = _unnoticed(document["Resources"], "", detected)
        assert [path for path in unnoticed if not _IGNORED.search(path)] == []


_IGNORED = re.compile(r"Version\w*\.UpdateReplacePolicy$")
"""Another version has another id, so none is replaced."""


def _unnoticed(value: JsonValue, at: str, detected: Callable[[], bool]) -> Iterator[str]:
    """Paths of the values whose change nothing finds."""
    if not isinstance(value, dict | list):
        return
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, dict | list):
            yield from _unnoticed(inner, f"{at}.{key}", detected)
            continue
        value[key] = not inner if isinstance(inner, bool) else inner + 1 if isinstance(inner, int) else f"{inner}x"  # type: ignore[index]
        if not detected():
            yield f"{at}.{key}"
        value[key] = inner  # type: ignore[index]


@pytest.mark.parametrize("mutation", TERRAFORM_MUTATIONS, ids=mutation_id)
def test_a_fault_in_a_module_of_terraform_is_found(
    mutation: Mutation, reference: Mapping[str, Mapping[Source, Resources]], terraform_plan: Plan
) -> None:
    name, module = mutation[0], mutation[1].partition("/")[0]
    resources = from_plan(terraform_plan, name, **{module: mutation_id(mutation)})
    assert compare({**reference[name], "terraform": resources}).faults


@pytest.mark.parametrize("expected", SERVERLESS_MUTATIONS)
def test_a_fault_in_a_service_of_serverless_is_found(
    expected: str, reference: Mapping[str, Mapping[Source, Resources]], serverless_faults: Mapping[str, Resources]
) -> None:
    name = SERVERLESS_MUTATIONS[expected][0]
    faults = compare({**reference[name], "serverless": serverless_faults[name]}).faults
    assert [fault for fault in faults if expected in fault]


def test_the_page_has_the_table(update: bool) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end -->")
    between, _, rest = after.partition("<!-- order -->\n")
    _, _, after = rest.partition("<!-- end -->")
    text = f"{before}<!-- table -->\n{table()}<!-- end -->{between}<!-- order -->\n{order_table()}<!-- end -->{after}"
    if update:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text
