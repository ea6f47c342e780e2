"""The bucket client against a fake S3 (moto's server): whole files, conditions, checksums, errors in our words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from quadra.core import s3
from quadra.core.errors import Conflict, NotFound, Unavailable
from quadra.core.s3 import Bucket
from tests.servers.base import free_port
from tests.servers.moto import MotoServer


@pytest.fixture
def bucket(fake_s3: MotoServer) -> Bucket:
    return Bucket(fake_s3.settings(), f"{fake_s3.bucket()}/some/prefix")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """S3 takes parts of 5 MB and more, but for the last one."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 * 2**20)
    return 5 * 2**20


def file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


def test_a_file_comes_back_as_it_went(bucket: Bucket, fake_s3: MotoServer, tmp_path: Path) -> None:
    put = bucket.put("a/b.parquet", file(tmp_path, b"content"))
    assert (put.bytes, put.sha256) == (7, hashlib.sha256(b"content").hexdigest())
    got = bucket.get("a/b.parquet", tmp_path / "deep" / "back")
    assert (tmp_path / "deep" / "back").read_bytes() == b"content"
    assert (got.bytes, got.sha256) == (put.bytes, put.sha256)
    bucket.put_bytes("a/small.json", b"{}")
    bucket.put_bytes("a/small.json", b"[]")
    assert bucket.get_bytes("a/small.json") == b"[]"
    assert [(found.name, found.bytes) for found in bucket.list("a/")] == [("a/b.parquet", 7), ("a/small.json", 2)]
    keys = fake_s3.client.list_objects_v2(Bucket=bucket.bucket)["Contents"]
    assert [found["Key"] for found in keys] == ["some/prefix/a/b.parquet", "some/prefix/a/small.json"]
    bucket.remove("a/b.parquet")
    bucket.remove("a/b.parquet")
    assert bucket.head("a/b.parquet") is None


def test_a_large_file_goes_up_in_parts(bucket: Bucket, small_parts: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (small_parts // 256) * 2 + b"tail"
    put = bucket.put("large", file(tmp_path, content))
    assert (put.bytes, put.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    bucket.get("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize("size", [10, 6 * 2**20])
def test_a_name_that_is_taken_is_refused_unless_it_is_the_same_file(
    bucket: Bucket, small_parts: int, tmp_path: Path, size: int
) -> None:
    bucket.put("one", file(tmp_path, b"a" * size))
    assert bucket.put("one", file(tmp_path, b"a" * size)).bytes == size  # as after a lost answer
    with pytest.raises(Conflict, match="is there already"):
        bucket.put("one", file(tmp_path, b"b" * size))
    bucket.put("one", file(tmp_path, b"c" * size), replace=True)
    assert bucket.get_bytes("one") == b"c" * size


def test_an_upload_that_breaks_off_leaves_no_file_and_no_parts(
    bucket: Bucket, fake_s3: MotoServer, small_parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "UploadPart")

    monkeypatch.setattr(bucket._client, "upload_part", fails)
    with pytest.raises(Unavailable, match="UploadPart"):
        bucket.put("large", file(tmp_path, b"a" * (small_parts + 1)))
    assert bucket.head("large") is None
    assert not fake_s3.client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads")


def test_a_file_that_was_changed_in_the_bucket_is_not_taken(
    bucket: Bucket, fake_s3: MotoServer, tmp_path: Path
) -> None:
    put = bucket.put("one", file(tmp_path, b"content"))
    fake_s3.client.put_object(Bucket=bucket.bucket, Key="some/prefix/one", Body=b"Content")
    with pytest.raises(Unavailable, match="is damaged") as raised:
        bucket.get("one", tmp_path / "back", sha256=put.sha256)
    assert raised.value.code == "object_damaged"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_wrong_is_said_in_our_words(bucket: Bucket, fake_s3: MotoServer, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no s3://.*/some/prefix/nowhere"):
        bucket.get("nowhere", tmp_path / "back")
    with pytest.raises(NotFound):
        bucket.get_bytes("nowhere")
    with pytest.raises(Unavailable, match="There is no bucket 'nobodys'"):
        Bucket(fake_s3.settings(), "nobodys").put("one", file(tmp_path, b"content"))
    away = fake_s3.settings().model_copy(update={"s3_endpoint": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Unavailable, match="does not answer"):
        Bucket(away, "any").get_bytes("one")
