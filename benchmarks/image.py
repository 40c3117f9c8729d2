"""The serving image: what it weighs over its Python base, and how soon a cold container of it gives its first answer.

    python benchmarks/image.py [--rounds N] [--memory MB] [--cpus SHARE]

The model is an encoder of MiniLM's size (22.7 million parameters, random weights). A cold start is timed from `docker
run` to the answer that AWS's Lambda emulator gives back, with the memory and the share of a processor of a small
function, and a read-only root. Beside it, in the same rounds and under the same limits: a container that only starts
(`true`), and one that imports ONNX Runtime and loads the model, which is what no way of serving it could do without.
Needs Docker, and the emulator (MLSPEC_LAMBDA_EMULATOR).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _text_data import MINILM, sentences

from mlspec.compiler import compile_project
from mlspec.docker.client import Docker, with_buildkit
from mlspec.docker.container import READ_ONLY
from mlspec.job import Job
from mlspec.learning.networks import PretrainedNetwork
from mlspec.learning.pretrained import encoder_of
from mlspec.learning.split_rows import Rows
from mlspec.parts.export import onnx_graph
from mlspec.parts.package import image_build, lambda_emulator, work
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.fit import fit
from mlspec.sections.package import DockerImage, Package
from mlspec.spec.project import ProjectInfo

NAME = "mlspec-benchmark"
SIZE_TARGET, START_TARGET = 180.0, 1.2
SPEC = f"""\
mlspec: 1
project: {{name: {NAME}}}
data: {{source: data.csv, inputs: {{sentence: text}}, target: {{column: label, labels: ["no", "yes"]}}}}
model: {{type: text-classifier}}
train: {{}}
export: {{onnx: {{}}}}
package: {{docker: {{}}}}
registry: {{ecr: {{repository: cola, region: eu-west-1}}}}
deploy: {{lambda: {{}}}}
"""
LOAD = "import onnxruntime, tokenizers; onnxruntime.InferenceSession('/app/bundle/model.onnx')"


def main() -> None:
    """Build the image once, then start it again and again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=int, default=512)
    parser.add_argument("--cpus", type=float, default=0.5)
    options = parser.parse_args()
    if lambda_emulator.find() is None:
        sys.exit(f"needs AWS's Lambda emulator: {lambda_emulator.HELP}")
    with tempfile.TemporaryDirectory() as folder:
        root, docker = Path(folder), with_buildkit()
        weights = project(root)
        job = Job(root, root / "artifacts", root / "artifacts", {}, {
            "project": ProjectInfo(name=NAME), "package": Package()})  # fmt: skip
        work.main(job)
        made, base, _ = image_build.build(docker, job, DockerImage())
        size(docker, made, base, weights)
        start(docker, made, options)


def project(root: Path) -> int:
    """The generated files and a bundle; gives the bytes of the bundle."""
    (root / "mlproject.yaml").write_text(SPEC)
    for file in compile_project(root / "mlproject.yaml").files:
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        (root / file.path).write_text(file.text)
    bundle = root / "artifacts" / "bundle"
    (bundle / "preprocess").mkdir(parents=True)
    texts = sentences(None, 500)
    fit({"sentence": texts}, {"sentence": {"type": "text"}}, bundle / "preprocess")
    preprocess = load(bundle / "preprocess")
    features = preprocess.features([{"sentence": text} for text in texts[:8]])
    rows = Rows(None, features, np.zeros(len(features), dtype=np.int64))
    network = PretrainedNetwork(encoder_of(MINILM), 384, 2, 0.0)
    torch.set_num_threads(1)
    onnx_graph.write(network, rows, preprocess, 18, bundle / "model.onnx", root)
    signature = {
        "version": 1, "name": NAME, "task": "classification", "inputs": [{"name": "sentence", "type": "text"}],
        "output": {"labels": ["no", "yes"]}, "graph": {"inputs": list(preprocess.names), "output": onnx_graph.OUTPUT},
    }  # fmt: skip
    (bundle / "signature.json").write_text(json.dumps(signature))
    (bundle / "profile.json").write_text("{}")
    return sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())


def size(docker: Docker, made: str, base: str, weights: int) -> None:
    """Print what the image has over its base, the model aside."""
    whole, below = docker.inspect(made).size, docker.inspect(base).size
    over = (whole - below - weights) / 1e6
    print(f"image {whole / 1e6:.0f} MB = base {below / 1e6:.0f} + model {weights / 1e6:.0f} + {over:.0f}")
    print(
        f"over its base, without the model: {over:.0f} MB; target: at most {SIZE_TARGET:.0f} {met(over, SIZE_TARGET)}"
    )


def start(docker: Docker, made: str, options: argparse.Namespace) -> None:
    """Print the median times to the first answer and of the two floors, and their ratio."""
    bounds = ("--memory", f"{options.memory}m", "--memory-swap", f"{options.memory}m", "--cpus", str(options.cpus),
              *READ_ONLY)  # fmt: skip
    ways: dict[str, Callable[[], float]] = {
        "docker run true": lambda: bare(docker, made, bounds, "true"),
        "import onnxruntime, load the model": lambda: bare(docker, made, bounds, "python", "-c", LOAD),
        "first answer through the emulator": lambda: answered(docker, made, bounds),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            seconds = way()
            if number:
                times[name].append(seconds)
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"{options.memory} MB, {options.cpus:g} of a processor, median of {options.rounds}:")
    for name, found in medians.items():
        print(f"  {found:6.2f} s  {name}")
    _, floor, first = medians.values()
    print(f"first answer / load alone: {first / floor:.2f}")
    print(f"first answer: {first:.2f} s; target: at most {START_TARGET} s {met(first, START_TARGET)}")


def bare(docker: Docker, made: str, bounds: tuple[str, ...], *command: str) -> float:
    """Seconds that a container takes from `docker run` to its end."""
    began = time.perf_counter()
    docker.output("run", "--rm", "--network", "none", *bounds, made, *command)
    return time.perf_counter() - began


def answered(docker: Docker, made: str, bounds: tuple[str, ...]) -> float:
    """Seconds from `docker run` to the first answer."""
    mounted = ("--volume", f"{lambda_emulator.find()}:/aws-lambda-rie:ro", "--entrypoint", "/aws-lambda-rie")
    command = ("python", "-m", "awslambdaric", "handler.handle")
    began = time.perf_counter()
    container = docker.output("run", "--detach", "--publish", "127.0.0.1::8080", *mounted, *bounds, made, *command)
    try:
        address = f"http://{docker.output('port', container, '8080')}{lambda_emulator.PATH}"
        answer = patiently(address)
        seconds = time.perf_counter() - began
        if "label" not in answer:
            sys.exit(f"the image answers {answer}")
        return seconds
    finally:
        docker.run("rm", "--force", container)


def patiently(address: str) -> dict[str, object]:
    """The answer, once there is somebody to give it."""
    while True:
        try:
            with urllib.request.urlopen(address, json.dumps({"sentence": "the cat ran"}).encode()) as response:
                found: dict[str, object] = json.loads(response.read())
                return found
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)


def met(found: float, most: float) -> str:
    """Whether the target is met."""
    return "met" if found <= most else "MISSED"


if __name__ == "__main__":
    main()
