"""The documentation is true: its commands run, its links lead somewhere, and what it names exists."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import click
import jsonschema
import pytest
from ruamel.yaml import YAML

from mlspec.cli.command_line import group
from mlspec.cli.help_page import COMMANDS
from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.shipping.rehearsal.processes import RehearsalProcesses
from mlspec.shipping.rehearsal.rehearsal import Rehearsal
from mlspec.spec.json_schema import json_schema
from tests.conftest import CHECKOUT
from tests.pages import PageFile, Shell, follow, steps
from tests.rules.test_words import BANNED
from tests.warm_python import WarmPython

DOCS = CHECKOUT / "docs"
TUTORIAL = DOCS / "tutorial.md"
RECIPES = CHECKOUT / "CONTRIBUTING.md"


@pytest.fixture
def shell(warm: WarmPython, tmp_path: Path) -> Iterator[Shell]:
    """A shell in an empty folder. A rehearsal that a failure has left there is stopped."""
    opened = Shell(tmp_path, warm)
    yield opened
    opened.close()
    if (tmp_path / ".mlspec" / "local").exists():
        Rehearsal(RehearsalProcesses(tmp_path / ".mlspec" / "local")).stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the tutorial's project, as they are at its end."""
    for step in steps(TUTORIAL):
        if isinstance(step, PageFile):
            (tmp_path / step.path).write_text(step.text, encoding="utf-8")
    subprocess.run([sys.executable, "flats.py"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_the_tutorial_prints_what_it_shows(tmp_path: Path, shell: Shell) -> None:
    follow(TUTORIAL, tmp_path, shell)


@pytest.mark.parametrize(
    "page", ["own-template", "environments", "github-actions", "orchestrators", "supply-chain", "moving-away"]
)
def test_the_commands_of_a_howto_print_what_it_shows(page: str, project: Path, shell: Shell) -> None:
    follow(DOCS / "howto" / f"{page}.md", project, shell)


@pytest.mark.slow
def test_the_rehearsal_prints_what_it_shows(project: Path, shell: Shell, docker: str) -> None:
    assert docker
    follow(DOCS / "howto" / "rollback.md", project, shell)


PAGES = sorted(DOCS.rglob("*.md"))
EVERYWHERE = [*PAGES, CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"]
ROOTS = ("mlspec/", "templates/", "tests/", "specs/", "docs/", "benchmarks/")
UNNAMED = re.compile(r"NAME|CODE|STAGE|PACKAGE|MODULE|FUNCTION|badge|[{*<…]")
"""A name that stands for another one."""


def relative(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def code_spans(text: str) -> list[str]:
    """The code in backticks of a page, without its blocks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))


def shell_lines(page: Path) -> Iterator[str]:
    """Every line of a page that starts `mlspec`: in blocks of a shell, and in backticks."""
    text = page.read_text(encoding="utf-8")
    yield from (span for span in code_spans(text) if span.startswith("mlspec "))
    for body in re.findall(r"^ *```(?:console|sh|text)\n(.*?)^ *```", text, re.M | re.S):
        for line in body.splitlines():
            for part in re.split(r"&&|\|\|?|;", line.removeprefix("$ ")):
                if part.strip().startswith("mlspec ") and (line.startswith("$ ") or not line.startswith(" ")):
                    yield part.strip()


def parsed(line: str) -> None:
    """Parse a command line as the program does, without running it. Raises click's errors."""
    words = shlex.split(re.sub(r"\d?>+ ?\S+|&$", "", line), comments=True)[1:]
    if not words or words[0].startswith("-"):
        return
    command = group.get_command(click.Context(group), words[0])
    assert command is not None, f"not a command: {words[0]}"
    command.make_context(words[0], words[1:], resilient_parsing=False)


@pytest.mark.parametrize("page", EVERYWHERE, ids=relative)
def test_every_command_of_a_page_exists_with_its_options(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLSPEC_ALLOW_BREAKING", "MLSPEC_TARGET"):
        monkeypatch.delenv(name, raising=False)
    wrong = []
    for line in shell_lines(page):
        try:
            parsed(line)
        except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
            assert len(line.split()) == 2, line  # a command that is only named
        except (click.UsageError, AssertionError, ValueError) as error:
            wrong.append(f"{line}: {error}")
    assert wrong == []


def test_a_wrong_command_is_reported() -> None:
    parsed("mlspec apply --target local --yes --fault error_rate=0.3  # rehearse")
    for line in ("mlspec aply", "mlspec apply --tarrget local", "mlspec apply --target mars"):
        with pytest.raises((click.UsageError, AssertionError)):
            parsed(line)


def test_every_command_of_the_program_is_in_the_table() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `mlspec {name}` |" not in text] == []


@pytest.mark.parametrize("page", EVERYWHERE, ids=relative)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """Paths of the repository, and of modules as in `spec/check.py` or, in a sentence about a package, `check.py`."""
    spans = [span.split()[0] for span in code_spans(page.read_text(encoding="utf-8")) if span.strip()]
    full = [span for span in spans if span.startswith(ROOTS) and not UNNAMED.search(span)]
    assert [path for path in full if not (CHECKOUT / path.partition("::")[0]).exists()] == []
    modules = {f.relative_to(CHECKOUT / "mlspec").as_posix() for f in (CHECKOUT / "mlspec").rglob("*.py")}
    named = [span for span in spans if re.fullmatch(r"[\w/]+\.py", span) and not UNNAMED.search(span)]
    pairs = re.findall(r"`(\w+)` \(`([\w/]+\.py)`\)", page.read_text(encoding="utf-8"))
    placed = [(name, path if path.startswith("mlspec/") else f"mlspec/{path}") for name, path in pairs]
    assert [pair for pair in placed if pair[0] not in definitions(CHECKOUT / pair[1])] == []
    if "architecture" in page.parts:
        absent = [n for n in named if n not in full and not any(m == n or m.endswith(f"/{n}") for m in modules)]
        assert absent == []


def definitions(file: Path) -> set[str]:
    """Functions and classes of a module, its constants with a type, and its types."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    types = {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    constants = {n.target.id for n in tree.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)} | constants | types


@pytest.mark.parametrize("page", sorted((DOCS / "architecture").glob("*.md")), ids=relative)
def test_the_functions_to_start_reading_at_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([\w/]+\.py)` \|", text, re.MULTILINE)
    assert len(rows) >= 3
    assert [row for row in rows if row[0] not in definitions(CHECKOUT / row[1])] == []


def test_the_functions_that_contributing_names_exist() -> None:
    """In the tables of its recipes: the second column names functions of the module in the third."""
    rows = re.findall(r"^\| [^|]+ \| ([^|]*`[^|]+) \| `(mlspec/[\w/]+\.py)`", RECIPES.read_text(encoding="utf-8"), re.M)
    named = {(name, file) for names, file in rows for name in re.findall(r"`(\w+)`", names) if not UNNAMED.search(file)}
    assert len(named) >= 3
    assert [each for each in sorted(named) if each[0] not in definitions(CHECKOUT / each[1])] == []


def test_every_page_that_code_refers_to_exists() -> None:
    files = [f for folder in ("mlspec", "tests", "templates", "benchmarks") for f in (CHECKOUT / folder).rglob("*")]
    places = [f for f in files if f.suffix in (".py", ".md", ".j2") and "_templates" not in f.parts]
    texts = {f: f.read_text(encoding="utf-8") for f in (*places, CHECKOUT / "mkdocs.yml")}
    named = {
        (f.name, path)
        for f, text in texts.items()
        for path in re.findall(r"(?<![\w/.-])docs/[\w/-]+\.(?:md|png)", text)
    }
    assert sorted((name, path) for name, path in named if not (CHECKOUT / path).exists()) == []


@pytest.mark.parametrize("page", [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"], ids=relative)
def test_every_link_of_a_page_outside_of_the_site_leads_somewhere(page: Path) -> None:
    """MkDocs checks those of the site."""
    for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
            if anchor:
                text = (page.parent / target).read_text(encoding="utf-8")
                headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
                assert anchor in [re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings], anchor


def fragments() -> Iterator[tuple[str, str]]:
    """Every block of YAML that shows a spec or sections of one."""
    for page in EVERYWHERE:
        for at, body in enumerate(re.findall(r"^```yaml[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)):
            yield f"{relative(page)}-{at}", body


@pytest.mark.parametrize(("place", "text"), fragments(), ids=[place for place, _ in fragments()])
def test_the_sections_that_a_page_shows_are_valid(place: str, text: str) -> None:
    """By the schema of what may be laid over a spec: any sections, with no key required."""
    values = YAML(typ="safe").load(text)
    spec = {k: v for k, v in values.items() if k != "mlspec"}
    schema = {**json_schema(PARTS), "required": []}
    jsonschema.Draft202012Validator(schema).validate({"environments": {"any": spec}})


def test_the_site_builds_with_every_link_anchor_and_page_in_its_navigation(tmp_path: Path) -> None:
    """`--strict` fails for a link or an anchor that leads nowhere, and for a page that is not in `nav`."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {
        f.relative_to(tmp_path / "site").with_suffix(".md").as_posix() for f in (tmp_path / "site").rglob("*.html")
    }
    assert {relative(page).removeprefix("docs/") for page in PAGES} == pages - {"404.md"}
    text = "".join(f.read_text(encoding="utf-8") for f in (tmp_path / "site").rglob("*.html"))
    loaded = re.findall(
        r'<(?:script|img|iframe)[^>]* src="(https?:[^"]+)"|<link[^>]* rel="(?:stylesheet|preconnect)"[^>]* href="(https?:[^"]+)"',
        text,
    )
    assert loaded == []


@pytest.mark.parametrize("tool", ["terraform", "sam", "serverless"])
def test_the_page_about_moving_away_names_every_generated_file(tool: str, tmp_path: Path) -> None:
    """specs/full has every section; of the tools for the infrastructure a spec has one."""
    spec = YAML(typ="safe").load((CHECKOUT / "specs/full/mlproject.yaml").read_text(encoding="utf-8"))
    spec["deploy"] |= {"iac": tool, "rollout": {"strategy": "canary", "steps": [10, 100], "interval": "5m"}}
    shutil.copytree(CHECKOUT / "specs/full", tmp_path, dirs_exist_ok=True)
    (tmp_path / "mlproject.yaml").write_text(json.dumps(spec), encoding="utf-8")
    paths = {file.path for file in compile_project(tmp_path / "mlproject.yaml").files}
    table = (DOCS / "howto/moving-away.md").read_text(encoding="utf-8").partition("\n## ")[0]
    named = [span for line in table.splitlines() if line.startswith("| ") for span in code_spans(line.split("|")[1])]
    assert sorted(path for path in paths if not any(_covers(span, path) for span in named)) == []


def _covers(span: str, path: str) -> bool:
    return path.startswith(span) if span.endswith("/") else fnmatch(path, span)


def test_the_glossary_has_every_banned_word() -> None:
    """What the test of words refuses is in the table of wording, with what to say."""
    table = (DOCS / "glossary.md").read_text(encoding="utf-8").partition("\n## Wording\n")[2]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    assert all(len(row) == 2 and row[1].strip() for row in rows)
    assert [p for p in BANNED if not any(re.search(p, row[0], re.IGNORECASE) for row in rows)] == []
