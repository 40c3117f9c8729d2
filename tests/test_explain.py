"""The explanations: every code has one, and its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from mlspec.compiler import compile_project
from mlspec.errors import SpecError, StageError
from mlspec.explain import explanations
from mlspec.job import Job
from mlspec.parts.data import work
from mlspec.sections.data import DataSpec

PACKAGE = Path(__file__).resolve().parent.parent / "mlspec"
BASE = {
    "project": "project: {name: cola}\n",
    "data": (
        "data:\n  source: data/cola.csv\n  track: git\n  inputs: {sentence: text}\n"
        '  target: {column: label, type: class, labels: ["no", "yes"]}\n'
    ),
    "model": "model: {type: text-classifier}\n",
}
_MODULE = re.compile(
    r"```(?:python|text) (src/\w+\.py|data/\w+\.(?:txt|pkl)|(?:reads|requirements-serve)\.lock)\n(.*?)```", re.DOTALL
)
_FILE = re.compile(r"```(?:csv|tsv|json) (data/\S+\.(?:[ct]sv|CSV|jsonl))\n(.*?)```", re.DOTALL)
_FOLDER = re.compile(r"```text\n(.*?)```", re.DOTALL)
_BLOCK = re.compile(r"## (Wrong|Right)\n\n```yaml( file)?\n(.*?)\n```", re.DOTALL)
NOT_LOCKED = {"program-not-installed": "unlocked-framework"}  # what `mlspec lock` writes is not part of this example
EXAMPLES = [
    (code, kind, bool(whole), text)
    for code, file in explanations().items()
    for kind, whole, text in _BLOCK.findall(file.read_text(encoding="utf-8"))
]


def laid_over_the_base(fragment: str) -> str:
    named = set(re.findall(r"^(\w+):", fragment, re.MULTILINE))
    return "".join(text for name, text in BASE.items() if name not in named) + fragment + "\n"


@pytest.mark.parametrize(("code", "kind", "whole", "text"), EXAMPLES, ids=[f"{e[0]}-{e[1]}" for e in EXAMPLES])
def test_an_example_does_what_it_says(code: str, kind: str, whole: bool, text: str, tmp_path: Path) -> None:
    spec = tmp_path / "mlproject.yaml"
    spec.write_text(text + "\n" if whole else laid_over_the_base(text), encoding="utf-8")
    for name, module in _MODULE.findall(explanations()[code].read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(module, encoding="utf-8")
    try:
        results = [d.code for d in compile_project(spec).warnings]
    except SpecError as error:
        results = [d.code for d in error.diagnostics]
    explanation = explanations()[code].read_text(encoding="utf-8")
    paths = [
        path for folder in _FOLDER.findall(explanation) for path in folder.split() if path.endswith((".png", ".gif"))
    ]
    for number, path in enumerate(paths):
        draw(tmp_path / path, number)
    if (files := _FILE.findall(explanation)) or paths:
        assert results == []
        results = read(tmp_path, spec, files)
    if code in NOT_LOCKED:
        assert NOT_LOCKED[code] in results
        results = [result for result in results if result != NOT_LOCKED[code]]
    assert list(dict.fromkeys(results)) == ([code] if kind == "Wrong" else [])  # some are reported at two places


def draw(path: Path, number: int) -> None:
    """Eight pictures, `0.png` to `7.png`, for a path that ends in `0.png`; a GIF file is an animation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = [Image.new("RGB", (4, 4), (8 * number + at, at, 255 - number)) for at in range(8)]
    if path.suffix == ".gif":
        shades[0].save(path, save_all=True, append_images=shades[1:])
        return
    for at, image in enumerate(shades):
        image.save(path.with_stem(str(at)))


def read(root: Path, spec: Path, files: list[tuple[str, str]]) -> list[str]:
    """Run the stage `data` over the files of an explanation, for what only the data can show."""
    for name, contents in files:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(contents, encoding="utf-8")
    data = compile_project(spec).project.need(DataSpec)
    try:
        work.main(Job(root, root / "artifacts", root / "artifacts", {}, {"data": data}))
    except StageError as error:
        return [error.code]
    return []


def test_every_code_in_the_package_is_explained() -> None:
    pattern = re.compile(
        r"""(?:Finding|Fault|Diagnostic|_refused|_fault|PydanticCustomError)\(\s*\n?\s*"([a-z][a-z0-9-]+)\""""
    )
    of_stages = re.compile(r"""code="([a-z-]+)\"""")
    texts = [file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")]
    used = {code for text in texts for code in (*pattern.findall(text), *of_stages.findall(text))}
    assert used <= set(explanations()), used - set(explanations())
