"""Every lens. A new one is a file in `lenses/` and a line here.

Nothing here knows HTTP: the worker may ask lenses too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.funnels import body as funnels
from quadra.analytics.lenses import (
    ai,
    business,
    errors,
    event_types,
    events,
    features,
    goals,
    hidden,
    journeys,
    lifecycle,
    metrics,
    numbers,
    overview,
    paths,
    performance,
    realtime,
    recorded_funnels,
    retention,
    satisfaction,
    sessions,
    stickiness,
    traits,
    trends,
    users,
    visits,
)
from quadra.analytics.questions.lens import Lens
from quadra.analytics.sql import lens as sql
from quadra.core.api.raw_params import RawParams, raw_params
from quadra.core.errors import Invalid

LENSES: tuple[Lens[Any, Any], ...] = (
    trends.LENS,
    retention.LENS,
    stickiness.LENS,
    lifecycle.LENS,
    funnels.LENS,
    paths.LENS,
    sessions.LENS,
    visits.LENS,
    goals.LENS,
    overview.LENS,
    realtime.LENS,
    numbers.LENS,
    hidden.LENS,
    users.LENS,
    performance.LENS,
    errors.LENS,
    ai.LENS,
    events.LENS,
    event_types.LENS,
    traits.LENS,
    features.LENS,
    recorded_funnels.LENS,
    journeys.LENS,
    satisfaction.LENS,
    metrics.LENS,
)
"""Those that a saved view may ask."""
AT_DOORS: tuple[Lens[Any, Any], ...] = (recorded_funnels.LENS_OF_ONE, business.LENS)
"""Those that have a door and nothing else: the first is asked by its path, the second is of a project as a business."""
FOR_EDITORS: tuple[Lens[Any, Any], ...] = (sql.LENS,)
"""Those that only editors may ask, and that views may keep."""
BY_PATH: Mapping[str, Lens[Any, Any]] = {lens.path: lens for lens in (*LENSES, *FOR_EDITORS)}


def lens_of(path: str) -> Lens[Any, Any]:
    """Raises `Invalid`."""
    if path not in BY_PATH:
        raise Invalid("There is no such lens.", fields={"lens": "one of " + ", ".join(BY_PATH)})
    return BY_PATH[path]


def read_asked(path: str, params: Mapping[str, Any], project: Project) -> Any:
    """A question as it is kept in a saved view, read as at its door: the lens's `Params`. Raises `Invalid`, naming the
    fields as the lens does. `params` of a lens that an address asks may have lists in them: a parameter given several times.
    """
    lens = lens_of(path)
    return lens.read(RawParams.of_body(params) if lens.in_body else _of_address(params), project)


def _of_address(params: Mapping[str, Any]) -> RawParams:
    return raw_params(_pairs(params))


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`{"where": {"age": {"gt": 3}}}` is `where[age][gt]=3`."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _pairs({f"{name}[{inner}]": each for inner, each in value.items()})
        else:
            yield from ((name, one) for one in (value if isinstance(value, list) else [value]) if one is not None)
