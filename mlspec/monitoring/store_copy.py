"""The store and the state of the detectors in S3, between the runs of a scheduled job: restored before, saved after.

Contents are objects named by their digest, and one object, the manifest, lists them by path. A save that is killed
leaves the earlier manifest. A save after another one that it has not seen keeps what that one has changed, and is
refused if both have changed one file: no run undoes another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.errors import ConflictError, StageError
from mlspec.job import whole, write_text

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MANIFEST: Final = "manifest.json"
_RESTORED: Final = "restored.json"
"""In the folder `state`: which manifest this folder was restored from."""
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_CONFLICT: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NO_BUCKET: Final = "NoSuchBucket"


class StoreManifest(BaseModel):
    """The files of a saved store: path to SHA-256. `before`: the digests of the manifest that it replaced."""

    model_config = ConfigDict(frozen=True)

    files: Mapping[str, str] = {}
    before: tuple[str, ...] = ()


class RestoredCopy(BaseModel):
    """The files that a folder was restored from or saved to, by their digests; none before."""

    model_config = ConfigDict(frozen=True)

    files: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class CopiedStore:
    """How many files a copy has, and how many of them were transferred."""

    files: int
    transferred: int


@dataclass(frozen=True)
class StoreCopy:
    """A copy of the store in `folder` below `s3://bucket/prefix`."""

    folder: Path
    bucket: str
    prefix: str
    client: Any
    """boto3's S3 client."""

    def restore(self) -> CopiedStore:
        """Make the files of the copy those of the folder. What only this folder has is kept, unless the copy had it
        before."""
        with _s3_errors(self):
            manifest, _ = self._manifest()
            count = 0
            for name, digest in manifest.files.items():
                path = self._path(name)
                if not (path.is_file() and _digest(path) == digest):
                    self._download(digest, path)
                    count += 1
        for name in self._restored().keys() - manifest.files.keys():
            self._path(name).unlink(missing_ok=True)
        self._note(manifest.files)
        return CopiedStore(len(manifest.files), count)

    def save(self) -> CopiedStore:
        """Make the changes of this folder since it was restored changes of the copy.

        Raises ConflictError if another run has changed one of the same files since.
        """
        own = {path.relative_to(self.folder).as_posix(): _digest(path) for path in self._files()}
        with _s3_errors(self):
            earlier, etag = self._manifest()
            files = self._merged(own, earlier.files)
            stored = {*earlier.files.values(), *earlier.before}
            new = {digest: name for name, digest in files.items() if digest not in stored}
            for digest, name in new.items():
                self._upload(digest, self.folder / name)
            known = tuple(sorted({*earlier.files.values()} - {*files.values()}))
            self._write(StoreManifest(files=files, before=known), etag)
            for digest in stored - {*files.values()} - {*known}:
                self.client.delete_object(Bucket=self.bucket, Key=self._key(digest))
        self._note(own)
        return CopiedStore(len(files), len(new))

    def _merged(self, own: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
        """The files after the changes of this run and of others since this folder was restored."""
        base = self._restored()
        merged = {}
        for name in sorted({*own, *others}):
            mine, other = own.get(name), others.get(name)
            if mine != other and base.get(name) not in (mine, other):
                raise _conflict(self, name)
            kept = other if mine == base.get(name) else mine
            if kept is not None:
                merged[name] = kept
        return merged

    def _files(self) -> list[Path]:
        """All files but locks and what is being written."""
        kept = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
        return [path for path in kept if path.name != _RESTORED and not path.name.startswith(".")]

    def _path(self, name: str) -> Path:
        """Where a file of the manifest belongs; the manifest is input, so a path out of the folder is refused."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise StageError(f"the manifest in s3://{self.bucket}/{self.prefix} has the path {name!r}", help=_RESET)
        return self.folder / pure

    def _key(self, digest: str) -> str:
        return f"{self.prefix}/objects/{digest}"

    def _manifest(self) -> tuple[StoreManifest, str]:
        """The manifest with its ETag; empty before the first save."""
        from botocore.exceptions import ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{_MANIFEST}")
        except ClientError as error:
            if _code(error) in _MISSING:
                return StoreManifest(), ""
            raise
        try:
            return StoreManifest.model_validate_json(answer["Body"].read()), str(answer["ETag"])
        except ValidationError as error:
            raise StageError(
                f"the manifest in s3://{self.bucket}/{self.prefix} is damaged: {error}", help=_RESET
            ) from None

    def _write(self, manifest: StoreManifest, etag: str) -> None:
        from botocore.exceptions import ClientError

        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = manifest.model_dump_json(indent=1).encode()
        try:
            self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{_MANIFEST}", Body=body, **condition)
        except ClientError as error:
            if _code(error) in _CONFLICT:
                raise _conflict(self, _MANIFEST) from None
            raise

    def _download(self, digest: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial, partial.open("wb") as file:
            self.client.download_fileobj(self.bucket, self._key(digest), file)

    def _upload(self, digest: str, path: Path) -> None:
        with path.open("rb") as file:
            self.client.upload_fileobj(file, self.bucket, self._key(digest))

    def _note(self, files: Mapping[str, str]) -> None:
        file = self.folder / "state" / _RESTORED
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, RestoredCopy(files=files).model_dump_json() + "\n")

    def _restored(self) -> Mapping[str, str]:
        try:
            return RestoredCopy.model_validate_json((self.folder / "state" / _RESTORED).read_bytes()).files
        except (OSError, ValidationError):
            return {}


_RESET: Final = "remove that object to begin with an empty store"


def _conflict(copy: StoreCopy, name: str) -> ConflictError:
    message = f"another run has changed {name} in s3://{copy.bucket}/{copy.prefix} since this folder was restored"
    return ConflictError(message, paths=(), help="mlspec monitor restore, then run it again")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _s3_errors(copy: StoreCopy) -> Iterator[None]:
    """What boto3 raises as StageErrors with the address."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    where = f"s3://{copy.bucket}/{copy.prefix}"
    try:
        yield
    except ClientError as error:
        help = (
            "create the bucket"
            if _code(error) == _NO_BUCKET
            else "the role needs the rights in lambda/monitor-policy.json"
        )
        raise StageError(f"{where} cannot be used: {error}", help=help) from None
    except (BotoCoreError, S3UploadFailedError) as error:
        raise StageError(f"{where} cannot be reached: {error}", help="check the credentials and the network") from None


def bucket_of(remote: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://BUCKET/PREFIX`."""
    bucket, _, prefix = remote.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")
