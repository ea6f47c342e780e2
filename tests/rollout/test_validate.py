"""`quadra validate` against real deployments: one that works, ones that lack something, and none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from quadra.rollout.validation import CHECKS
from tests.servers.base import free_port
from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

SCRIPT = Path(__file__).parents[2] / "scripts" / "validate_deployment.py"


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        yield process


def validate(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--json"], capture_output=True, text=True, timeout=120
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def status(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["status"] for one in found["checks"]}


def test_a_deployment_that_works_passes_and_is_left_without_the_key_that_was_made(
    quadra: QuadraProcess, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    login = ("--email", quadra.init["admin_email"], "--password", quadra.init["admin_password"])
    code, found = validate(quadra.base_url, "--key", quadra.init["admin_key"], *login, "--report", str(report))
    wrong = [one for one in found["checks"] if one["status"] in ("fail", "warn") and one["name"] != "detailed"]
    assert not wrong
    assert status(found)["redis"] == "skip"
    assert (code, json.loads(report.read_text())) == (0, found)
    keys = quadra.run("key", "list", "--json").stdout
    made = [key for key in json.loads(keys)["keys"] if key["name"] == "quadra validate"]
    assert [bool(key["revoked_at"]) for key in made] == [True]


def test_without_a_key_the_verdict_is_partial_and_says_what_was_not_looked_at(quadra: QuadraProcess) -> None:
    code, found = validate(quadra.base_url)
    assert (code, found["verdict"]) == (0, "PARTIAL")
    assert status(found)["ingest"] == "skip"
    assert status(found)["health"] == "pass"


def test_a_wrong_key_and_a_wrong_password_fail(quadra: QuadraProcess) -> None:
    code, found = validate(
        quadra.base_url, "--key", "qk_wrong", "--email", "nobody@quadra.local", "--password", "wrong"
    )
    assert (code, found["verdict"]) == (1, "FAIL")
    assert {"reads", "ingest", "analytics", "accounts"} <= {
        name for name, one in status(found).items() if one == "fail"
    }


def test_where_nobody_answers_every_check_that_is_asked_fails() -> None:
    code, found = validate(f"http://127.0.0.1:{free_port()}", "--key", "qk_any", "--timeout", "2")
    assert (code, found["verdict"]) == (1, "FAIL")
    assert set(status(found)) == {name for name, _ in CHECKS}
    assert set(status(found).values()) == {"fail"}
    assert "no answer" in found["checks"][0]["message"]


def test_an_address_that_is_none_is_named() -> None:
    done = quadra_command("validate", "quadra.example.com", env=os.environ)
    assert done.returncode == 2
    assert "http://" in done.stderr
