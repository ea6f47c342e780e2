"""Where others keep Quadra's processes running: how a release is put there, tried, used and taken back, by the platform's own
command. What ends or hangs there, and how many there are, is the platform's business.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from quadra.core.errors import Invalid
from quadra.rollout.gates import Refused

Run = Callable[[Sequence[str], Mapping[str, str]], str]
"""What a command prints. Raises `Refused`."""
WAIT_SECONDS = 600


class Platform(ABC):
    """One of them. `options` are those of the command line, over DEFAULTS."""

    program: str
    defaults: ClassVar[Mapping[str, str]]
    beside = False
    """Whether a release is tried before users reach it."""

    def __init__(self, options: Mapping[str, str], run: Run):
        if unknown := sorted(set(options) - set(self.defaults)):
            known = ", ".join(f"{name}={value}" for name, value in self.defaults.items())
            raise Invalid("An option is unknown.", fields=dict.fromkeys(unknown, f"one of {known}"))
        self.options = {**self.defaults, **options}
        self._run = run

    def call(self, *words: str, **environment: str) -> str:
        return self._run([self.program, *words], environment)

    def json(self, *words: str) -> Any:
        try:
            return json.loads(self.call(*words))
        except ValueError:
            raise Refused("deployment", f"`{self.program} {' '.join(words)}` does not print JSON.") from None

    def image(self, release: str) -> str:
        return f"{self.options['image']}:{release}"

    @abstractmethod
    def current(self) -> str | None:
        """What names the release in use, for `back`; None where there is none."""

    @abstractmethod
    def migrate(self, release: str) -> None:
        """`quadra init` of the release."""

    @abstractmethod
    def put(self, release: str) -> str | None:
        """Start it, and wait until the platform finds it ready. Its own address, where it has one before it is used."""

    @abstractmethod
    def switch(self, release: str) -> None:
        """Send everybody to it. Nothing to do where `put` has done so, replica by replica."""

    @abstractmethod
    def back(self, to: str) -> None:
        """To what `current` has named."""


class Compose(Platform):
    """The services of docker-compose.yml. The tag of the image is an environment variable of it."""

    program = "docker"
    defaults: ClassVar[Mapping[str, str]] = {
        "image": "quadra",
        "file": "docker-compose.yml",
        "replicas": "web-a,web-b",
        "worker": "worker",
    }

    def _compose(self, release: str, *words: str) -> str:
        return self.call("compose", "-f", self.options["file"], *words, QUADRA_TAG=release)

    @property
    def _replicas(self) -> list[str]:
        return self.options["replicas"].split(",")

    def current(self) -> str | None:
        service = self._replicas[0]
        found = self.call("compose", "-f", self.options["file"], "ps", "--format", "{{.Image}}", service).split()
        return found[0].rpartition(":")[2] if found else None

    def migrate(self, release: str) -> None:
        self._compose(release, "run", "--rm", "-T", "init")

    def put(self, release: str) -> None:
        wait = ("--wait", "--wait-timeout", str(WAIT_SECONDS))
        for service in self._replicas:  # one at a time: HAProxy sends everything to the others meanwhile
            self._compose(release, "up", "-d", "--no-deps", "--no-build", *wait, service)
        self._compose(release, "up", "-d", "--no-deps", "--no-build", self.options["worker"])

    def switch(self, release: str) -> None:
        """Each replica has changed already."""

    def back(self, to: str) -> None:
        self.put(to)


class Kubernetes(Platform):
    """The deployments of deploy/kubernetes."""

    program = "kubectl"
    defaults: ClassVar[Mapping[str, str]] = {
        "image": "registry.example.com/quadra",
        "namespace": "quadra",
        "web": "quadra-web",
        "worker": "quadra-worker",
        "init": "quadra-init",
    }

    def _kubectl(self, *words: str) -> str:
        return self.call("-n", self.options["namespace"], *words)

    def current(self) -> str | None:
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        return self._kubectl("get", f"deployment/{self.options['web']}", "-o", path).strip() or None

    def migrate(self, release: str) -> None:
        """The job of the installation once more, with the new image: a job cannot be changed."""
        init = self.options["init"]
        job = self.json("-n", self.options["namespace"], "get", f"job/{init}", "-o", "json")
        name = f"{init}-{release.lower().replace('.', '-').replace('_', '-')}"[:63].rstrip("-")
        template = job["spec"]["template"]
        template["metadata"] = {"labels": {"app.kubernetes.io/name": init, "app.kubernetes.io/part-of": "quadra"}}
        template["spec"]["containers"][0]["image"] = self.image(release)
        made = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": template["metadata"]["labels"]},
            "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 3600, "template": template},
        }
        self._kubectl("delete", f"job/{name}", "--ignore-not-found")
        self._run([self.program, "-n", self.options["namespace"], "apply", "-f", "-"], {"STDIN": json.dumps(made)})
        self._kubectl("wait", "--for=condition=complete", f"job/{name}", f"--timeout={WAIT_SECONDS}s")

    def put(self, release: str) -> None:
        self._use(self.image(release))

    def switch(self, release: str) -> None:
        """Each pod has changed already."""

    def back(self, to: str) -> None:
        self._use(to)

    def _use(self, image: str) -> None:
        for name, container in ((self.options["web"], "web"), (self.options["worker"], "worker")):
            self._kubectl("set", "image", f"deployment/{name}", f"{container}={image}")
        for name in (self.options["web"], self.options["worker"]):
            self._kubectl("rollout", "status", f"deployment/{name}", f"--timeout={WAIT_SECONDS}s")


class CloudRun(Platform):
    """A service of deploy/cloud-run. The new revision gets no traffic until it has passed its gate at an address of its own."""

    program = "gcloud"
    beside = True
    defaults: ClassVar[Mapping[str, str]] = {
        "image": "europe-docker.pkg.dev/PROJECT/quadra/quadra",
        "service": "quadra-web",
        "worker": "quadra-worker",
        "job": "quadra-init",
        "region": "europe-west1",
    }
    tag = "candidate"

    def _run_words(self, *words: str) -> tuple[str, ...]:
        return ("run", *words, "--region", self.options["region"], "--quiet")

    def _service(self) -> dict[str, Any]:
        words = self._run_words("services", "describe", self.options["service"], "--format", "json")
        found: dict[str, Any] = self.json(*words)
        return found

    def current(self) -> str | None:
        traffic = self._service().get("status", {}).get("traffic", [])
        return next((one["revisionName"] for one in traffic if one.get("percent", 0) > 0), None)

    def migrate(self, release: str) -> None:
        job = self.options["job"]
        self.call(*self._run_words("jobs", "update", job, "--image", self.image(release)))
        self.call(*self._run_words("jobs", "execute", job, "--wait"))

    def put(self, release: str) -> str | None:
        image = ("--image", self.image(release))
        self.call(*self._run_words("deploy", self.options["service"], *image, "--no-traffic", "--tag", self.tag))
        traffic = self._service().get("status", {}).get("traffic", [])
        return next((one["url"] for one in traffic if one.get("tag") == self.tag), None)

    def switch(self, release: str) -> None:
        to = ("--to-tags", f"{self.tag}=100")
        self.call(*self._run_words("services", "update-traffic", self.options["service"], *to))
        self.call(*self._run_words("deploy", self.options["worker"], "--image", self.image(release)))

    def back(self, to: str) -> None:
        words = ("services", "update-traffic", self.options["service"], "--to-revisions", f"{to}=100")
        self.call(*self._run_words(*words))


PLATFORMS: dict[str, type[Platform]] = {"compose": Compose, "kubernetes": Kubernetes, "cloud-run": CloudRun}


def run(words: Sequence[str], environment: Mapping[str, str], *, inherited: Mapping[str, str]) -> str:
    """What a command prints. `STDIN` in the environment is what it reads."""
    given = {name: value for name, value in environment.items() if name != "STDIN"}
    said = f"`{' '.join(words)}`"
    if shutil.which(words[0], path=inherited.get("PATH")) is None:
        raise Refused("build", f"There is no {words[0]} on this machine.")
    try:
        done = subprocess.run(
            list(words),
            input=environment.get("STDIN", ""),
            capture_output=True,
            text=True,
            env={**inherited, **given},
            timeout=2 * WAIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused("deployment", f"{said} did not end within {2 * WAIT_SECONDS} s.") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Refused("deployment", f"{said} ended with {done.returncode}: {' '.join(lines[-3:])[:500]}")
    return done.stdout
