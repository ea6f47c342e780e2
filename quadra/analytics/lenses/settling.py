"""Which of several things at one instant came first: their event ids say it, and are read for those instants alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot, Statement
from quadra.analytics.questions.timeline import Codes, Flags, Numbers, begins

TIED_MOST = 200_000
"""Instants at which one person does several things."""


class TooManyTied(Exception):
    """More instants than are worth being settled."""


def settle(
    events: Snapshot,
    who: Codes,
    us: Numbers,
    values: Codes,
    named: Callable[[pa.Array], list[Any]],
    coded: Callable[[str], int],
    told: Callable[[Parameters], str],
) -> None:
    """Put the values of one instant in their order, in place. `told` is a statement of (person, us, event_id, value) of the same
    events, `named` and `coded` tell the names of people and the numbers of values. Raises `TooManyTied`.
    """
    instants, which = mixed(who, us, values)
    if len(instants) > TIED_MOST:
        raise TooManyTied
    if len(instants):
        params = Parameters()
        whose, at = params.add(named(pa.array(who[instants]))), params.add(us[instants].tolist())
        sql = f"""
            WITH tied AS MATERIALIZED (
                SELECT unnest({whose}) AS person, unnest({at}) AS us, generate_subscripts({at}, 1) AS place
            )
            SELECT value FROM ({told(params)}) JOIN tied USING (person, us) ORDER BY place, event_id"""
        values[which] = [coded(value) for (value,) in events.ask_anew(Statement(sql, params)).rows]


def mixed(who: Codes, us: Numbers, values: Codes) -> tuple[Numbers, Flags]:
    """Where the instants begin at which a person has different values, and which events are of those."""
    instant = begins(who) | begins(us)
    if not (begins(values) & ~instant).any():
        return np.zeros(0, np.int64), np.zeros(len(values), np.bool_)
    run, first = np.cumsum(instant) - 1, np.flatnonzero(instant)
    found = np.zeros(len(first), np.bool_)
    found[run[values != values[first][run]]] = True
    return first[found], found[run]


def names_of(people: pa.Array) -> Callable[[pa.Array], list[Any]]:
    def named(who: pa.Array) -> list[Any]:
        names: list[Any] = people.take(who).to_pylist()
        return names

    return named
