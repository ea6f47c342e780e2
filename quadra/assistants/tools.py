"""Every tool, made from what a lens says of itself; none of them writes. Nothing here knows the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import LENSES, read_asked
from quadra.analytics.questions.lens import Lens
from quadra.analytics.questions.question import COMMON, COMPARISON
from quadra.assistants import describing
from quadra.core.api.openapi import Schema
from quadra.core.api.params import Params
from quadra.core.errors import Invalid
from quadra.core.runtime import Runtime

ALIASES = ("project", "start_date", "end_date")
"""Parameters that no tool describes: the project is the key's, the others are second names."""


@dataclass(frozen=True)
class Tool:
    name: str
    title: str
    says: str
    takes: Schema
    ask: Callable[[Runtime, Project, Mapping[str, Any]], dict[str, Any]]
    """Blocks. Raises what questions raise: `Invalid`, `NotFound`, `Unavailable`."""


def _of_lens(lens: Lens[Any, Any]) -> Tool:
    interval = {"enum": list(lens.asks.intervals), "default": "day", "description": "How long a period is."}
    own = lens.own.body()["properties"] if lens.in_body else _described(lens.own)
    described: dict[str, Schema] = {**own, **_described(COMMON), lens.asks.interval: interval}
    if lens.asks.compares:
        described |= _described(COMPARISON)
    needed = lens.own.body().get("required", [])

    def ask(runtime: Runtime, project: Project, given: Mapping[str, Any]) -> dict[str, Any]:
        if given.get("project") not in (None, project.slug):
            raise Invalid("This project is not yours.", fields={"project": f"left out, or {project.slug}"})
        rest = {name: value for name, value in given.items() if name != "project"}
        answer: dict[str, Any] = msgspec.to_builtins(lens.ask(runtime, read_asked(lens.path, rest, project)))
        return answer

    return Tool(lens.path.replace("/", "_"), lens.title, lens.says, _takes(described, needed), ask)


def _described(params: Params[Any]) -> dict[str, Schema]:
    """As short as an address has them, but for lists and objects: a model reads all of this before its first question."""
    bodies: dict[str, Schema] = params.body()["properties"]
    found = {}
    for param in params.params():
        name = param.name.removesuffix("[property]")
        body = bodies[name]
        holds = {"items", "additionalProperties"} & body.keys()
        says = {"description": param.says} if param.says else {}
        found[name] = body if holds else {**param.shape, **says}
    return {name: schema for name, schema in found.items() if name not in ALIASES}


def _takes(properties: Mapping[str, Schema], needed: list[str]) -> Schema:
    required = {"required": needed} if needed else {}
    return {"type": "object", "properties": dict(properties), **required}


TOOLS: tuple[Tool, ...] = (
    Tool(
        "describe_project",
        "Describe the project",
        "Its name, time zone, first and last event, how many events of each kind it has, its goals and segments. Ask this first.",
        _takes({}, []),
        describing.describe_project,
    ),
    Tool(
        "list_events",
        "List events and properties",
        "The names of events in a range, the most frequent first, with their counts and the properties they have.",
        _takes(_described(describing.WHICH) | _described(COMMON), []),
        describing.list_events,
    ),
    *(_of_lens(lens) for lens in LENSES),
)
BY_NAME = {tool.name: tool for tool in TOOLS}
