"""Options of the `export` section."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ProjectPath, SecretRef, Size, one_line


class Onnx(SpecModel):
    """The ONNX graph, and the checks it must pass."""

    opset: int = Field(18, ge=1, description="ONNX opset version")
    tolerance: float = Field(
        1e-4,
        gt=0,
        le=1,
        description="Largest difference from PyTorch's outputs; relative to the largest output if that is above 1",
    )
    batch_sizes: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [1, 2, 7, 32], min_length=1, description="Batch sizes at which the graph is compared with PyTorch"
    )
    quantize: Literal["none", "int8"] = Field("none", description="Weight quantization")
    max_metric_drop: float | None = Field(
        None, ge=0, description="Largest loss of the metric through `quantize: int8`; default: 0.01"
    )
    max_size: Size | None = Field(None, description="Largest size of model.onnx")


class SigningKey(SpecModel):
    """A pair of keys on an elliptic curve (NIST P-256, P-384 or P-521)."""

    private: SecretRef = Field(
        description="Environment variable with the private key as PEM, or with the path of its file outside of the "
        "project",
        examples=[{"env": "MODEL_SIGNING_KEY"}],
    )
    public: ProjectPath = Field(
        description="File of the public key as PEM, in the project: with it every later stage verifies the bundle",
        examples=["keys/model.pem"],
    )


class Keyless(SpecModel):
    """Signing with Sigstore, as the identity that runs the export; needs the network."""

    identity: Annotated[str, AfterValidator(one_line), Field(min_length=1, max_length=1000)] = Field(
        description="Identity that must have signed: a workflow of GitHub Actions, or an e-mail address",
        examples=["https://github.com/OWNER/NAME/.github/workflows/mlspec-train.yaml@refs/heads/main"],
    )
    issuer: Annotated[str, AfterValidator(one_line), Field(pattern=r"^https://", max_length=1000)] = Field(
        description="Issuer that must have confirmed the identity",
        examples=["https://token.actions.githubusercontent.com"],
    )


class Sign(SpecModel):
    """The signature of the bundle, in the format of OpenSSF model signing. One of the two keys."""

    key: SigningKey | None = Field(None, description="Sign with a key of your own")
    keyless: Keyless | None = Field(None, description="Sign with Sigstore, without a key")


class ExportSpec(SpecModel):
    """Export to a bundle: an ONNX graph with its preprocessing, signature and lineage."""

    onnx: Onnx = Field(Onnx(), description="The ONNX graph, and the checks it must pass")
    sign: Sign | None = Field(
        None, description="Sign the bundle; `package`, `image` and `deploy` then refuse one that has changed since"
    )
