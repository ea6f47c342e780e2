"""`make audit` and `make sbom`: what they say is true also where a service answers nothing."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
LOCKED = len([one for one in json.loads((TOP / "package-lock.json").read_text())["packages"] if one])

FAKE_PIP_AUDIT = """
import json, re, sys
text = open(sys.argv[sys.argv.index("--requirement") + 1]).read()
names = re.findall(r"^([a-z][a-z0-9-]*)", text, re.MULTILINE)
known, unknown = int(sys.argv[-2]), int(sys.argv[-1])
rows = [{"name": name, "version": "1", "vulns": []} for name in names]
for row in rows[:known]:
    row["vulns"] = [{"id": "X-1", "fix_versions": ["2"]}]
for row in rows[len(rows) - unknown:] if unknown else []:
    row["skip_reason"] = "not found"
print(json.dumps({"dependencies": rows}))
"""


def audit(folder: Path, *, known: int = 0, unknown: int = 0, npm: Any = None) -> subprocess.CompletedProcess[str]:
    """scripts/audit.py between a fake pip-audit and a fake npm."""
    (folder / "pip_audit").mkdir()
    (folder / "pip_audit" / "__init__.py").touch()
    (folder / "pip_audit" / "__main__.py").write_text(FAKE_PIP_AUDIT)
    answer = npm or {"vulnerabilities": {}, "metadata": {"dependencies": {"total": LOCKED}}}
    (folder / "npm").write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    (folder / "npm").chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(TOP / "scripts" / "audit.py"), str(known), str(unknown)]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_an_audit_by_fakes_that_know_everything_and_find_nothing_succeeds(tmp_path: Path) -> None:
    done = audit(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "package-lock.json: " in done.stdout


@pytest.mark.parametrize(
    "told",
    [
        {"unknown": 1},
        {"unknown": 10_000},
        {"npm": {"error": "405 Method Not Allowed"}},
        {"npm": {"vulnerabilities": {}, "metadata": {"dependencies": {"total": LOCKED - 1}}}},
    ],
    ids=["one unknown", "all unknown", "npm answers nothing", "npm leaves one out"],
)
def test_an_audit_by_fakes_that_leave_something_out_fails(tmp_path: Path, told: dict[str, Any]) -> None:
    done = audit(tmp_path, **told)
    assert done.returncode == 2
    assert "packages were looked up" in done.stderr


def test_an_audit_by_fakes_that_know_a_vulnerability_fails_and_names_it(tmp_path: Path) -> None:
    done = audit(tmp_path, known=1)
    assert done.returncode == 1
    assert "X-1, mended in 2" in done.stderr


def test_the_list_of_components_holds_everything_that_is_shipped() -> None:
    bom = runpy.run_path(str(TOP / "scripts" / "sbom.py"))["components"]()
    listed = {one["purl"].partition("?")[0] for one in bom["components"]}
    locked = json.loads((TOP / "package-lock.json").read_text())["packages"]
    for name in ("echarts", "socket.io-client"):
        assert f"pkg:npm/{name}@{locked[f'node_modules/{name}']['version']}" in listed
    for line in (TOP / "requirements.txt").read_text().splitlines():
        if "==" in line and not line.startswith(("#", " ")):
            name, _, version = line.partition(" ")[0].partition("==")
            assert f"pkg:pypi/{name.partition('[')[0]}@{version}" in listed
    assert bom["metadata"]["component"]["name"] == "quadra"
    assert "serialNumber" not in bom  # the same commit gives the same file
