"""The image is built by its Dockerfile and runs. No registry is asked: where Debian's base image is not here, debootstrap
makes a stand-in of the same packages.

Takes minutes of CPU, hence only where QUADRA_TEST_IMAGE=1 asks for it, as root on Debian with podman, buildah, runc and
debootstrap.
"""

from __future__ import annotations

import faulthandler
import json
import os
import runpy
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers.base import free_port
from tests.waiting import eventually

TOP = Path(__file__).resolve().parents[2]
BASE = "docker.io/library/debian:trixie-slim"
PROGRAMS = ("podman", "buildah", "runc", "debootstrap")
HOST_AUTHORITIES = Path("/usr/local/share/ca-certificates")
TRUST = "/etc/ssl/certs/ca-certificates.crt"
HARDENED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]


class Containers:
    """podman and buildah with a store of their own: the images of this machine are neither seen nor touched."""

    def __init__(self, folder: Path, run: Path):
        """Of `run` podman takes no path of more than 50 characters, which one below pytest's folder may have."""
        self._store = ["--root", str(folder / "store"), "--runroot", str(run)]

    def podman(self, *words: str, check: bool = True, **options: Any) -> str:
        return self._run(["podman", *self._store, *words], check, **options)

    def buildah(self, *words: str) -> str:
        return self._run(["buildah", *self._store, *words], True)

    @staticmethod
    def _run(command: list[str], check: bool, **options: Any) -> str:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3000, **options
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout[-4000:]}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """With the image `quadra`, built."""
    if os.environ.get("QUADRA_TEST_IMAGE") != "1":
        pytest.skip("The image is built and run only where QUADRA_TEST_IMAGE=1 asks for it: it takes minutes")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"Containers are not available here: needs root and {', '.join(missing or PROGRAMS)}")
    faulthandler.cancel_dump_traceback_later()  # a test that takes minutes hangs elsewhere, not here
    folder = tmp_path_factory.mktemp("containers")
    run = Path(tempfile.mkdtemp(prefix="quadra-"))
    found = Containers(folder, run)
    make_base(found, folder / "debian")
    digest = found.podman("image", "inspect", BASE, "--format", "{{.Digest}}")
    build = ["--isolation", "chroot", "--network", "host", "--pull-never", "--build-arg", f"DEBIAN_DIGEST={digest}"]
    # of Docker's format: that of OCI has no health checks
    found.buildah("bud", *build, "--format", "docker", "--tag", "quadra", str(TOP))
    yield found
    found.podman("rm", "--all", "--force", check=False)
    found.podman("rmi", "--all", "--force", check=False)
    for path in (folder, run):
        shutil.rmtree(path, ignore_errors=True)


def make_base(containers: Containers, folder: Path) -> None:
    subprocess.run(["debootstrap", "--variant=minbase", "trixie", folder], check=True, stdout=subprocess.DEVNULL)
    if HOST_AUTHORITIES.is_dir():  # this machine may reach the registries through a proxy of its own
        shutil.copytree(HOST_AUTHORITIES, folder / "usr/local/share/ca-certificates", dirs_exist_ok=True)
    changes = [word for name in ("PIP_CERT", "NODE_EXTRA_CA_CERTS") for word in ("--change", f"ENV {name}={TRUST}")]
    with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as packed:
        containers.podman("import", "--quiet", *changes, "-", BASE, stdin=packed.stdout)
    shutil.rmtree(folder)


@pytest.fixture
def start(containers: Containers, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """`start("name")`: the image as Compose starts it, on the network of this machine; the port that it answers on."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 10001, 10001)

    def run(name: str, *command: str) -> int:
        port = free_port()
        env = ["--env", "QUADRA_HOST=127.0.0.1", "--env", f"QUADRA_PORT={port}"]
        options = ["--detach", "--name", name, "--runtime", "runc", "--network", "host", *HARDENED, *LIMITS, *env]
        containers.podman("run", *options, "--volume", f"{data}:/data", "quadra", *command)

        def answers() -> bool:
            with suppress(OSError):
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5).status == 200
            return False

        eventually(answers, 120)
        return port

    yield run
    containers.podman("rm", "--all", "--force", check=False)


def test_the_image_runs_unprivileged_on_a_read_only_root_and_keeps_what_it_acknowledged(
    containers: Containers, start: Callable[..., int]
) -> None:
    port = start("first")
    key = next(word for word in containers.podman("logs", "first").split() if word.startswith("qk_"))
    body = json.dumps({"event_type": "signup", "event_id": "from-the-image"}).encode()

    def send(port: int) -> dict[str, Any]:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/events", body, {"X-Quadra-Key": key})
        answer: dict[str, Any] = json.loads(urllib.request.urlopen(asked, timeout=30).read())
        return answer

    assert send(port)["stored"] == 1
    inside = containers.podman(
        "exec", "first", "sh", "-c", "id -u; touch /app/x 2>&1; pg_dump --version; mariadb-dump --version"
    )
    assert inside.startswith("10001\n")
    assert "Read-only file system" in inside
    assert "(PostgreSQL) 17" in inside
    assert "MariaDB" in inside
    containers.podman("healthcheck", "run", "first")
    containers.podman("stop", "--time", "40", "first")
    assert containers.podman("inspect", "first", "--format", "{{.State.ExitCode}}") == "0"

    port = start("second", "gunicorn", "-c", "deploy/gunicorn.conf.py", "quadra.web:app")
    assert send(port)["duplicates"] == 1
    containers.podman("stop", "--time", "60", "second")
    assert containers.podman("inspect", "second", "--format", "{{.State.ExitCode}}") == "0"


def test_the_image_holds_what_is_served_and_nothing_of_the_checkout_that_is_private(
    containers: Containers, start: Callable[..., int]
) -> None:
    port = start("pages")
    fetched = runpy.run_path(str(TOP / "scripts" / "fetch_frontend.py"))["FILES"]
    for path in ("app.css", *(f"vendor/{name}" for name in fetched)):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/dashboard/{path}", timeout=30) as answer:
            assert answer.status == 200
    listed = containers.podman("exec", "pages", "ls", "-A", "/app").split()
    assert not {".git", ".env", "tests", "data", ".venv", "node_modules"} & set(listed)
