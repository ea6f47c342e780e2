"""HTTP doors that say what they take and give once, beside the view: the route and its description follow from that.

    doors = Doors("jobs", __name__)

    @doors("GET", "/api/jobs", title="List jobs", needs="viewer", asks=Params(Which), answers=Jobs, refuses=(404,))
    def show_jobs(asked: Which) -> Jobs: ...

`Params(Which)` is made when the module is imported. The room registers `doors.blueprint`, and `doors.described` stands in
its `GROUPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

import msgspec
from flask import Blueprint, Response, current_app, request
from msgspec import Struct, inspect

from quadra.core.api import legacy_routes
from quadra.core.api.examples import example_of
from quadra.core.api.openapi import NOBODY, Answer, Body, Door, Param, one_of
from quadra.core.api.openapi_shapes import Error
from quadra.core.api.params import Params
from quadra.core.api.raw_params import RawParams, raw_params
from quadra.core.web.http import json_body

A = TypeVar("A", bound=Struct)
P = ParamSpec("P")
IN_ADDRESS = ("GET", "DELETE")
GATE = "quadra.gate"
"""The app's extension that refuses whoever has not the role that a door needs; the room of accounts sets it."""


class Registers(Protocol[A]):
    """Makes a view the door's. What is a response already goes out as it is: a page for a browser."""

    @overload
    def __call__(self, view: Callable[P, A], /) -> Callable[P, A]: ...
    @overload
    def __call__(self, view: Callable[P, A | Response], /) -> Callable[P, A | Response]: ...


@dataclass(frozen=True, kw_only=True)
class Other(Generic[A]):
    """An answer that goes out with another status than the usual one."""

    says: str
    when: Callable[[A], bool]
    shape: type[Struct] | None = None
    """Where it has more fields than the usual answer."""
    example: Struct | None = None


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
        answers: type[A] | Answer,
        says: str = "",
        answer_says: str = "The answer.",
        example: A | None = None,
        others: Mapping[int, Other[A]] | None = None,
        asks: Params[Any] | None = None,
        in_address: bool = False,
        lenient: bool = False,
        named: Mapping[str, Param] | None = None,
        slashes: tuple[str, ...] = (),
        needs: str = NOBODY,
        gated: bool = True,
        first: Callable[[], object] | None = None,
        status: int = 200,
        refuses: tuple[int, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Registers[A]:
        """The route of a view that gives `answers`, or a response where these are no struct: a file. `path` is written as
        OpenAPI writes it, what it names is given to the view as keywords; `also` are other paths that do the same. What is
        named in `slashes` may hold some.

        What `asks` reads is given first: of the address where the method has no body, or with `in_address`. Whatever else
        stands in the address is refused, except at `lenient` doors: links and probes, to which others add something.
        Nothing is read of whoever has not the role that the door `needs`; without `gated` the view looks at that itself.
        `first` is called before anything is read too, and raises what is to be refused.
        """
        also = (*also, *legacy_routes.ALSO.get(path, ()))
        in_body = asks is not None and method not in IN_ADDRESS and not in_address
        inside = [(named or {}).get(name) or Param(name=name, shape=str) for name in _named(path)]
        params = [*inside, *(asks.params() if asks is not None and not in_body else ())]
        body = _body(asks) if asks is not None and in_body else None
        usual = answers if isinstance(answers, Answer) else _usual(answers, answer_says, example)
        self.described.append(
            Door(
                method=method,
                path=path,
                title=title,
                says=says,
                needs=needs,
                params=tuple(params),
                body=body,
                answers={
                    status: usual,
                    **{code: _other(each, usual, needs) for code, each in (others or {}).items()},
                },
                refuses=refuses,
                also=also,
            )
        )

        def register(view: Callable[..., A | Response]) -> Any:
            @wraps(view)
            def show(**inside: Any) -> Response:
                if gated and needs != NOBODY:
                    current_app.extensions[GATE](needs)
                if first is not None:
                    first()
                answer = view(*_read(asks, in_body=in_body, lenient=lenient), **inside)
                if isinstance(answer, Response):
                    return answer
                code = next((code for code, other in (others or {}).items() if other.when(answer)), status)
                return answered(answer, code, headers)

            for number, each in enumerate((path, *also)):
                name = f"{view.__name__}_{number}" if number else view.__name__
                self.blueprint.add_url_rule(_rule(each, inside, slashes), name, show, methods=[method])
            return view

        return register


def answered(
    answer: Struct | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer as it is sent; a number that is none is null."""
    response = Response(msgspec.json.encode(answer), status, content_type="application/json")
    response.headers.update(headers or {})
    return response


def _read(asks: Params[Any] | None, *, in_body: bool, lenient: bool) -> tuple[Any, ...]:
    """What a view is given of the current request. Raises `Invalid`, naming every wrong field."""
    address = raw_params(request.args.items(multi=True))
    if asks is not None and in_body:
        address.refuse_unknown((), elsewhere=asks.names)
        return (asks.of(RawParams.of_body(json_body()).beside(address)),)
    if asks is not None:
        return (asks.of(address),)
    if not lenient:
        address.refuse_unknown(())
    address.check()
    return ()


def _named(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _rule(path: str, inside: Sequence[Param], slashes: Sequence[str]) -> str:
    """The path as Flask writes it. What is a number within bounds reaches the view as one; other texts are not found."""
    rule = path
    for param in inside:
        kind = inspect.type_info(param.shape)
        most = kind.le if isinstance(kind, inspect.IntType) else None
        converter = "path:" if param.name in slashes else "" if most is None else f"int(max={most}):"
        rule = rule.replace(f"{{{param.name}}}", f"<{converter}{param.name}>")
    return rule


def _body(asks: Params[Any]) -> Body:
    """No body is an empty object: where no field is needed, it may be left out."""
    return Body(shape=asks.body(), example=asks.example(), required=any(field.required for field in asks.fields.all))


def _usual(shape: type[Struct], text: str, example: Struct | None) -> Answer:
    """The example as it is sent; made of the fields where none is given."""
    return Answer(
        says=text, shape=shape, example=example_of(shape) if example is None else msgspec.to_builtins(example)
    )


def _other(other: Other[Any], usual: Answer, needs: str) -> Answer:
    """The same status may say that the request itself was refused: 503 where who asks is not known for the moment."""
    shape = other.shape or usual.shape
    example = None if other.example is None else msgspec.to_builtins(other.example)
    return Answer(says=other.says, shape=shape if needs == NOBODY else one_of(shape, Error), example=example)
