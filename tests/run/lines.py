"""Five whole lines: a text classifier, a regression that misses its gate, images, a failed line, a huge one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.packaged import HttpCheck, ImageProof, LockedCheck, SizeCheck
from mlspec.records.release import DeployedFunction, PushedImage, Release, RolloutEvent
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason
from tests.packaged import packaged_image
from tests.run.leavings import classified, exported, number_column, png, profile, text_column, training
from tests.run.line import STAGES, WORLD, Line, bare, ran


def text(root: Path, words: Sequence[str] = (), labels: Sequence[str] = ("unacceptable", "acceptable")) -> Line:
    """A text classifier whose gates pass. `words` are added to the sentences, for hostile ones."""
    line = replace(bare(root, description="Is this English sentence grammatical?"), outcomes=ran())
    sentences = [
        *words,
        "The more books I ask to whom he will give, the more he reads.",
        "They drank the pub dry.",
        "Herman hammered the metal for an hour.",
        "What did Betsy paint a picture of yesterday at the lake?",
        "Bill coughed his way out of the restaurant.",
        "The professor talked us.",
    ]
    line.json(
        "data/schema.json",
        {
            "inputs": {"sentence": {"type": "text"}},
            "target": {"column": "label", "type": "class", "labels": list(labels)},
        },
    )
    profile(line, {"sentence": text_column(line.draw)}, 6841, dict(zip(labels, (0.296, 0.704), strict=True)))
    training(line, ("mcc", "accuracy"), 6)
    classified(line, labels, (0.55, 0.93), (253, 602), {"origin": ["gj04", "cj99", "ks08", "bc01", "l-93", "m_02"]})
    line.json(
        "metrics/gates.json",
        {
            "passed": True,
            "gates": [
                {"metric": "mcc", "bound": ">= 0.2", "value": 0.5312, "passed": True},
                {"metric": "accuracy", "bound": ">= 0.75", "value": 0.8175, "passed": True},
            ],
        },
    )
    count = 855
    actual = [line.draw.randrange(2) for _ in range(count)]
    wrong = [line.draw.random() < 0.18 for _ in actual]
    line.parquet(
        "evaluate/predictions.parquet",
        {
            "sentence": [sentences[i % len(sentences)] for i in range(count)],
            "actual": [labels[a] for a in actual],
            "predicted": [labels[1 - a if w else a] for a, w in zip(actual, wrong, strict=True)],
            "confidence": [0.5 + line.draw.random() / 2 for _ in range(count)],
        },
    )
    exported(line, "mcc", 0.5312)
    line.json(
        "metrics/robustness.json",
        {
            "passed": True,
            "min_agreement": 0.9,
            "perturbations": {
                "typos": {"agreement": 0.921, "rows": 855},
                "case": {"agreement": 0.987, "rows": 855},
                "punctuation": {"agreement": 0.954, "rows": 855},
            },
        },
    )
    attacked(line)
    shipped(line)
    return line


def attacked(line: Line) -> None:
    """What the stage `textattack` leaves: one recipe that holds and one that does not, and two of its attacks."""
    figures = {"rows": 100, "attacked": 82, "accuracy": 0.82}
    line.json(
        "metrics/textattack.json",
        {
            "passed": False,
            "min_accuracy": 0.4,
            "recipes": {
                "deepwordbug": {
                    **figures,
                    "accuracy_under_attack": 0.21,
                    "success_rate": 61 / 82,
                    "words_changed": 0.18,
                    "queries": 31.4,
                },
                "pruthi": {
                    **figures,
                    "accuracy_under_attack": 0.55,
                    "success_rate": 27 / 82,
                    "words_changed": 0.11,
                    "queries": 148.2,
                },
            },
        },
    )
    one = {
        "recipe": "deepwordbug",
        "row": 3,
        "label": "acceptable",
        "predicted": "unacceptable",
        "words": 2,
        "queries": 30,
    }
    before, after = "The weather has been lovely all week.", "The waether has been lovelAy all week."
    attacks = [{**one, "before": {"sentence": before}, "after": {"sentence": after}}] * 12
    line.json(
        "textattack/attacks.json",
        {"textattack": "0.3.11", "stop_words": "scikit-learn 1.9.1, English", "attacks": attacks},
    )


def shipped(line: Line, why: str = "error_rate is 0.329 (49 of 149 calls), and `> 0.05` ends it") -> None:
    """An image, and a version of it that a canary took back."""
    proof = ImageProof(
        manifest="single",
        architecture="amd64",
        size=SizeCheck(bytes=359_000_000, max_bytes=500_000_000),
        http=HttpCheck(rows=3, difference=0.0, seconds=0.84),
        locked=LockedCheck(rows=3, difference=2e-6, seconds=0.6, memory_mb=512, peak=72_601_600, emulator=True),
    )
    packaged_image(
        id=f"sha256:{'2' * 64}",
        base="python:3.11-slim-bookworm@sha256:0",
        size_bytes=359_000_000,
        max_size_bytes=500_000_000,
        proof=proof,
    ).write(line.artifacts)
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    digest = f"sha256:{'3' * 64}"
    url = "https://x.lambda-url.eu-west-1.on.aws/"
    Release(
        release=BundleProvenance(commit="c" * 40),
        image=PushedImage(
            repository=f"{host}/cola",
            tag="cccccccccccc-1-2",
            digest=digest,
            uri=f"{host}/cola@{digest}",
            size_bytes=120_000_000,
        ),
        function=DeployedFunction(name="cola", version="7", alias="live", url=url),
        rollout=(
            RolloutEvent(kind="started", version="8", before="7", time=1763900000.0, why="canary"),
            RolloutEvent(kind="started", version="8", before="7", time=1763900004.0, percent=20.0),
            RolloutEvent(kind="returned", version="8", before="7", time=1763900300.0, percent=20.0, why=why),
        ),
    ).write(line.artifacts)


def regression(root: Path) -> Line:
    """House prices: a gate is missed, so the line stopped there."""
    outcomes = (
        *ran(STAGES[:3]),
        Outcome(
            "gate", "failed", Reason("failed", "mae is 31250, needed <= 25000"), "mlspec apply --until evaluate", 0.2
        ),
    )
    line = replace(bare(root, "prices", "Predict the price of a house"), outcomes=outcomes)
    line.json(
        "data/schema.json",
        {
            "inputs": {"rooms": {"type": "number"}, "city": {"type": "category"}},
            "target": {"column": "price", "type": "number"},
        },
    )
    columns = {
        "rooms": number_column(line.draw, 4, 1.5, 2),
        "area": number_column(line.draw, 96, 31, 412),
        "built": number_column(line.draw, 1971, 24, 0),
        "city": {
            "type": "category",
            "count": 3900,
            "missing": 118,
            "unique": 24,
            "top": [
                {"value": v, "count": n}
                for v, n in [("Bonn", 1420), ("Köln", 990), ("Aachen", 420), ("Münster", 310), ("Essen", 120)]
            ],
        },
        "price": number_column(line.draw, 268_000, 83_000, 0),
    }
    profile(line, columns, 3900, {})
    training(line, ("mae",), 12)
    line.json(
        "metrics/evaluate.json",
        {
            "task": "regression",
            "split": "test",
            "rows": 488,
            "metrics": {"mae": 31250.4, "rmse": 44120.9, "r2": 0.712},
            "per_class": {},
            "slices": {
                f"city={c}": {"rows": n, "metrics": {"mae": m, "rmse": m * 1.4, "r2": 0.8 - m / 3e5}}
                for c, n, m in [
                    ("Bonn", 180, 24100.0),
                    ("Köln", 121, 33900.5),
                    ("Aachen", 52, 41880.0),
                    ("Essen", 12, 61250.0),
                ]
            },
        },
    )
    line.json(
        "metrics/gates.json",
        {
            "passed": False,
            "gates": [
                {"metric": "mae", "bound": "<= 25000", "value": 31250.4, "passed": False},
                {"metric": "r2", "bound": ">= 0.7", "value": 0.712, "passed": True},
            ],
        },
    )
    actual = [line.draw.gauss(268_000, 83_000) for _ in range(488)]
    predicted = [a * 0.86 + 38_000 + line.draw.gauss(0, 36_000) for a in actual]
    line.parquet("evaluate/predictions.parquet", {"actual": actual, "predicted": predicted})
    line.csv("plots/fit.csv", ["actual", "predicted"], list(zip(actual, predicted, strict=True)))
    line.parquet(
        "data/test.parquet",
        {
            "rooms": [float(line.draw.randrange(1, 9)) for _ in actual],
            "city": [line.draw.choice(["Bonn", "Köln", None]) for _ in actual],
            "price": actual,
        },
    )
    return line


def images(root: Path) -> Line:
    """Handwritten digits, ten classes, with little pictures of the mistakes; docker is missing."""
    skipped = Outcome(
        "package",
        "skipped",
        Reason("lacks", "needs docker: the engine does not respond"),
        "sudo systemctl start docker",
    )
    line = replace(bare(root, "digits", "Which digit is this?", (*STAGES, WORLD[0])), outcomes=(*ran(), skipped))
    labels = [str(n) for n in range(10)]
    line.json(
        "data/schema.json",
        {
            "inputs": {"image": {"type": "image", "channels": 1, "height": 8, "width": 8}},
            "target": {"column": "label", "type": "class", "labels": labels},
        },
    )
    profile(
        line,
        {
            "image": {
                "type": "image",
                "count": 1437,
                "missing": 0,
                "channels": 1,
                "height": 8,
                "width": 8,
                "mean": [0.305],
                "std": [0.376],
            }
        },
        1437,
        {label: 0.1 + 0.002 * (i % 3 - 1) for i, label in enumerate(labels)},
    )
    training(line, ("accuracy",), 9)
    classified(line, labels, [0.97 - 0.02 * (i % 4) for i in range(10)], [18] * 10, {})
    line.json(
        "metrics/gates.json",
        {"passed": True, "gates": [{"metric": "accuracy", "bound": ">= 0.9", "value": 0.9444, "passed": True}]},
    )
    count = 180
    line.parquet(
        "evaluate/predictions.parquet",
        {
            "actual": [i % 10 for i in range(count)],
            "confidence": [0.4 + 0.003 * i for i in range(count)],
            "predicted": [(i + (i % 11 == 0)) % 10 for i in range(count)],
        },
    )
    line.parquet(
        "data/test.parquet", {"image": [png(line.draw) for _ in range(count)], "label": [i % 10 for i in range(count)]}
    )
    exported(line, "accuracy", 0.9444)
    return line


def failed(root: Path) -> Line:
    """Training died in its second epoch; what lies in artifacts/ beyond the data is nothing."""
    trouble = Outcome(
        "train",
        "failed",
        Reason("killed", "the process ended with exit code 1"),
        "mlspec apply",
        41.7,
        ".mlspec/logs/train.log",
    )
    line = replace(
        bare(root, description="Is this English sentence grammatical?"), outcomes=(*ran(STAGES[:1]), trouble)
    )
    profile(line, {"sentence": text_column(line.draw)}, 6841, {"no": 0.3, "yes": 0.7})
    log = line.root / ".mlspec/logs/train.log"
    log.parent.mkdir(parents=True)
    progress = "\r".join(f"epoch 0: {n}/214 \x1b[32mloss {0.7 - n / 900:.3f}\x1b[0m" for n in range(1, 215))
    lines = [f"line {n}: reading row group {n} of artifacts/data/train.parquet" for n in range(60)]
    log.write_text(
        "\n".join(
            [
                *lines,
                progress,
                "loss is nan in epoch 1, step 231",
                "error: training diverged",
                "  = help: lower train.learning_rate, or set train.gradient_clip",
            ]
        )
        + "\n"
    )
    return line


def huge(root: Path) -> Line:
    """60 classes, 40 columns, 60 slices and the whole line to the cloud."""
    line = replace(
        bare(root, "products", "Sort products into departments", (*STAGES, *WORLD)), outcomes=ran((*STAGES, *WORLD))
    )
    labels = [
        f"{kind} / {n:02d} {what}"
        for n, (kind, what) in enumerate(
            (k, w)
            for k in ("Home", "Garden", "Kitchen", "Toys", "Sports", "Books", "Music", "Office", "Clothes", "Food")
            for w in ("small", "large", "outdoor", "children", "used", "gift sets and assortments")
        )
    ]
    columns = {f"feature_{n:02d}": number_column(line.draw, n, 1 + n, n * 13) for n in range(30)} | {
        f"category_with_a_rather_long_name_{n}": {
            "type": "category",
            "count": 40_000,
            "missing": n * 40,
            "unique": 300,
            "top": [{"value": f"value {i}", "count": 9000 // (i + 1)} for i in range(10)],
        }
        for n in range(10)
    }
    line.json(
        "data/schema.json",
        {
            "inputs": {name: {"type": "number"} for name in columns},
            "target": {"column": "department", "type": "class", "labels": labels},
        },
    )
    raw = [1 / (i + 2) for i in range(60)]
    profile(line, columns, 40_000, {label: r / sum(raw) for label, r in zip(labels, raw, strict=True)})
    training(line, ("accuracy", "f1", "top5_accuracy"), 60)
    classified(
        line,
        labels,
        [0.9 - 0.008 * (i % 40) for i in range(60)],
        [20 + 300 // (i + 1) for i in range(60)],
        {"shop": [f"shop {n}" for n in range(60)]},
    )
    exported(line, "accuracy", 0.77)
    return line
