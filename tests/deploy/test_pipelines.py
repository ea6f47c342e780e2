"""The pipelines and Cloud Run's files that deploy/ shows: every step is there, in order, and what they call exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from quadra.cli import quadra
from quadra.rollout.platforms import PLATFORMS

TOP = Path(__file__).resolve().parents[2]
CI = TOP / "deploy" / "ci"
ORDER = ("make test", "make audit", "gitleaks", "docker build", "trivy", "rollout deploy", "validate", "run_benchmarks")


@pytest.mark.parametrize("path", sorted(CI.iterdir()), ids=lambda path: path.name)
def test_a_pipeline_builds_tests_scans_deploys_validates_and_measures_in_this_order(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    at = [body.index(word) for word in ORDER]
    assert at == sorted(at)


@pytest.mark.parametrize("path", sorted(CI.iterdir()), ids=lambda path: path.name)
def test_what_a_pipeline_calls_exists(path: Path) -> None:
    text = path.read_text().replace("\\\n", " ")
    makefile = (TOP / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for script in re.findall(r"scripts/\w+\.py", text):
        assert (TOP / script).is_file()
    found = re.findall(r"bin/(quadra [^\n\]]+)", text)
    assert len(found) == 2
    for line in found:
        plain = re.sub(r"\$\{\{[^}]*\}\}|\$\{?\w+\}?", "value", line.strip())
        assert_parses(shlex.split(plain if plain.count('"') % 2 == 0 else plain.rstrip('"'))[1:])


def assert_parses(words: list[str]) -> None:
    command: click.Command | None = quadra
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    context = command.make_context("quadra", words)
    for name in [one.split("=")[0] for one in context.params.get("options", ())]:
        assert name in PLATFORMS[context.params["platform"]].defaults


def test_cloud_run_has_what_the_adapter_names_and_every_process_the_same_settings() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in (TOP / "deploy" / "cloud-run").glob("*.yaml")}
    names = {stem: one["metadata"]["name"] for stem, one in files.items()}
    defaults = PLATFORMS["cloud-run"].defaults
    assert names == {"web": defaults["service"], "worker": defaults["worker"], "init": defaults["job"]}

    def container(stem: str) -> dict[str, Any]:
        spec = files[stem]["spec"]["template"]["spec"]
        spec = spec["template"]["spec"] if stem == "init" else spec
        found: dict[str, Any] = spec["containers"][0]
        return found

    secrets = {
        stem: {one["name"]: one["valueFrom"] for one in container(stem)["env"] if "valueFrom" in one} for stem in files
    }
    assert secrets["web"] == secrets["worker"] == secrets["init"]
    assert container("web")["startupProbe"]["httpGet"]["path"] == "/health/startup"
