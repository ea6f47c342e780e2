"""The HTTP doors of the lenses, each under its prefixes, and their description."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from quadra.accounts.access import require_project
from quadra.analytics.lens_list import AT_DOORS, FOR_EDITORS, LENSES
from quadra.analytics.questions.lens import Lens
from quadra.core.api import legacy_routes
from quadra.core.api.doors import answered
from quadra.core.api.examples import example_of
from quadra.core.api.openapi import Answer, Body, Door
from quadra.core.api.raw_params import RawParams, raw_params
from quadra.core.errors import Invalid
from quadra.core.web.http import json_body, runtime

blueprint = Blueprint("analytics", __name__)


def described(lens: Lens[Any, Any]) -> Door:
    own, common = lens.own, lens.asks.params()
    first, *others = _paths(lens)
    body = None
    if lens.in_body:
        schema = own.body()
        body = Body(shape={**schema, "description": lens.Params.__doc__}, example=own.example())
    return Door(
        method="POST" if lens.in_body else "GET",
        path=first,
        title=lens.title,
        says=lens.says,
        needs=lens.needs,
        params=() if lens.in_body else (*own.params(), *common),
        body=body,
        answers={200: Answer(says="The answer.", shape=lens.Answer, example=example_of(lens.Answer))},
        refuses=(404, 503),
        also=tuple(others),
    )


def _paths(lens: Lens[Any, Any]) -> list[str]:
    own = [f"{prefix}/{lens.path}" for prefix in lens.prefixes]
    return [*own, *legacy_routes.ALSO.get(own[0], ())]


def _given(lens: Lens[Any, Any], named: dict[str, str]) -> RawParams:
    """In a body's question, what is common to all may stand in the address too."""
    if lens.in_body:
        return RawParams.of_body({**request.args.to_dict(), **json_body()})
    pairs = [pair for pair in request.args.items(multi=True) if pair[0] not in named]
    return raw_params([*pairs, *named.items()])


def _slug(lens: Lens[Any, Any]) -> str | None:
    slug = (json_body() if lens.in_body else {}).get("project")
    if slug is not None and not isinstance(slug, str):
        raise Invalid("A field has the wrong type.", fields={"project": "the slug of a project"})
    return slug or request.args.get(lens.project_as) or request.args.get("project")


def _door(lens: Lens[Any, Any]) -> None:
    def show(**named: str) -> Response:
        project = require_project(_slug(lens), lens.needs)
        return answered(lens.ask(runtime(), lens.read(_given(lens, named), project)))

    for number, path in enumerate(_paths(lens), start=1):
        rule = path.replace("{", "<path:").replace("}", ">")
        blueprint.add_url_rule(rule, f"{lens.path}_{number}", show, methods=["POST" if lens.in_body else "GET"])


for _lens in (*LENSES, *FOR_EDITORS, *AT_DOORS):
    _door(_lens)
