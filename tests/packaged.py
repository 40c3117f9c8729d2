"""What the stage `image` leaves, for tests of the stages after it: nothing is built for it."""

from __future__ import annotations

from typing import Any

from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.records.packaged import (
    ExamplePrediction,
    HttpCheck,
    ImageProof,
    LockedCheck,
    PackagedImage,
    PackagedZip,
    SizeCheck,
    ZipProof,
)

SIGNATURE = BundleSignature(
    name="cola",
    task="classification",
    inputs=(SignatureInput(name="sentence", type="text"),),
    output=SignatureOutput(labels=("no", "yes")),
    graph=SignatureGraph(inputs=("input_ids", "attention_mask"), output="logits"),
)
EXAMPLES = (
    ExamplePrediction(
        row={"sentence": "home"},
        answer={"label": "yes", "score": 0.9, "probabilities": {"no": 0.1, "yes": 0.9}},
    ),
)
"""What the model predicted when it was packaged."""


def with_inputs(*inputs: SignatureInput) -> BundleSignature:
    """The signature with other inputs."""
    return SIGNATURE.model_copy(update={"inputs": inputs})


def packaged_image(**values: Any) -> PackagedImage:
    """An image; `values` are fields that matter to the test."""
    proof = ImageProof(
        manifest="single",
        architecture="amd64",
        size=SizeCheck(bytes=1, max_bytes=10**9),
        http=HttpCheck(rows=1, difference=0.0, seconds=0.1),
        locked=LockedCheck(rows=1, difference=0.0, seconds=0.1),
        examples=EXAMPLES,
    )
    image = {"image": "cola", "id": "sha256:" + "1" * 64, "platform": "linux/amd64", "size_bytes": 1}
    return PackagedImage.model_validate({**image, "max_size_bytes": 10**9, "proof": proof, **values})


def packaged_zip(**values: Any) -> PackagedZip:
    """A zip; `values` are fields that matter to the test."""
    return PackagedZip.model_validate(
        {
            "kind": "zip",
            "file": "artifacts/function.zip",
            "sha256": "1" * 64,
            "code_sha256": "",
            "runtime": "python3.12",
            "handler": "handler.handle",
            "architecture": "x86_64",
            "size_bytes": 1,
            "unpacked_bytes": 1,
            "max_size_bytes": 10**9,
            "direct": True,
            "proof": ZipProof(size=SizeCheck(bytes=1, max_bytes=10**9), examples=EXAMPLES, emulator=False),
            **values,
        }
    )
