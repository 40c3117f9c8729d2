"""Direct deployment, Terraform, SAM and Serverless create the same resources: compared without an account, by what the tools make.

To add a source: a function that gives its resources (`from_template` for a CloudFormation template), and a key in
`sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from mlspec.aws.aws_target import AwsTarget
from tests.conftest import CHECKOUT
from tests.parts.sam.sam_environment import Translator
from tests.scenarios.equivalence import projects
from tests.scenarios.equivalence.canonical import CanonicalResource
from tests.scenarios.equivalence.differences import ALLOWED, Source, compare, table
from tests.scenarios.equivalence.every_value import (
    expanded,
    unseen,
    unseen_dependencies,
    unseen_references,
    unseen_settings,
)
from tests.scenarios.equivalence.from_cloudformation import from_template, template
from tests.scenarios.equivalence.from_serverless import PARAMETERS, Package, from_packages
from tests.scenarios.equivalence.from_terraform import Plan, TerraformResource, from_modules, with_documents
from tests.scenarios.equivalence.order import ORDER, RequiredOrder, order_table
from tests.scenarios.equivalence.projects import (
    SAM_MUTATIONS,
    SPECS,
    TERRAFORM_MUTATIONS,
    Mutation,
    mutation_id,
)
from tests.scenarios.equivalence.unseen_values import UNSEEN, unseen_table

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
    serverless_packages: Mapping[str, Sequence[Package]],
    tmp_path: Path,
) -> Mapping[str, Mapping[Source, Resources]]:
    """The resources of each project by source."""
    return {
        name: {
            "direct": projects.from_direct(tmp_path / name, name, target),
            "terraform": from_plan(terraform_plan, name),
            "sam": projects.from_sam(projects.generated(tmp_path / name, name, "sam"), sam_translator),
            "serverless": from_packages(serverless_packages[name]),
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


def test_every_value_in_a_template_of_sam_counts(
    reference: Mapping[str, Mapping[Source, Resources]], sam_translator: Translator, tmp_path: Path
) -> None:
    """Each value alone is changed, each key and item removed: the comparison, or the reader of the template, finds it."""
    paths: set[str] = set()
    for name in SPECS:
        created = projects.generated(tmp_path / name, name, "sam")
        parts = [part for part in ("foundation", "service") if f"{part}.yaml" in created]
        documents = [expanded(projects.translated(created, part, sam_translator)) for part in parts]
        paths |= set(unseen_in_templates("sam", documents, projects.PARAMETERS, projects.UPLOADED, reference[name]))
    check_unseen("sam", paths)


def test_every_value_in_a_service_of_serverless_counts(
    reference: Mapping[str, Mapping[Source, Resources]], serverless_packages: Mapping[str, Sequence[Package]]
) -> None:
    paths: set[str] = set()
    for name, packages in serverless_packages.items():
        documents = [expanded(package.template) for package in packages]
        uploaded = {key: content for package in packages for key, content in package.uploaded.items()}
        paths |= set(unseen_in_templates("serverless", documents, PARAMETERS, uploaded, reference[name]))
    check_unseen("serverless", paths)


def check_unseen(source: Source, paths: Collection[str]) -> None:
    """Only what is in the table may go unseen, and each line of the table must be needed."""
    assert sorted(path for path in paths if not any(line.covers(source, path) for line in UNSEEN)) == []
    idle = [line for line in UNSEEN if source in line.sources and not any(line.covers(source, path) for path in paths)]
    assert idle == [], "a value that does not go unseen"


def unseen_in_templates(
    source: Source,
    documents: Sequence[JsonValue],
    parameters: Mapping[str, str],
    uploaded: Mapping[str, bytes],
    reference: Mapping[Source, Resources],
) -> Iterator[str]:
    """Paths of the values whose change neither the comparison nor the reader of the templates finds."""
    expected: Mapping[Source, Resources] = {"cloudformation": reference["cloudformation"]}
    for document in documents:
        others = [one for one in documents if one is not document]
        rest = [resource for one in others for resource in from_template(one, parameters, uploaded)]
        assert isinstance(document, dict)
        bodies = document["Resources"]
        assert isinstance(bodies, dict)
        for id, body in bodies.items():
            before = template(document, parameters, uploaded)
            changing = before.with_dependents(id)
            same = [*before.canonical([other for other in bodies if other not in changing]), *rest]

            def resources(
                document: JsonValue = document, changing: Sequence[str] = changing, same: Resources = same
            ) -> Resources:
                return [*template(document, parameters, uploaded).canonical(changing), *same]

            yield from unseen(body, f"{id}.", _detection(source, resources, expected))


def _detection(
    source: Source, resources: Callable[[], Resources], reference: Mapping[Source, Resources]
) -> Callable[[], bool]:
    """Whether what the source has now is refused."""

    def detected() -> bool:
        try:
            return bool(compare({**reference, source: resources()}).faults)
        except (AssertionError, KeyError, ValueError):
            return True

    assert not detected()
    return detected


def test_every_value_in_a_module_of_terraform_counts(
    reference: Mapping[str, Mapping[Source, Resources]], terraform_plan: Plan
) -> None:
    """Each value that a module sets is changed and removed, each reference and each explicit dependency removed."""
    paths: set[str] = set()
    for name in SPECS:
        modules = [terraform_plan[f"{name}-{part}"] for part in ("foundation", "service")]
        paths |= set(unseen_in_modules(modules, reference[name]))
    check_unseen("terraform", paths)


def unseen_in_modules(
    modules: Sequence[Sequence[TerraformResource]], reference: Mapping[Source, Resources]
) -> Iterator[str]:
    """Paths of the values, references and explicit dependencies that may change without being found."""
    expanded_modules = [[with_documents(one) for one in module] for module in modules]
    for module in expanded_modules:
        rest = from_modules(*(one for one in expanded_modules if one is not module))

        def resources(module: list[TerraformResource] = module, rest: Resources = rest) -> Resources:
            return [*from_modules(module), *rest]

        detected = _detection("terraform", resources, reference)
        for one in module:
            at = f"{one.type}.{one.name}"
            yield from unseen_settings(one.values, one.expressions, at, detected)
            yield from unseen_references(one.expressions, f"reference {at}", detected)
            yield from unseen_dependencies(one.depends_on, f"depends_on {at}", detected)


@pytest.mark.parametrize("mutation", TERRAFORM_MUTATIONS, ids=mutation_id)
def test_a_fault_in_a_module_of_terraform_is_found(
    mutation: Mutation, reference: Mapping[str, Mapping[Source, Resources]], terraform_plan: Plan
) -> None:
    name, module = mutation[0], mutation[1].partition("/")[0]
    resources = from_plan(terraform_plan, name, **{module: mutation_id(mutation)})
    assert compare({**reference[name], "terraform": resources}).faults


def test_the_page_has_the_tables(update: bool) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, rows in {"table": table(), "order": order_table(), "unseen": unseen_table()}.items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition("<!-- end -->")
        text = f"{before}<!-- {name} -->\n{rows}<!-- end -->{after}"
    if update:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text
