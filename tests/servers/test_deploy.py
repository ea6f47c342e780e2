"""The files under deploy/ and docker-compose.yml: accepted by the programs that read them, and in agreement with Quadra and
with one another. There is no container engine and no Kubernetes here: their files are held to what can be read from them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from quadra.core.settings import Settings
from quadra.rollout.commands import validate_command
from tests.servers import available
from tests.servers.available import NotAvailable

TOP = Path(__file__).resolve().parents[2]
DEPLOY = TOP / "deploy"
SETTINGS = {f"QUADRA_{name.upper()}" for name in Settings.model_fields} | {"DATABASE_URL", "REDIS_URL"}
FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OBJECTS: list[dict[str, Any]] = [
    one for path in FILES if path.name != "kustomization.yaml" for one in yaml.safe_load_all(path.read_text())
]


def test_haproxy_accepts_its_configuration(tmp_path: Path) -> None:
    try:
        program = available.haproxy()
    except NotAvailable as reason:
        pytest.skip(f"HAProxy is not available here: {reason}")
    text = re.sub(r"web-[ab]:5000", "127.0.0.1:5000", (DEPLOY / "haproxy" / "haproxy.cfg").read_text())
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run([program, "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    try:
        program = available.nginx()
    except NotAvailable as reason:
        pytest.skip(f"nginx is not available here: {reason}")
    text = re.sub(r"web-[ab]:5000", "127.0.0.1:5000", (DEPLOY / "nginx" / "quadra.conf").read_text())
    own = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}"
    (tmp_path / "nginx.conf").write_text(own)
    done = subprocess.run([program, "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not available here")
    for path in (DEPLOY / "systemd").glob("*.service"):
        # the programs lie where they are installed, not here
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    units = [str(path) for path in tmp_path.iterdir() if "@" not in path.name]
    shutil.copy(tmp_path / "quadra-web@.service", tmp_path / "quadra-web@5001.service")
    units.append(str(tmp_path / "quadra-web@5001.service"))
    done = subprocess.run([program, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "quadra" in line]
    assert ours == []


def test_every_setting_that_a_file_names_exists() -> None:
    texts = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"] + [
        TOP / "docker-compose.yml",
        TOP / "Dockerfile",
    ]
    of_commands = {option.envvar for option in validate_command.params if option.envvar}
    for path in texts:
        named = set(re.findall(r"\b(QUADRA_[A-Z0-9_]+)", path.read_text())) - SETTINGS
        if path.parent.name == "ci":
            named -= of_commands
        if path.parent.name == "k6":
            named -= {"QUADRA_URL", "QUADRA_KEY", "QUADRA_READ_KEY"}  # those of clients, as docs/clients.md has them
        assert named <= {"QUADRA_TAG", "QUADRA_BIND", "QUADRA_SUBNET"}, path  # those are the compose file's own


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text())
    return dict(found["services"])


def test_compose_asks_for_every_secret_and_starts_what_it_builds() -> None:
    text = (TOP / "docker-compose.yml").read_text()
    assert {"init", "web-a", "web-b", "balancer", "worker", "postgres", "redis"} <= set(services())
    for variable in re.findall(r"\$\{(\w*(?:SECRET|PASSWORD)\w*)(.*?)[}]", text):
        assert variable[1].startswith(":?"), variable[0]
    volumes = yaml.safe_load(text)["volumes"]
    for name, service in services().items():
        for other in service.get("depends_on", {}):
            assert other in services(), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (TOP / source).exists() if source.startswith("./") else source in volumes, mount
        if service.get("image", "").startswith("quadra:"):
            assert service["command"][0] in ("gunicorn", "quadra")
    for name in ("web-a", "web-b"):
        command = services()[name]["command"]
        assert command[-1] == "quadra.web:app"
        assert (TOP / command[2]).is_file()


def test_the_image_has_the_programs_that_back_up_the_database_of_compose() -> None:
    """Another version's pg_dump refuses a newer server, and an older server refuses what it wrote."""
    found = re.match(r"postgres:(\d+)", services()["postgres"]["image"])
    assert found
    assert f"postgresql-client-{found[1]} " in (TOP / "Dockerfile").read_text()


@pytest.mark.parametrize("path", ["haproxy/haproxy.cfg", "nginx/quadra.conf"])
def test_the_balancers_name_the_replicas_that_compose_starts(path: str) -> None:
    named = set(re.findall(r"\b(web-\w+):5000", (DEPLOY / path).read_text()))
    assert named == {name for name in services() if name.startswith("web-")}


def test_kustomization_names_every_file() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == {path.name for path in FILES} - {"kustomization.yaml"}


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] in kinds]


def pods() -> dict[str, dict[str, Any]]:
    """name -> the pod template of everything that runs pods"""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in of_kind("Deployment", "Job")}


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = template["spec"]["containers"]
    return found


def test_every_selector_finds_pods_and_every_port_is_one_of_theirs() -> None:
    labels = [template["metadata"]["labels"] for template in pods().values()]

    def matches(wanted: dict[str, str]) -> bool:
        return any(wanted.items() <= have.items() for have in labels)

    for one in of_kind("Deployment", "PodDisruptionBudget"):
        assert matches(one["spec"]["selector"]["matchLabels"]), one["metadata"]
    for one in of_kind("Deployment"):
        assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    for one in of_kind("Service"):
        chosen = [t for t in pods().values() if one["spec"]["selector"].items() <= t["metadata"]["labels"].items()]
        assert chosen, one["metadata"]
        names = {port["name"] for template in chosen for c in containers(template) for port in c.get("ports", [])}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= names
    for one in of_kind("NetworkPolicy"):
        if "ingress" not in one["spec"]:
            continue  # tests/deploy/test_manifests.py looks at these
        wanted = one["spec"]["podSelector"]["matchLabels"]
        chosen = [t for t in pods().values() if wanted.items() <= t["metadata"]["labels"].items()]
        open_ports = {p["containerPort"] for t in chosen for c in containers(t) for p in c.get("ports", [])}
        assert {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]} == open_ports


def test_ingress_and_autoscaler_point_at_what_is_there() -> None:
    (ingress,) = of_kind("Ingress")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    by_name = {one["metadata"]["name"]: one for one in of_kind("Service")}
    backend = path["backend"]["service"]
    assert backend["port"]["name"] in {port["name"] for port in by_name[backend["name"]]["spec"]["ports"]}
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] in {one["metadata"]["name"] for one in of_kind("Deployment")}
    assert scaler["spec"]["minReplicas"] >= 2


def test_pods_run_unprivileged_with_probes_limits_and_secrets_by_reference() -> None:
    config = {one["metadata"]["name"]: one["data"] for one in of_kind("ConfigMap")}
    claims = {one["metadata"]["name"] for one in of_kind("PersistentVolumeClaim")}
    assert of_kind("Secret") == []
    for name, template in pods().items():
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert template["spec"]["automountServiceAccountToken"] is False
        volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        for volume in volumes.values():
            assert volume.get("persistentVolumeClaim", {}).get("claimName", next(iter(claims))) in claims
        for one in containers(template):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert one["resources"]["limits"]["memory"], name
            assert {mount["name"] for mount in one.get("volumeMounts", [])} <= set(volumes)
            for source in one.get("envFrom", []):
                assert source["configMapRef"]["name"] in config
            for variable in one.get("env", []):
                assert variable["name"] in SETTINGS | {"REDISCLI_AUTH"}  # redis-cli's own
                if not re.search("KEY|PASSWORD|URL|AUTH", variable["name"]) and "value" in variable:
                    continue
                assert set(variable["valueFrom"]["secretKeyRef"]) == {"name", "key"}
            ports = {port["name"] for port in one.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if "httpGet" in one.get(probe, {}):
                    assert one[probe]["httpGet"]["port"] in ports
    web = containers(pods()["quadra-web"])[0]
    assert web["livenessProbe"]["httpGet"]["path"] == "/health"  # a database that is away gets nobody killed
    assert web["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    drain = int(config["quadra"]["QUADRA_DRAIN_DELAY"].removesuffix("s"))
    assert pods()["quadra-web"]["spec"]["terminationGracePeriodSeconds"] >= drain + 40
