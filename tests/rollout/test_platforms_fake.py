"""Compose, Kubernetes and Cloud Run as the adapters drive them. Their commands are fakes that write down how they were called and
say what the real ones say.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.commands import quadra_command

SAYS = {
    "docker": {"ps": "quadra:old\n"},
    "kubectl": {
        "jsonpath": "registry.example.com/quadra:old",
        "json": json.dumps({"spec": {"template": {"spec": {"containers": [{"image": "old"}]}}}}),
    },
    "gcloud": {
        "describe": json.dumps(
            {
                "status": {
                    "traffic": [
                        {"revisionName": "quadra-web-00007", "percent": 100},
                        {"revisionName": "quadra-web-00008", "tag": "candidate", "url": "URL"},
                    ]
                }
            }
        )
    },
}
PROGRAMS = {"compose": "docker", "kubernetes": "kubectl", "cloud-run": "gcloud"}


class Site(BaseHTTPRequestHandler):
    """Where users ask. `well` is turned off by a test."""

    well = True

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200 if self.well or self.path == "/health/ready" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at the journal."""


@pytest.fixture
def site() -> Iterator[str]:
    Site.well = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class FakeProgram:
    def __init__(self, directory: Path, name: str, url: str, fails_at: str = ""):
        self.calls_file = directory / "calls"
        self.calls_file.touch()
        self.bin = directory / "bin"
        self.bin.mkdir()
        cases = "".join(
            f"case \"$*\" in *{word}*) cat <<'END'\n{text.replace('URL', url)}\nEND\n;; esac\n"
            for word, text in SAYS[name].items()
        )
        fails = f'case "$*" in *"{fails_at}"*) echo "it does not" >&2; exit 1;; esac\n' if fails_at else ""
        program = self.bin / name
        log = f'echo "${{QUADRA_TAG:+QUADRA_TAG=$QUADRA_TAG }}$*" >> {self.calls_file}\n'
        program.write_text(f"#!/bin/sh\n{log}{fails}{cases}exit 0\n")
        program.chmod(0o700)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines()


def deploy(platform: str, fake: FakeProgram, site: str, directory: Path, *more: str) -> tuple[int, Any, str]:
    env = {
        **os.environ,
        "PATH": f"{fake.bin}:{os.environ['PATH']}",
        "QUADRA_DATA_DIR": str(directory / "data"),
        "QUADRA_SUPERVISOR_GATE_REQUESTS": "10",
    }
    words = ("rollout", "deploy", "new", "--on", platform, "--url", site, "--json", *more)
    done = quadra_command(*words, env=env)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


EXPECTED = {
    "compose": [
        "compose -f docker-compose.yml ps --format {{.Image}} web-a",
        "QUADRA_TAG=new compose -f docker-compose.yml run --rm -T init",
        "QUADRA_TAG=new compose -f docker-compose.yml up -d --no-deps --no-build --wait --wait-timeout 600 web-a",
        "QUADRA_TAG=new compose -f docker-compose.yml up -d --no-deps --no-build --wait --wait-timeout 600 web-b",
        "QUADRA_TAG=new compose -f docker-compose.yml up -d --no-deps --no-build worker",
    ],
    "kubernetes": [
        "-n quadra get deployment/quadra-web -o jsonpath={.spec.template.spec.containers[0].image}",
        "-n quadra get job/quadra-init -o json",
        "-n quadra delete job/quadra-init-new --ignore-not-found",
        "-n quadra apply -f -",
        "-n quadra wait --for=condition=complete job/quadra-init-new --timeout=600s",
        "-n quadra set image deployment/quadra-web web=registry.example.com/quadra:new",
        "-n quadra set image deployment/quadra-worker worker=registry.example.com/quadra:new",
        "-n quadra rollout status deployment/quadra-web --timeout=600s",
        "-n quadra rollout status deployment/quadra-worker --timeout=600s",
    ],
    "cloud-run": [
        "run services describe quadra-web --format json --region europe-west1 --quiet",
        "run jobs update quadra-init --image r/quadra:new --region europe-west1 --quiet",
        "run jobs execute quadra-init --wait --region europe-west1 --quiet",
        "run deploy quadra-web --image r/quadra:new --no-traffic --tag candidate --region europe-west1 --quiet",
        "run services describe quadra-web --format json --region europe-west1 --quiet",
        "run services update-traffic quadra-web --to-tags candidate=100 --region europe-west1 --quiet",
        "run deploy quadra-worker --image r/quadra:new --region europe-west1 --quiet",
    ],
}
OPTIONS = {"cloud-run": ("--with", "image=r/quadra")}
BACK = {
    "compose": "QUADRA_TAG=old compose -f docker-compose.yml up -d --no-deps --no-build worker",
    "kubernetes": "-n quadra rollout status deployment/quadra-worker --timeout=600s",
    "cloud-run": None,
}


@pytest.mark.parametrize("platform", PROGRAMS)
def test_a_good_release_is_put_there_by_the_commands_of_a_fake(platform: str, site: str, tmp_path: Path) -> None:
    fake = FakeProgram(tmp_path, PROGRAMS[platform], site)
    code, said, errors = deploy(platform, fake, site, tmp_path, *OPTIONS.get(platform, ()))
    assert (code, said and said["status"]) == (0, "completed"), (said, errors)
    assert fake.calls == EXPECTED[platform]
    assert said["figures"]["requests"] == 10


@pytest.mark.parametrize("platform", PROGRAMS)
def test_a_bad_release_is_taken_back_where_users_reached_it_on_a_fake(platform: str, site: str, tmp_path: Path) -> None:
    Site.well = False
    fake = FakeProgram(tmp_path, PROGRAMS[platform], site)
    code, said, _ = deploy(platform, fake, site, tmp_path, *OPTIONS.get(platform, ()))
    beside = platform == "cloud-run"
    assert (code, said["status"], said["failure_kind"]) == (1, "failed" if beside else "rolled_back", "health")
    assert "requests failed" in said["reason"]
    assert not any("update-traffic" in call for call in fake.calls)
    if not beside:
        assert fake.calls[-1] == BACK[platform]
        assert sum("old" in call for call in fake.calls) >= 2


def test_a_migration_that_fails_puts_nothing_there_on_a_fake(site: str, tmp_path: Path) -> None:
    fake = FakeProgram(tmp_path, "docker", site, fails_at="init")
    code, said, _ = deploy("compose", fake, site, tmp_path)
    assert (code, said["status"], said["failure_kind"]) == (1, "failed", "deployment")
    assert "it does not" in said["reason"]
    assert not any(" up " in call for call in fake.calls)


def test_what_is_wrong_is_named_before_anything_is_called_on_a_fake(site: str, tmp_path: Path) -> None:
    fake = FakeProgram(tmp_path, "docker", site)
    code, _, errors = deploy("compose", fake, site, tmp_path, "--with", "namspace=x")
    assert (code, fake.calls) == (2, [])
    assert "namspace" in errors
    code, _, errors = deploy("compose", fake, "example.com", tmp_path)
    assert (code, fake.calls) == (2, [])
    assert "--url" in errors
