"""A question by the name of its lens, as it is kept in a saved view: the same reading and the same answer as at its door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.funnels import body as funnel_body
from quadra.analytics.funnels import funnel
from quadra.analytics.routes import FUNNELS, GETS
from quadra.core.errors import Invalid
from quadra.core.given import Given, given_of
from quadra.core.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was read and found right."""

    read: Any
    answer: Callable[[Runtime, Any], dict[str, Any]]

    def of(self, runtime: Runtime) -> dict[str, Any]:
        """Blocks. Raises `Unavailable` as every question does, `Invalid` where it has too many periods."""
        return self.answer(runtime, self.read)


def lenses() -> tuple[str, ...]:
    return (*GETS, FUNNELS)


def read_asked(lens: str, params: Mapping[str, Any], project: Project) -> Asked:
    """Raises `Invalid`, naming the fields as the lens does. `params` of a lens that an address asks may have lists in them:
    a parameter given several times.
    """
    if lens == FUNNELS:
        return Asked(funnel_body.read(Given.of_body(params), project), funnel.answer)
    if lens not in GETS:
        raise Invalid("There is no such lens.", fields={"lens": "one of " + ", ".join(lenses())})
    read, answer = GETS[lens]
    return Asked(read(_of_address(params), project), answer)


def _of_address(params: Mapping[str, Any]) -> Given:
    pairs: list[tuple[str, Any]] = []
    for name, value in params.items():
        inner = (
            {f"{name}[{prop}]": each for prop, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
        for key, found in inner.items():
            pairs += [(key, each) for each in (found if isinstance(found, list) else [found]) if each is not None]
    return given_of(pairs)
