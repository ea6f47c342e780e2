"""Compose and Kubernetes: what they must forbid, and what can be tried of them without either.

The schemas of Kubernetes and the rules of hadolint come by pip; Redis runs here by the very command of the files.
"""

from __future__ import annotations

import importlib
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.servers.available import NotAvailable, redis_bin
from tests.servers.base import free_port

TOP = Path(__file__).resolve().parents[2]
KUBERNETES = TOP / "deploy" / "kubernetes"
COMPOSE = ("docker-compose.yml", "docker-compose.loki.yml", "docker-compose.elk.yml")
FILES = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")
DIGEST = "sha256:" + "0123456789abcdef" * 4  # a made-up one, for a fake registry
METADATA = ip_address("169.254.169.254")


def objects(*kinds: str) -> list[dict[str, Any]]:
    found = [one for path in FILES for one in yaml.safe_load_all(path.read_text())]
    return [one for one in found if one["kind"] in kinds]


def compose(name: str, **variables: str) -> dict[str, Any]:
    """A Compose file with its variables filled in as Compose does it."""

    def fill(found: re.Match[str]) -> str:
        return variables.get(found[1], found[2].removeprefix(":-") if found[2].startswith(":-") else "set")

    text = re.sub(r"\$\{(\w+)((?::[-?][^}]*)?)\}", fill, (TOP / name).read_text())
    parts: dict[str, Any] = yaml.safe_load(text)
    return parts


def services(name: str, **variables: str) -> dict[str, Any]:
    parts: dict[str, Any] = compose(name, **variables)["services"]
    return parts


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, "--no-color", TOP / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def kubernetes_validate() -> Any:
    """Loading it takes three seconds of CPU, and each process of a run collects all tests."""
    return importlib.import_module("kubernetes_validate")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_kubernetes_knows_every_object_and_every_field(path: Path, kubernetes_validate: Any) -> None:
    for one in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_no_image_is_named_by_a_tag_alone() -> None:
    asked = runpy.run_path(str(TOP / "scripts" / "prepare_compose.py"))["images"]()
    named = {}
    for name in COMPOSE:
        for image in re.findall(r"image: (.*)", (TOP / name).read_text()):
            if not image.startswith("quadra:"):  # built here, of what the Dockerfile names by digest
                found = re.fullmatch(r"(\S+)@\$\{(\w+):\?run \"python3 scripts/prepare_compose.py\" first\}", image)
                assert found, image
                named[found[2]] = found[1]
    bases = re.findall(r"^FROM (\S+)", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    assert {base for base in bases if base not in ("base", "packages")} == {"debian:trixie-slim@${DEBIAN_DIGEST}"}
    assert asked == named | {"DEBIAN_DIGEST": "debian:trixie-slim"}

    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    given = {one["name"]: one for one in kustomization["images"]}
    pods = [one["spec"]["template"]["spec"] for one in objects("Deployment", "Job", "CronJob")]
    assert {container["image"] for pod in pods for container in pod["containers"]} == set(given)
    for one in given.values():
        assert one["digest"].startswith("sha256:"), one
        assert "newTag" not in one, one


def test_compose_believes_the_balancer_alone_and_shows_metrics_to_prometheus_alone() -> None:
    for variables in ({}, {"QUADRA_SUBNET": "10.9.8"}):
        parts = services("docker-compose.yml", **variables)
        balancer = parts["balancer"]["networks"]["front"]["ipv4_address"]
        prometheus = services("docker-compose.loki.yml", **variables)["prometheus"]["networks"]["front"]["ipv4_address"]
        for name in ("web-a", "web-b", "worker"):
            environment = parts[name]["environment"]
            assert environment["QUADRA_TRUSTED_PROXIES"] == balancer
            assert environment["QUADRA_METRICS_ALLOW"] == prometheus
        (pool,) = compose("docker-compose.yml", **variables)["networks"]["front"]["ipam"]["config"]
        for address in (balancer, prometheus):
            assert ip_address(address) in ip_network(pool["subnet"])
            assert ip_address(address) not in ip_network(pool["ip_range"])  # given to nobody else


def test_stores_of_compose_are_out_of_reach_and_nothing_of_quadra_is_root() -> None:
    parts = services("docker-compose.yml")
    assert compose("docker-compose.yml")["networks"]["back"]["internal"] is True
    for name in ("postgres", "redis"):
        assert parts[name]["networks"] == ["back"]
    assert [name for name, one in parts.items() if "ports" in one] == ["balancer"]
    for name, one in parts.items():
        assert one["security_opt"] == ["no-new-privileges:true"], name
        if one.get("image", "").startswith("quadra:"):
            assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"]), name
    for name in COMPOSE[1:]:
        for service, one in services(name).items():
            assert "ports" not in one or all(port.startswith("127.0.0.1:") for port in one["ports"]), service


def test_what_watches_keeps_thirty_days_and_is_found_under_both_spellings() -> None:
    parts = services("docker-compose.loki.yml")
    assert "--storage.tsdb.retention.time=30d" in parts["prometheus"]["command"]
    assert {name for name, one in parts.items() if "ports" in one} == {"grafana", "loki", "prometheus"}
    for name in COMPOSE[1:]:
        other = TOP / name.replace("docker-compose.", "docker-compose-")
        assert other.read_text() == (TOP / name).read_text()


def test_everything_is_forbidden_that_no_policy_of_kubernetes_names() -> None:
    policies = objects("NetworkPolicy")
    nobody = [one["spec"] for one in policies if one["spec"]["podSelector"] == {}]
    assert nobody == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    names = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] for one in objects("Deployment", "Job")
    }
    for one in policies:
        for expression in one["spec"]["podSelector"].get("matchExpressions", []):
            assert set(expression["values"]) <= names, one["metadata"]
        for direction, peer in (("ingress", "from"), ("egress", "to")):
            for rule in one["spec"].get(direction, []):
                assert rule["ports"], one["metadata"]
                assert rule[peer], one["metadata"]  # an empty list is everybody
                for other in rule[peer]:
                    assert any(other.values()), one["metadata"]
                    block = other.get("ipBlock")
                    assert not block or any(METADATA in ip_network(part) for part in block["except"])


def test_nobody_in_the_cluster_is_believed_or_shown_metrics_by_a_wide_network() -> None:
    (config,) = objects("ConfigMap")
    assert not {"QUADRA_TRUSTED_PROXIES", "QUADRA_METRICS_ALLOW"} & set(config["data"])
    web = next(one for one in objects("Deployment") if one["metadata"]["name"] == "quadra-web")
    env = {one["name"]: one for one in web["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["QUADRA_TRUSTED_PROXIES"]["valueFrom"] == {"secretKeyRef": {"name": "quadra", "key": "trusted-proxies"}}
    assert "QUADRA_METRICS_ALLOW" not in env
    told = (KUBERNETES / "README.md").read_text()
    keys = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for pod in objects("Deployment", "Job")
        for container in pod["spec"]["template"]["spec"]["containers"]
        for one in container.get("env", [])
        if "valueFrom" in one
    }
    assert keys == set(re.findall(r"--from-literal=([a-z-]+)=", told))


def redis_commands() -> list[list[str]]:
    compose = [part.replace("$$", "$") for part in services("docker-compose.yml")["redis"]["command"]]
    pod = next(one for one in objects("Deployment") if one["metadata"]["name"] == "quadra-redis")
    return [compose, pod["spec"]["template"]["spec"]["containers"][0]["command"]]


@pytest.mark.parametrize("which", [0, 1], ids=["Compose", "Kubernetes"])
def test_redis_as_it_is_started_there_wants_the_password_and_does_not_show_it(which: int, tmp_path: Path) -> None:
    try:
        program = redis_bin() / "redis-server"
    except NotAvailable as reason:
        pytest.skip(f"Redis is not available here: {reason}")
    port = free_port()
    shell, option, script = redis_commands()[which]
    script = script.replace("redis-server -", f"{program} - --bind 127.0.0.1 --port {port}", 1)
    env = {**os.environ, "REDISCLI_AUTH": "0f1e2d"}
    with subprocess.Popen([shell, option, script], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(port=port, password="0f1e2d") as client:
                for _ in range(1800):
                    try:
                        assert client.ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(0.05)
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-ttl"}
                assert client.config_get("save") == {"save": ""}
                assert client.config_get("appendonly") == {"appendonly": ("yes", "no")[which]}
                server = Path(f"/proc/{client.info()['process_id']}")
            with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
                client.ping()
            assert server.name == str(process.pid)  # the signal that stops a container reaches it
            if server.exists():
                assert b"0f1e2d" not in (server / "cmdline").read_bytes()
        finally:
            process.terminate()


def prepare(folder: Path, *options: str, answer: str = DIGEST) -> subprocess.CompletedProcess[str]:
    """prepare_compose.py on copies of the files, with a fake docker that says `answer` for every image."""
    (folder / "scripts").mkdir(exist_ok=True)
    for name in ("Dockerfile", *COMPOSE, "scripts/prepare_compose.py"):
        shutil.copy(TOP / name, folder / name)
    (folder / "docker").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (folder / "docker").chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(folder / "scripts" / "prepare_compose.py"), *options]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def variables(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def test_preparing_with_a_fake_docker_fills_in_all_that_compose_asks_for_and_keeps_secrets(tmp_path: Path) -> None:
    assert prepare(tmp_path).returncode == 0
    first = variables(tmp_path)
    asked = {name for file in COMPOSE for name in re.findall(r"\$\{(\w+):\?", (TOP / file).read_text())}
    assert set(first) == asked
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert len(first["QUADRA_SECRET_KEY"]) == 64

    other = DIGEST.replace("0", "f")
    assert prepare(tmp_path, answer=other).returncode == 0
    assert variables(tmp_path) == first
    assert prepare(tmp_path, "--renew", answer=other).returncode == 0
    renewed = variables(tmp_path)
    assert {name for name in first if renewed[name] != first[name]} == {n for n in first if n.endswith("_DIGEST")}


def test_preparing_makes_no_digest_up_where_a_fake_docker_tells_none(tmp_path: Path) -> None:
    done = prepare(tmp_path, answer="latest")
    assert done.returncode == 1
    assert "did not tell the digest" in done.stderr
    assert not (tmp_path / ".env").exists()
