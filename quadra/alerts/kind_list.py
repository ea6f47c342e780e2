"""Every kind of condition. A new one is a file in `kinds/` and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from quadra.accounts.tables import Project
from quadra.alerts.kind import Kind
from quadra.alerts.kinds import (
    ai_budget,
    anomaly,
    dead_letters,
    health,
    insight,
    new_error,
    no_events,
    threshold,
)
from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid

KINDS: tuple[Kind[Any], ...] = (
    threshold.KIND,
    no_events.KIND,
    anomaly.KIND,
    insight.KIND,
    new_error.KIND,
    ai_budget.KIND,
    health.KIND,
    dead_letters.KIND,
)
BY_NAME: Mapping[str, Kind[Any]] = {kind.name: kind for kind in KINDS}
for _kind in KINDS:
    _kind.params  # noqa: B018  a struct is looked through while modules are imported, never by several threads at once


def read_when(given: Mapping[str, Any], project: Project, *, kept: bool = False) -> tuple[Kind[Any], Struct]:
    """A condition as it is sent, and as it is `kept`: then it was checked, and what has become wrong shows when it is asked.

    Raises `Invalid`, naming the fields as `when.value`.
    """
    kind = BY_NAME.get(str(given.get("kind")))
    if kind is None:
        raise Invalid("There is no such kind of alert.", fields={"when.kind": "one of " + ", ".join(BY_NAME)})
    try:
        when = kind.params.of(RawParams.of_body({name: value for name, value in given.items() if name != "kind"}))
        if not kept:
            kind.check(when, project)
    except Invalid as error:
        fields = {f"when.{name}": text for name, text in (error.fields or {}).items()}
        raise Invalid("The condition cannot be taken as it is.", fields=fields or {"when": error.message}) from error
    return kind, when
