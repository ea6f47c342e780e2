"""A fake S3: moto's server, which speaks the protocol and keeps everything in memory. Not Amazon's, not MinIO's."""

from __future__ import annotations

import sys
import urllib.request
from typing import Any

import boto3

from quadra.core.settings import Settings, load
from tests.servers.base import Server

ACCESS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


class MotoServer(Server):
    name = "moto (a fake S3)"
    as_nobody = False  # it reads the environment of these tests, which may lie under root's home

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Any:
        return boto3.session.Session().client("s3", endpoint_url=self.endpoint, **ACCESS)

    @property
    def environment(self) -> dict[str, str]:
        """What Quadra is told to find it."""
        return {
            "QUADRA_S3_ENDPOINT": self.endpoint,
            "QUADRA_S3_ACCESS_KEY": "test",
            "QUADRA_S3_SECRET_KEY": "test",
        }

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        self.ensure_running()
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def settings(self, **more: Any) -> Settings:
        return load(s3_endpoint=self.endpoint, s3_access_key="test", s3_secret_key="test", **more)

    def _create(self) -> None:
        pass

    def _command(self) -> list[str]:
        return [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def _probe(self) -> None:
        with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=3) as answer:
            answer.read()
