"""Files in an S3-compatible bucket: whole, and compared on both ways.

Only who is told by the settings to use a bucket imports this file (`importlib` in a door): botocore costs a process some
30 MB. All of it blocks. What may pass raises `Unavailable`: an endpoint that is away, a bucket or right that is missing, a
transfer that arrived broken.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from quadra.core.durable import sync
from quadra.core.errors import Conflict, NotFound, Unavailable
from quadra.core.settings import Settings

PART_BYTES = 16 * 2**20
"""What is larger goes up in parts; so much of a file is in memory at a time. At most 10,000 parts: 156 GB."""
CHUNK_BYTES = 2**20
AGAIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the bucket."""

    name: str
    bytes: int
    modified_at: datetime
    sha256: str | None = None
    """As it was when it was put; None in a list, and for what others put there."""


class Bucket:
    """The files below `place`, which is `bucket` or `bucket/prefix`. Names are relative to it. Safe from any thread."""

    def __init__(self, settings: Settings, place: str):
        self.bucket, _, prefix = place.strip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._encryption = {"ServerSideEncryption": settings.s3_encryption} if settings.s3_encryption else {}
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint or None,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key
            or None,  # none: as boto3 finds them, such as from the machine's role
            aws_secret_access_key=settings.s3_secret_key or None,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 4},
                s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
                request_checksum_calculation="when_required",  # ours are SHA-256; other stores stumble over the default
                response_checksum_validation="when_required",
            ),
        )

    def put(self, name: str, path: Path, *, replace: bool = False) -> Stored:
        """Store a file under a name. The store compares it with its SHA-256.

        Raises `Conflict` when another file has that name, unless it may `replace` it; `Unavailable`.
        """
        with path.open("rb") as file:
            size, digest = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            only = {} if replace else {"IfNoneMatch": "*"}
            send = self._put_whole if size <= PART_BYTES else self._put_parts
            try:
                with self._translated(name):
                    send(name, file, digest, only)
            except Conflict:
                found = self.head(name)
                if found is None or found.sha256 != digest:
                    raise
                return found  # an answer of the store was lost on its way, and the request repeated
        return self.head(name) or self._gone(name)

    def get(self, name: str, path: Path, *, sha256: str | None = None) -> Stored:
        """Fetch a file to `path`, which appears only when it is whole, durable and has that SHA-256 (left out: the one
        noted when it was put).

        Raises `NotFound`, `Unavailable`.
        """
        partial = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        hashed = hashlib.sha256()
        try:
            with self._translated(name), partial.open("wb") as file:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._prefix + name)
                for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                    hashed.update(chunk)
                    file.write(chunk)
                sync(file)
            wanted = sha256 or answer["Metadata"].get("sha256")
            if wanted is not None and hashed.hexdigest() != wanted:
                raise Unavailable(
                    f"{self._url(name)} is damaged: its sha256 is {hashed.hexdigest()}, should be {wanted}.",
                    code="object_damaged",
                    retry_after_seconds=AGAIN_SECONDS,
                )
            partial.rename(path)
        except OSError as error:
            raise Unavailable(
                f"{path} cannot be written: {error.strerror}.", retry_after_seconds=AGAIN_SECONDS
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return Stored(name, answer["ContentLength"], answer["LastModified"], hashed.hexdigest())

    def put_bytes(self, name: str, content: bytes) -> None:
        """Store something small, in place of what had the name before. Raises `Unavailable`."""
        with self._translated(name):
            self._send(name, content, hashlib.sha256(content).hexdigest(), {})

    def get_bytes(self, name: str) -> bytes:
        """Something small. Raises `NotFound`, `Unavailable`."""
        with self._translated(name):
            found: bytes = self._client.get_object(Bucket=self.bucket, Key=self._prefix + name)["Body"].read()
        return found

    def head(self, name: str) -> Stored | None:
        """What is known of a file; None where there is none. Raises `Unavailable`."""
        try:
            with self._translated(name):
                found = self._client.head_object(Bucket=self.bucket, Key=self._prefix + name)
        except NotFound:
            return None
        return Stored(name, found["ContentLength"], found["LastModified"], found["Metadata"].get("sha256"))

    def digest(self, name: str) -> tuple[int, str]:
        """Bytes and sha256 of what the store has, read now. Raises `NotFound`, `Unavailable`."""
        size, hashed = 0, hashlib.sha256()
        with self._translated(name):
            answer = self._client.get_object(Bucket=self.bucket, Key=self._prefix + name)
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                size += len(chunk)
                hashed.update(chunk)
        return size, hashed.hexdigest()

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """The files whose names begin so, by name. Raises `Unavailable`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._prefix + prefix)
        with self._translated(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    yield Stored(found["Key"].removeprefix(self._prefix), found["Size"], found["LastModified"])

    def remove(self, name: str) -> None:
        """Nothing happens when it is gone already. Raises `Unavailable`."""
        with self._translated(name):
            self._client.delete_object(Bucket=self.bucket, Key=self._prefix + name)

    def _put_whole(self, name: str, file: Any, digest: str, only: dict[str, str]) -> None:
        self._send(name, file.read(), digest, only)

    def _send(self, name: str, content: bytes, digest: str, only: dict[str, str]) -> None:
        self._client.put_object(
            Bucket=self.bucket,
            Key=self._prefix + name,
            Body=content,
            ChecksumSHA256=base64.b64encode(bytes.fromhex(digest)).decode(),
            Metadata={"sha256": digest},
            **self._encryption,
            **only,
        )

    def _put_parts(self, name: str, file: Any, digest: str, only: dict[str, str]) -> None:
        """Each part is compared by the store; the name appears with the last request, or not at all."""
        here = {"Bucket": self.bucket, "Key": self._prefix + name}
        begun = self._client.create_multipart_upload(
            **here, ChecksumAlgorithm="SHA256", Metadata={"sha256": digest}, **self._encryption
        )
        here["UploadId"] = begun["UploadId"]
        try:
            parts = []
            for number, part in enumerate(iter(lambda: file.read(PART_BYTES), b""), start=1):
                checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
                sent = self._client.upload_part(**here, PartNumber=number, Body=part, ChecksumSHA256=checksum)
                parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum})
            self._client.complete_multipart_upload(**here, MultipartUpload={"Parts": parts}, **only)
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # parts that stay are the bucket's life-cycle rule's to remove
                self._client.abort_multipart_upload(**here)
            raise

    def _url(self, name: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{name}"

    def _gone(self, name: str) -> Stored:
        raise Unavailable(f"{self._url(name)} was stored and is not there.", retry_after_seconds=AGAIN_SECONDS)

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._error(name, error) from error
        except NoCredentialsError as error:
            message = "There is no key for the S3 store; set QUADRA_S3_ACCESS_KEY and QUADRA_S3_SECRET_KEY."
            raise Unavailable(message, retry_after_seconds=AGAIN_SECONDS) from error
        except BotoCoreError as error:
            message = f"The S3 store does not answer ({self._url(name)}): {error}"
            raise Unavailable(message, retry_after_seconds=AGAIN_SECONDS) from error

    def _error(self, name: str, error: ClientError) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return Unavailable(
                f"There is no bucket {self.bucket!r} in the S3 store.", retry_after_seconds=AGAIN_SECONDS
            )
        if status == 404:
            return NotFound(f"There is no {self._url(name)}.")
        if status == 412 or code == "ConditionalRequestConflict":
            return Conflict(f"{self._url(name)} is there already.")
        return Unavailable(
            f"The S3 store refused {error.operation_name} of {self._url(name)}: {status} {code}.",
            retry_after_seconds=AGAIN_SECONDS,
        )
