"""The tools as a server of the Model Context Protocol, by its official SDK.

The SDK needs asyncio, and this is imported only where somebody asks for tools: it costs 30 MB.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import anyio
import orjson
from anyio import to_thread
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from quadra import __version__
from quadra.accounts.tables import Project
from quadra.assistants.tools import BY_NAME, TOOLS
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime

logger = logging.getLogger(__name__)
SAYS = (
    "Questions about the events of one project of Quadra. Rates are in per cent, times are UTC. Begin with describe_project and "
    "list_events: other tools need the names that they give."
)
LISTED = ListToolsResult(
    tools=[
        Tool(
            name=tool.name,
            title=tool.title,
            description=tool.says,
            input_schema=tool.takes,
            annotations=ToolAnnotations(
                title=tool.title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )
        for tool in TOOLS
    ]
)
Answered = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


def server_of(runtime: Runtime, project: Project) -> Server[Any]:
    async def list_tools(_context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return LISTED

    async def call_tool(_context: Any, params: CallToolRequestParams) -> CallToolResult:
        return await to_thread.run_sync(partial(_call, runtime, project, params), abandon_on_cancel=True)

    return Server(
        "quadra",
        version=__version__,
        title="Quadra",
        instructions=SAYS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def answer_http(
    runtime: Runtime, project: Project, method: str, headers: list[tuple[str, str]], body: bytes
) -> Answered:
    """One request, on an event loop of its own on the calling thread: nothing is kept between two. Blocks."""
    return anyio.run(_answer_http, server_of(runtime, project), method, headers, body)


def serve_stdio(runtime: Runtime, project: Project) -> None:
    """Until the other side closes its end."""
    anyio.run(_serve_stdio, server_of(runtime, project))


async def _serve_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def _answer_http(server: Server[Any], method: str, headers: list[tuple[str, str]], body: bytes) -> Answered:
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    sent: list[Any] = []
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not unread:
            await anyio.sleep_forever()  # the client stays until it is answered
        return unread.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": None,
        "server": None,
    }
    async with manager.run():
        await manager.handle_request(scope, receive, send)
    begun = next(message for message in sent if message["type"] == "http.response.start")
    content = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in begun["headers"]]
    return int(begun["status"]), told, content


def _call(runtime: Runtime, project: Project, params: CallToolRequestParams) -> CallToolResult:
    """A wrong argument is told as over HTTP, as a result: the model reads it and asks again."""
    tool = BY_NAME.get(params.name)
    try:
        if tool is None:
            names = ", ".join(BY_NAME)
            return _told(
                {"error": {"code": "not_found", "message": f"There is no such tool. There are {names}."}}, wrong=True
            )
        return _told(tool.ask(runtime, project, params.arguments or {}))
    except QuadraError as error:
        said = {"code": error.code, "message": error.message, "fields": error.fields or {}}
        return _told({"error": said}, wrong=True)
    except Exception:
        logger.exception("assistants.tool.failed", extra={"tool": params.name})
        return _told({"error": {"code": "internal", "message": "Quadra made a mistake; it is in its log."}}, wrong=True)


def _told(answer: dict[str, Any], *, wrong: bool = False) -> CallToolResult:
    text = orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS).decode()
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=orjson.loads(text), is_error=wrong
    )
