"""Signs the manifest of a bundle (OpenSSF model signing), and verifies it before anything is made of the bundle."""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from mlspec.errors import StageError
from mlspec.job import Job, whole
from mlspec.records.bundle_provenance import bundle_digest, file_digest
from mlspec.records.packaged import find_packaged
from mlspec.sections.export import ExportSpec, Sign, SigningKey
from mlspec.sections.signature_files import SIGNATURE

_AGAIN = "mlspec apply --until export --force export"
_NEW_PAIR = (
    "openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem && openssl ec -in KEY.pem -pubout -out {public}"
)


def sign(job: Job, environ: Mapping[str, str] = os.environ) -> None:
    """Write the signature of `artifacts/bundle` where the spec has `export.sign`, and verify it.

    Raises StageError without a usable key, or with a public key that is not that of the private one.
    """
    options = _options(job)
    if options is None:
        return
    config = _library("signing").Config()
    with (
        whole(job.outputs / SIGNATURE) as partial,
        _private(options, job, environ) as key,
        _failures("sign the bundle"),
    ):
        if key is not None:
            config.use_elliptic_key_signer(private_key=key)
        else:
            config.use_sigstore_signer(use_ambient_credentials=True)
        config.sign(job.outputs / "bundle", partial)
    _verify(options, job, job.outputs)
    sys.stdout.write("the bundle is signed\n")


def verify(job: Job) -> None:
    """Raise StageError if the spec has `export.sign` and the bundle is not the one that was signed."""
    if (options := _options(job)) is not None:
        _verify(options, job, job.inputs)
        sys.stdout.write("the signature of the bundle is valid\n")


def verify_packaged(job: Job) -> None:
    """The same, also if what was packaged contains another bundle than the signed one."""
    if _options(job) is None:
        return
    verify(job)
    packaged = find_packaged(job.inputs)
    if packaged is not None and packaged.provenance.bundle != bundle_digest(job.inputs / "bundle"):
        raise StageError(
            "what was packaged contains another bundle than the signed one",
            help="mlspec apply --force package --force image",
            code="bundle-changed",
        )


def _options(job: Job) -> Sign | None:
    export = job.get(ExportSpec)
    return export.sign if export is not None else None


def _verify(options: Sign, job: Job, artifacts: Path) -> None:
    bundle, signature = artifacts / "bundle", artifacts / SIGNATURE
    if not signature.is_file():
        raise StageError(f"artifacts/{SIGNATURE} is missing: the bundle is not signed", help=_AGAIN)
    config = _library("verifying").Config()
    if options.key is not None:
        public = _public(options.key, job.root)
        with _failures(f"verify the bundle with {options.key.public}"):
            config.use_elliptic_key_verifier(public_key=public)
    elif options.keyless is not None:
        with _failures("verify the bundle with Sigstore"):
            config.use_sigstore_verifier(identity=options.keyless.identity, oidc_issuer=options.keyless.issuer)
    try:
        config.verify(bundle, signature)
    except Exception as error:  # noqa: BLE001 - the library raises what its parsers raise
        message = "; ".join(_reasons(error, bundle, signature, options))
        raise StageError(
            f"the bundle is not the one that was signed: {message}", help=_AGAIN, code="bundle-changed"
        ) from None


def _reasons(error: Exception, bundle: Path, signature: Path, options: Sign) -> list[str]:
    """Why the verification failed. The files in the signature are only compared if it is itself valid."""
    text = str(error)
    if text.startswith("Signature mismatch") and (changes := _changes(bundle, signature)):
        return changes
    if text.startswith("Key mismatch") and options.key is not None:
        return [f"artifacts/{SIGNATURE} was made with another key than {options.key.public}"]
    return [f"artifacts/{SIGNATURE} is not a valid signature: {_first_line(error)}"]


def _changes(bundle: Path, signature: Path) -> list[str]:
    """Differences between the files of the bundle and those in the signature, for a message."""
    signed = _signed_files(signature)
    if signed is None:
        return []
    now = {
        file.relative_to(bundle).as_posix(): file_digest(file) for file in sorted(bundle.rglob("*")) if file.is_file()
    }
    changed = [f"artifacts/bundle/{name} has changed" for name in signed if name in now and now[name] != signed[name]]
    missing = [f"artifacts/bundle/{name} is missing" for name in signed if name not in now]
    return [*changed, *missing, *(f"artifacts/bundle/{name} was added" for name in now if name not in signed)]


def _signed_files(signature: Path) -> dict[str, str] | None:
    """Digests by path as in the statement of a signature; None where it has another form."""
    try:
        statement = json.loads(base64.b64decode(json.loads(signature.read_bytes())["dsseEnvelope"]["payload"]))
        return {str(file["name"]): str(file["digest"]) for file in statement["predicate"]["resources"]}
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return None


@contextmanager
def _private(options: Sign, job: Job, environ: Mapping[str, str]) -> Iterator[Path | None]:
    """The file of the private key; None for keyless signing. A key in the variable itself is in a file for the time."""
    if options.key is None:
        yield None
        return
    name = options.key.private.env
    value = environ.get(name, "").strip()
    if not value:
        raise StageError(
            f"cannot sign the bundle: the environment variable {name} is not set",
            help=f"export {name}=FILE, the private key; a new pair: {_NEW_PAIR.format(public=options.key.public)}",
        )
    if value.startswith("-----BEGIN"):
        with _private_file(job.scratch / f"key-{os.getpid()}.pem", value) as file:
            yield file
        return
    path = Path(value).expanduser()
    if path.resolve().is_relative_to(job.root.resolve()):
        message = f"{name} names {value}, a private key inside the project, whose files are committed and shared"
        raise StageError(message, help=f"move it out of the project, then export {name}=FILE")
    if not path.is_file():
        raise StageError(f"{name} names no file: {value}", help=f"export {name}=FILE, the private key as PEM")
    yield path


@contextmanager
def _private_file(path: Path, text: str) -> Iterator[Path]:
    path.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
        yield path
    finally:
        path.unlink(missing_ok=True)


def _public(key: SigningKey, root: Path) -> Path:
    path = root / key.public
    if not path.is_file():
        raise StageError(f"the public key {key.public} is missing", help=_NEW_PAIR.format(public=key.public))
    return path


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Errors of keys, of the network and of the library as StageError."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises what its parsers and its HTTP client raise
        raise StageError(
            f"cannot {what}: {_first_line(error)}",
            help="use a key on the curve P-256, P-384 or P-521 as PEM without a password; keyless needs the network",
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _library(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"model_signing.{module}")
    except ImportError as error:
        raise StageError(f"signing needs the package {error.name}", help="pip install 'mlspec[sign]'") from None
