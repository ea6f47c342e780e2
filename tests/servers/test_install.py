"""The files that installing and deploying rely on agree with one another."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def pins(name: str) -> dict[str, str]:
    lines = [line.strip() for line in (TOP / name).read_text().splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
    return {re.sub(r"\[.*", "", line.split("==")[0]): line.split("==")[1] for line in wanted}


def test_every_package_is_pinned_to_the_version_that_is_installed() -> None:
    for name, pinned in (pins("requirements.txt") | pins("requirements-dev.txt")).items():
        assert version(name) == pinned, name


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
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK [\s\S]*?/health\b", text, re.MULTILINE)
    # Python's version is the oldest that the package allows, which the tests run on too
    oldest = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert f"FROM python:{oldest}-slim" in text
