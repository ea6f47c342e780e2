"""HTTP doors that say what they take and give once, beside the view: the route and its description follow from that.

    doors = Doors("jobs", __name__)

    @doors("GET", "/api/jobs", title="List jobs", needs="viewer", asks=WHICH, answers=Jobs, refuses=(404,))
    def show_jobs(asked: Which) -> Jobs: ...

`WHICH = Params(Which)` is made when the module is imported. The room registers `doors.blueprint`, and `doors.described`
stands in its `GROUPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from msgspec import Struct

from quadra.core.api.examples import example_of
from quadra.core.api.given import Given, given_of
from quadra.core.api.openapi import NOBODY, Answer, Body, Door, Param
from quadra.core.api.params import Params
from quadra.core.web.http import json_body

View = TypeVar("View", bound=Callable[..., Any])
IN_ADDRESS = ("GET", "DELETE")


class Doors:
    """The doors of a room."""

    def __init__(self, name: str, import_name: str):
        self.blueprint = Blueprint(name, import_name)
        self.described: list[Door] = []

    def __call__(
        self,
        method: str,
        path: str,
        *also: str,
        title: str,
        answers: type[Struct],
        says: str = "",
        answer_says: str = "The answer.",
        asks: Params[Any] | None = None,
        in_address: bool = False,
        named: Mapping[str, Param] | None = None,
        slashes: tuple[str, ...] = (),
        needs: str = NOBODY,
        status: int = 200,
        refuses: tuple[int, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Callable[[View], View]:
        """The route of a view that gives `answers`. `path` is written as OpenAPI writes it, what it names is given to the
        view as keywords; `also` are other paths that do the same. What `asks` reads is given first: of the address where the
        method has no body, or with `in_address`. What is named in `slashes` may hold some.
        """
        in_body = asks is not None and method not in IN_ADDRESS and not in_address
        params = [(named or {}).get(name) or Param(name=name, shape=str) for name in _named(path)]
        params += asks.params() if asks is not None and not in_body else ()
        body = Body(shape=asks.body(), example=asks.example()) if asks is not None and in_body else None
        answer = Answer(says=answer_says, shape=answers, example=example_of(answers))
        self.described.append(
            Door(
                method=method,
                path=path,
                title=title,
                says=says,
                needs=needs,
                params=tuple(params),
                body=body,
                answers={status: answer},
                refuses=refuses,
                also=also,
            )
        )

        def register(view: View) -> View:
            @wraps(view)
            def show(**inside: Any) -> ResponseReturnValue:
                if asks is None:
                    return answered(view(**inside), status, headers)
                given = Given.of_body(json_body()) if in_body else given_of(request.args.items(multi=True))
                return answered(view(asks.of(given), **inside), status, headers)

            for number, each in enumerate((path, *also)):
                rule = each.replace("{", "<").replace("}", ">")
                for inside in slashes:
                    rule = rule.replace(f"<{inside}>", f"<path:{inside}>")
                name = f"{view.__name__}_{number}" if number else view.__name__
                self.blueprint.add_url_rule(rule, name, show, methods=[method])
            return view

        return register


def answered(answer: Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer as it is sent; a number that is none is null."""
    response = Response(msgspec.json.encode(answer), status, content_type="application/json")
    response.headers.update(headers or {})
    return response


def _named(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
