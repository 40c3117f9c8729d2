"""The loop on one machine, with nothing stubbed: serve, a shift, labels, an alarm, a better model, no alarm."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

from mlspec.monitoring.store_folders import StoreFolders
from mlspec.sections.monitor_log import Log
from tests.runtime.callers import ask, until
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

pytestmark = pytest.mark.slow

SHIFT = 20.0
"""A new gauge measures every bill this much too long, so that the model takes one species for another."""
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
MONITOR = """
monitor:
  drift: {traffic: 1000 per 1d}
  on_drift: retrain
  retrain: {min_rows: 150, cooldown: 1d}
"""
EDITS = (
    (r"(?ms)^experiments:.*?^evaluate:", "evaluate:"),
    (r"(?ms)^test:.*", MONITOR),
    ("  track: git", "  track: git\n  collected: data/collected"),
    ("max_epochs: 40", "max_epochs: 20"),
    ('accuracy: ">= 0.9", mcc: ">= 0.85"', 'accuracy: ">= 0.7"'),
)
"""From the starter to a project that trains in seconds."""


@dataclass
class Shop:
    """The project in `root`, its commands and its server."""

    root: Path
    environment: dict[str, str]
    sent: int = 0
    request_time: datetime = field(default_factory=lambda: datetime.now().astimezone())
    """The time before the last request."""

    @property
    def store(self) -> StoreFolders:
        return StoreFolders(self.root / Log().folder)

    def mlspec(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            ["mlspec", *words], cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def done(self, *words: str) -> str:
        code, text = self.mlspec(*words)
        assert code == 0, text
        return text

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The port of `mlspec serve`. It is ended as by Ctrl-C, so that its log is complete."""
        command = [sys.executable, "-m", "mlspec", "serve", "--port", "0"]
        server = subprocess.Popen(command, cwd=self.root, env=self.environment, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        try:
            first = next(line for line in server.stderr if "answers at" in line)
            yield int(re.findall(r":(\d+) ", first)[0])
        finally:
            server.terminate()
            server.communicate()

    def predict(self, port: int, rows: Sequence[dict[str, object]], labelled: int) -> None:
        """One request with these rows; the true labels of the first ones arrive later, in a file."""
        self.sent += 1
        self.request_time = datetime.now().astimezone()
        request = f"request-{self.sent}"
        inputs = [{name: value for name, value in row.items() if name != "species"} for row in rows]
        assert ask(port, json.dumps(inputs).encode(), **{"X-Request-Id": request})[0] == 200
        until(lambda: self.logged(request))
        with (self.root / f"labels-{self.sent}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("request_id", "row", "label"))
            writer.writerows((request, number, row["species"]) for number, row in enumerate(rows[:labelled]))

    def logged(self, request: str) -> bool:
        """Whether the server has written the request to its log."""
        files = (self.root / Log().folder).rglob("*.jsonl*")
        return any(request.encode() in file.read_bytes() for file in files if file.is_file())

    def labels(self) -> str:
        """The labels of the last request are added; for a request with none there is nothing to add."""
        return self.done("labels", "add", f"labels-{self.sent}.csv")

    def settled(self) -> tuple[int, str]:
        """`mlspec monitor` once the detectors have taken the rows of the last request."""
        result = (0, "")

        def taken() -> bool:
            nonlocal result
            result = self.mlspec("monitor")
            return datetime.fromisoformat(self.state("drift")["until"]) > self.request_time

        until(taken)
        return result

    def state(self, name: str) -> dict[str, str]:
        return dict(json.loads((self.store.state / f"{name}.json").read_text(encoding="utf-8")))

    def verdicts(self) -> list[str]:
        history = json.loads((self.store.state / "retraining.json").read_text(encoding="utf-8"))
        return [each["verdict"] for each in history["retrainings"]]

    def spec(self, old: str, new: str) -> None:
        file = self.root / "mlproject.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


def penguins(root: Path) -> list[dict[str, object]]:
    """The rows of the starter, shuffled by their order in the file: every species in each stretch."""
    with (root / "data" / "penguins.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["sex"] != "NA"]
    rows = [row for start in range(7) for row in islice(rows, start, None, 7)]
    texts = ("island", "sex", "species")
    return [{name: float(row[name]) for name in NUMBERS} | {name: row[name] for name in texts} for row in rows]


def shifted(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [row | {"bill_length_mm": float(str(row["bill_length_mm"])) + SHIFT} for row in rows]


@pytest.fixture(scope="module")
def applied(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after its first apply."""

    def apply(root: Path) -> None:
        shop = Shop(root, warm.variables(os.environ))
        shop.done("init", ".", "--template", "tabular", "--name", "penguins")
        file = root / "mlproject.yaml"
        text = file.read_text(encoding="utf-8")
        for old, new in EDITS:
            text, count = re.subn(old, new, text)
            assert count == 1, old
        file.write_text(text, encoding="utf-8")
        shop.done("apply", "--yes")

    return once(shared_folder(tmp_path_factory, "loop"), apply)


@pytest.fixture
def shop(applied: Path, warm: WarmPython, tmp_path: Path) -> Shop:
    """A copy, served with a shift that the labels show."""
    copy = Shop(shutil.copytree(applied, tmp_path / "shop", symlinks=True), warm.variables(os.environ))
    rows = penguins(copy.root)
    with copy.serving() as port:
        copy.predict(port, rows[:60], labelled=60)
        assert copy.labels().startswith("added 60 of 60 labels")
        assert copy.mlspec("monitor", "--no-notify")[0] == 0
        copy.predict(port, shifted(rows), labelled=len(rows))
    copy.labels()
    return copy


def test_the_loop_closes(shop: Shop) -> None:
    code, text = shop.mlspec("monitor")
    assert code == 4, text
    assert "alarm[harmful]: Accuracy is worse than on the test split" in text
    earlier = re.findall(r"test split \(version ([0-9a-f]{12})\)", text)[0]

    with shop.store.retraining() as alone:
        assert alone
        busy, message = shop.mlspec("monitor", "retrain")
    assert (busy, "another `mlspec monitor retrain` runs" in message) == (3, True)

    trained = shop.done("monitor", "retrain")
    assert "released the new model" in trained, trained
    assert shop.verdicts() == ["released"]
    assert shop.mlspec("monitor")[0] == 4, "the earlier version still answers"

    with shop.serving() as port:
        shop.predict(port, shifted(penguins(shop.root)), labelled=100)
    shop.labels()
    code, text = shop.settled()
    assert code == 0, text
    assert re.search(r"Has it moved\? +no\b", text), "live data is compared with the rows on which the model won"
    assert earlier not in text.partition("Is it still right?")[2].partition("\n")[0]
    assert json.loads(shop.done("monitor", "--json"))["alarms"] == []

    with shop.serving() as port:  # the next shift comes within the cool-down
        rows = [
            row | {"flipper_length_mm": float(str(row["flipper_length_mm"])) / 10, "body_mass_g": 1.0}
            for row in shifted(penguins(shop.root))
        ]
        shop.predict(port, rows, labelled=len(rows))
    shop.labels()
    code, text = shop.settled()
    assert code == 4, text
    assert "no training: the last training was at" in shop.done("monitor", "retrain")
    assert shop.verdicts() == ["released"]

    shop.spec("cooldown: 1d", "cooldown: 1d, approve: true")  # a person trains anyway, and decides about the release
    served = (shop.root / "artifacts" / "bundle" / "model.onnx").read_bytes()
    assert "the new model waits for approval" in shop.done("monitor", "retrain", "--now")
    assert (shop.root / "artifacts" / "bundle" / "model.onnx").read_bytes() == served
    assert "waits for approval" in shop.done("monitor", "retrain")
    shop.spec("batch_size: 16", "batch_size: 32")
    for step in ((), ("--build",)):
        code, text = shop.mlspec("monitor", "approve", *step)
        assert (code, "train.batch_size changed 16 → 32; what would be released is not" in text) == (4, True), text
    shop.spec("batch_size: 32", "batch_size: 16")
    recorded = Shop(shutil.copytree(shop.root, shop.root.with_name("recorded"), symlinks=True), shop.environment)
    code, text = recorded.mlspec("monitor", "approve", "--released")
    assert (code, "does not hold the rows of the model that waits for approval" in text) == (4, True), text

    shop.done("monitor", "approve", "--build")
    assert shop.verdicts() == ["released", "waiting"]
    assert (shop.root / "artifacts" / "bundle" / "model.onnx").read_bytes() != served
    for name in ("dvc.lock", "data/collected", ".dvc/cache"):  # what two jobs of a workflow exchange
        bring(shop.root / name, recorded.root / name)
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", "--force"], cwd=recorded.root, check=True)
    assert "released the new model" in recorded.done("monitor", "approve", "--released")
    assert recorded.verdicts() == ["released", "approved"]

    assert "released the new model" in shop.done("monitor", "approve")
    assert shop.verdicts() == ["released", "approved"]


def bring(source: Path, target: Path) -> None:
    """Copy a file, or what is new in a folder."""
    if source.is_dir():
        copy = lambda one, other: None if Path(other).exists() else shutil.copyfile(one, other)  # noqa: E731 - short
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=copy)
    else:
        shutil.copyfile(source, target)
