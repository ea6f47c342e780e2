"""The command line and the HTTP door of the warehouse, on a running Quadra."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.servers.commands import quadra_command
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess
from tests.waiting import eventually


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    settings = {"QUADRA_SEGMENT_EVENTS": "1000000", "QUADRA_INGEST_TIMEOUT": "100ms", "QUADRA_BATCH_MAX_EVENTS": "10"}
    with closing(QuadraProcess(keeper, settings)) as process:
        yield process


def send(quadra: QuadraProcess, count: int, user: str) -> None:
    events = [{"event_type": "click", "user_id": user, "event_id": f"{user}-{number}"} for number in range(count)]

    def are_stored() -> bool:
        """A busy machine may take longer than the writer has here."""
        status, answer = call(quadra, "POST", "/api/events", quadra.init["write_key"], {"events": events})
        return status == 200 and answer["stored"] + answer["duplicates"] == count

    eventually(are_stored)


def call(quadra: QuadraProcess, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(quadra.base_url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def run(quadra: QuadraProcess, *arguments: str) -> Any:
    return json.loads(quadra.run(*arguments, "--json").stdout)


def entry(quadra: QuadraProcess) -> dict[str, Any]:
    found = [one for one in run(quadra, "warehouse", "status")["projects"] if one["project"] == "default"]
    return dict(found[0]) if found else {"rows": 0, "waiting_rows": 0}


def test_compact_status_verify_and_erase(quadra: QuadraProcess) -> None:
    send(quadra, 20, "ann")
    send(quadra, 20, "bob/c d")
    assert entry(quadra)["waiting_rows"] == 40
    run(quadra, "warehouse", "compact")
    stands = entry(quadra)
    assert (stands["rows"], stands["waiting_rows"]) == (40, 0)
    assert run(quadra, "warehouse", "verify") == {"ok": True, "segments": stands["segments"], "damaged": []}
    status, answer = call(quadra, "DELETE", "/api/users/bob%2Fc%20d/data", quadra.init["admin_key"])
    assert (status, answer["job"]["kind"]) == (202, "erase")
    eventually(lambda: entry(quadra)["rows"] == 20, every=0.2)
    run(quadra, "erase", "ann")
    eventually(lambda: (stands := entry(quadra))["rows"] == stands["waiting_rows"] == 0, every=0.2)


def test_verify_names_a_flipped_byte_and_fails(quadra: QuadraProcess) -> None:
    send(quadra, 10, "carl")
    run(quadra, "warehouse", "compact")
    path = max((quadra.directory / "data" / "segments").rglob("*.parquet"), key=lambda path: path.stat().st_mtime)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    command = ("warehouse", "verify", "--json")
    done = quadra_command(*command, env=quadra._environment(), cwd=quadra.directory)
    assert done.returncode == 1
    (damage,) = json.loads(done.stdout)["damaged"]
    assert path.name in damage["path"]
    assert len(damage["expected"]) == len(damage["actual"]) == 64


def test_only_admins_erase(quadra: QuadraProcess) -> None:
    assert call(quadra, "DELETE", "/api/users/ann/data", quadra.init["write_key"])[0] == 403
    assert call(quadra, "DELETE", "/api/users/ann/data", "qk_unknown")[0] == 401


def test_an_admin_key_of_one_project_does_not_reach_another(quadra: QuadraProcess) -> None:
    run(quadra, "project", "create", "Other")
    made = call(quadra, "POST", "/api/keys", quadra.init["admin_key"], {"project": "other", "scope": "admin"})
    key = made[1]["key"]
    assert call(quadra, "DELETE", "/api/users/ann/data?project=default", key)[0] == 404
    assert call(quadra, "DELETE", "/api/users/ann/data", key)[0] == 202
