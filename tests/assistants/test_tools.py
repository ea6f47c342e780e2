"""Tools for assistants over HTTP and stdio, asked by the client of the official SDK, against a real server."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from quadra.analytics.lens_list import LENSES
from quadra.assistants.tools import BY_NAME, TOOLS
from tests.servers.keeper import Keeper
from tests.servers.quadra import QuadraProcess

T = TypeVar("T")


@pytest.fixture(scope="module")
def quadra(keeper: Keeper) -> Iterator[QuadraProcess]:
    with closing(QuadraProcess(keeper)) as process:
        process.run("project", "create", "other", "--json")
        for number, slug in enumerate(("default", "other", "other")):
            made = json.loads(process.run("key", "create", "--project", slug, "--scope", "ingest", "--json").stdout)
            event = {"event_type": f"bought_{slug}", "user_id": f"u{number}", "properties": {"price": 3}}
            post(process, "/api/events", made["key"], json.dumps(event).encode())
        yield process


@pytest.fixture(scope="module")
def key(quadra: QuadraProcess) -> str:
    return str(
        json.loads(quadra.run("key", "create", "--scope", "read", "--json", "--project", "default").stdout)["key"]
    )


def post(quadra: QuadraProcess, path: str, key: str, body: bytes, accept: str = "*/*") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": accept}
    try:
        with urllib.request.urlopen(urllib.request.Request(quadra.base_url + path, body, headers)) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def by_http(quadra: QuadraProcess, key: str, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
            Client(streamable_http_client(f"{quadra.base_url}/mcp", http_client=http)) as client,
        ):
            return await ask(client)

    return anyio.run(run)


def by_stdio(quadra: QuadraProcess, slug: str, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "quadra", "mcp", "--project", slug],
            env=quadra._environment(),
            cwd=quadra.directory,
        )
        async with Client(server) as client:
            return await ask(client)

    return anyio.run(run)


async def everything(client: Client) -> dict[str, Any]:
    tools = (await client.list_tools()).tools
    events = await client.call_tool("list_events", {"days": 2})
    trend = await client.call_tool(
        "trends", {"aggregate": "unique", "interval": "whole", "where": {"price": {"gte": 3}}}
    )
    wrong = await client.call_tool("trends", {"agregate": "unique", "days": "many"})
    foreign = await client.call_tool("trends", {"project": "other"})
    steps = [{"event": "bought_default"}, {"event": "bought_other"}]
    funnel = await client.call_tool("funnels_query", {"steps": steps})
    project = await client.call_tool("describe_project", {})
    return {
        "tools": tools,
        "events": events.structured_content["events"],
        "value": trend.structured_content["series"][0]["points"][0]["value"],
        "wrong": (wrong.is_error, wrong.structured_content["error"]),
        "foreign": foreign.is_error,
        "funnel": [step["count"] for step in funnel.structured_content["steps"]],
        "project": project.structured_content["project"],
    }


def check(found: dict[str, Any], slug: str, people: int) -> None:
    assert [tool.name for tool in found["tools"]] == list(BY_NAME)
    assert all(tool.annotations.read_only_hint and not tool.annotations.destructive_hint for tool in found["tools"])
    assert found["events"] == [{"event": f"bought_{slug}", "kind": "event", "count": people, "properties": ["price"]}]
    assert found["value"] == people
    is_error, error = found["wrong"]
    assert is_error
    assert error["code"] == "invalid"
    assert set(error["fields"]) == {"agregate", "days"}
    assert found["foreign"] is (slug != "other")
    assert found["funnel"] == [people if slug == "default" else 0, 0]
    assert found["project"] == slug


def test_the_sdk_asks_over_http_with_a_read_key(quadra: QuadraProcess, key: str) -> None:
    check(by_http(quadra, key, everything), "default", 1)


def test_the_sdk_asks_over_stdio(quadra: QuadraProcess) -> None:
    check(by_stdio(quadra, "other", everything), "other", 2)


def test_an_older_client_settles_its_version_and_needs_no_session(quadra: QuadraProcess, key: str) -> None:
    accept = "application/json, text/event-stream"
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
    status, answer = post(quadra, "/mcp", key, body, accept)
    assert status == 200
    assert answer["result"]["protocolVersion"] == "2025-06-18"
    begun = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
    assert post(quadra, "/mcp", key, begun, accept) == (202, None)
    asked = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).encode()
    status, answer = post(quadra, "/mcp", key, asked, accept)
    assert len(answer["result"]["tools"]) == len(TOOLS)
    assert post(quadra, "/mcp", key, b"{nonsense", accept)[0] == 400
    status, answer = post(quadra, "/mcp", key, asked, "text/plain")
    assert (status, answer["error"]["code"], list(answer["error"]["fields"])) == (400, "invalid", ["headers"])


def test_only_a_key_that_reads_opens_it(quadra: QuadraProcess) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    assert post(quadra, "/mcp", "qk_nobody", body)[0] == 401
    assert post(quadra, "/mcp", quadra.init["write_key"], body)[0] == 403


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.path)
def test_every_question_is_a_tool_that_says_what_it_takes(lens: Any) -> None:
    takes = BY_NAME[lens.path.replace("/", "_")].takes
    assert set(lens.own.names) <= set(takes["properties"]) | {"project"}
    assert {"from", "to", "days", "where", "segment", lens.asks.interval} <= set(takes["properties"])
    assert "project" not in takes["properties"]
    assert set(takes.get("required", [])) <= set(takes["properties"])
