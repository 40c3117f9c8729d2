"""`mlspec build` against cookiecutter and copier, which render as many files of the same size.

    python benchmarks/build.py [SPEC] [--rounds N]

Every run is a process of its own, from start to end, in a fresh folder; compiled Python and templates are warm for all
three. The templates of the other two are the files that mlspec has just generated, with the project's name as variable.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from timing import Contender, compare

CHECKOUT = Path(__file__).resolve().parent.parent
TARGETS = (
    ("build / cookiecutter", "mlspec build", "cookiecutter", 1.0),
    ("build / copier", "mlspec build", "copier", 0.5),
    ("nothing to do / cookiecutter", "mlspec build, nothing to do", "cookiecutter", 0.25),
    ("nothing to do / copier", "mlspec build, nothing to do", "copier", 0.15),
    ("--help / python -c pass", "mlspec --help", "python -c pass", 2.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", nargs="?", type=Path, default=CHECKOUT / "specs" / "full" / "mlproject.yaml")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(options.spec.resolve(), Path(scratch), options.rounds)


def measure(spec: Path, scratch: Path, rounds: int) -> None:
    built = project(spec, scratch / "built")
    subprocess.run([sys.executable, "-m", "mlspec", "build"], cwd=built, check=True, capture_output=True)
    files = generated(built)
    template(built, files, scratch / "cookiecutter" / "{{ cookiecutter.name }}", "cookiecutter.name")
    (scratch / "cookiecutter" / "cookiecutter.json").write_text(json.dumps({"name": "cola"}))
    template(built, files, scratch / "copier", "name", suffix=".jinja")
    (scratch / "copier" / "copier.yml").write_text("name: {type: str, default: cola}\n")

    fresh = fresh_folders(scratch)
    python = (sys.executable, "-m")
    quiet = {"HOME": str(scratch)}
    costs = compare(
        {
            "mlspec build": Contender((*python, "mlspec", "build"), lambda: project(spec, fresh())),
            "cookiecutter": Contender(
                (*python, "cookiecutter", "--no-input", str(scratch / "cookiecutter")), folder(fresh), quiet
            ),
            "copier": Contender(
                (*python, "copier", "copy", "--defaults", "--quiet", str(scratch / "copier"), "."), folder(fresh), quiet
            ),
            "mlspec build, nothing to do": Contender((*python, "mlspec", "build"), lambda: built),
            "mlspec --help": Contender((*python, "mlspec", "--help"), lambda: built),
            "python -c pass": Contender((sys.executable, "-c", "pass"), lambda: built),
        },
        rounds,
    )
    size = sum((built / name).stat().st_size for name in files)
    print(f"{len(files)} files, {size / 1024:.0f} KiB; medians of {rounds} interleaved runs")
    for name, cost in costs.items():
        print(f"  {name:32} {cost.seconds * 1000:7.0f} ms {cost.memory:6.0f} MiB")
    for name, one, other, bound in TARGETS:
        verdict(name, costs[one].seconds / costs[other].seconds, bound)


def verdict(name: str, value: float, bound: float) -> None:
    print(f"  {name:32} {value:7.3f}    at most {bound}: {'yes' if value <= bound else 'NO'}")


def project(spec: Path, target: Path) -> Path:
    """A copy of the spec's folder: the spec, and the code and templates beside it."""
    shutil.copytree(spec.parent, target, ignore=shutil.ignore_patterns(".mlspec", "mlspec.lock", "artifacts"))
    if spec.name != "mlproject.yaml":
        shutil.copy(spec, target / "mlproject.yaml")
    return target


def generated(root: Path) -> list[str]:
    rows = json.loads((root / "mlspec.lock").read_text())["files"]
    return [row["path"] for row in rows if row and row["mode"] != "folder"]


def template(root: Path, files: list[str], target: Path, variable: str, suffix: str = "") -> None:
    """The generated files as templates: the project's name is a variable, other braces are made harmless."""
    for name in files:
        text = (root / name).read_text()
        for mark, harmless in (("{{", "[["), ("{%", "[%"), ("{#", "[#")):
            text = text.replace(mark, harmless)
        path = target / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("cola", f"{{{{ {variable} }}}}"))


def fresh_folders(scratch: Path) -> Callable[[], Path]:
    numbers: Iterator[int] = itertools.count()
    return lambda: scratch / f"run-{next(numbers)}"


def folder(fresh: Callable[[], Path]) -> Callable[[], Path]:
    def made() -> Path:
        path = fresh()
        path.mkdir()
        return path

    return made


if __name__ == "__main__":
    main()
