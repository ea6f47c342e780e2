"""The files that installing and deploying rely on agree with one another."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).resolve().parents[2]


LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-pip.txt",
    "requirements-node.txt",
    "requirements-mutate.txt",
    "requirements-servers.txt",
)


def entries(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Each package of a lock file: what is pinned, and the hashes of its files."""
    found = {}
    for entry in re.split(r"^(?=[a-zA-Z0-9])", (TOP / name).read_text(), flags=re.MULTILINE)[1:]:
        pin = Requirement(entry.partition("\\")[0])
        found[canonicalize_name(pin.name)] = pin, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
    return found


def pinned(pin: Requirement) -> str:
    (only,) = pin.specifier
    assert only.operator == "==", pin
    return only.version


def test_every_package_is_pinned_to_the_version_that_is_installed() -> None:
    for name, (pin, _) in (entries("requirements.txt") | entries("requirements-dev.txt")).items():
        if pin.marker is None or pin.marker.evaluate():
            assert version(name) == pinned(pin), name


@pytest.mark.parametrize("name", LOCKS)
def test_every_pinned_package_has_the_hashes_of_its_files(name: str) -> None:
    assert entries(name)
    for pin, hashes in entries(name).values():
        assert hashes, pin
        assert pin.url is None, pin


@pytest.mark.parametrize("name", LOCKS)
def test_what_was_chosen_is_what_is_locked(name: str) -> None:
    locked = entries(name)
    chosen = (TOP / name.replace(".txt", ".in")).read_text().splitlines()
    for line in chosen:
        if line and not line.startswith(("#", "-r ")):
            wanted = Requirement(line)
            assert wanted.specifier.contains(pinned(locked[canonicalize_name(wanted.name)][0])), line


def test_the_tests_run_on_the_versions_that_are_shipped() -> None:
    tested = entries("requirements-dev.txt")
    for name, (pin, hashes) in entries("requirements.txt").items():
        assert pinned(tested[name][0]) == pinned(pin)
        assert tested[name][1] == hashes, name


def test_nothing_is_installed_by_pip_without_its_hash() -> None:
    for path in (TOP / "Dockerfile", *filter(Path.is_file, (TOP / "scripts").iterdir())):
        # one command may run over several lines
        text = re.sub(r"\\\n", " ", path.read_text())
        calls = re.findall(r"(?:pip\S* (?!could).*\binstall\b|_pip\(\"install\").*", text)
        for call in calls:
            checked = "--require-hashes" in call
            # Quadra itself, built by the setuptools that was checked
            own = "--no-deps" in call and "--no-build-isolation" in call and "--editable" in call
            assert checked or own, f"{path.name}: {call}"


def test_the_lock_file_pins_what_package_json_asks_for_and_names_no_registry() -> None:
    asked = json.loads((TOP / "package.json").read_text())
    locked = json.loads((TOP / "package-lock.json").read_text())["packages"]
    for name, wanted in (asked["dependencies"] | asked["devDependencies"]).items():
        assert locked[f"node_modules/{name}"]["version"] == wanted
    for path, entry in locked.items():
        assert "resolved" not in entry, path
        assert not path or "integrity" in entry, path


def test_the_front_end_libraries_lie_where_pages_load_them_from() -> None:
    vendor = TOP / "quadra" / "dashboard" / "static" / "vendor"
    for name in ("echarts.min.js", "socket.io.min.js"):
        assert (vendor / name).stat().st_size > 10_000, name


def test_every_target_of_make_is_described() -> None:
    text = (TOP / "Makefile").read_text()
    shown = subprocess.run(["make", "-C", str(TOP), "help"], capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"^([a-z]+):.*##", text, re.MULTILINE):
        assert f"make {target} " in shown


def test_the_image_does_not_run_as_root_and_is_checked_for_life() -> None:
    text = (TOP / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK [\s\S]*?/health\b", text, re.MULTILINE)
