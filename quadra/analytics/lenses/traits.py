"""What is known of people: their traits as their events merge into them, and the companies that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct

from quadra.analytics.questions.groups import RECORDED
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.listed import ids_of, of_person
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, iso, where_clause
from quadra.analytics.questions.trait_columns import COMPANY_SQL, MAY_NAME_COMPANY, MAY_SAY, SET, SET_ONCE
from quadra.core.api.openapi import Time
from quadra.core.api.params import says, within
from quadra.warehouse.query.span import Range

POINTER = "'/' || replace(replace(name, '~', '~0'), '/', '~1')"
"""The path of a trait in the object that has it."""


class Params(Asked, kw_only=True, frozen=True):
    user_id: Annotated[str | None, says("Any id of a person. Left out: which traits people have.", "user_42")] = None
    limit: Annotated[int, within(1, 1_000, "How many traits and companies to name.")] = 100


class Trait(Struct):
    name: str
    value: str | None
    """Null where the traits of all people are listed."""
    since: Time | None
    people: int


class Company(Struct):
    company: str
    people: int
    last_seen: Time


class Traits(Measured, kw_only=True):
    person: str | None
    traits: list[Trait]
    companies: list[Company]


def reach(asked: Params) -> Range:
    """What people are at the end of the range, all of history told."""
    return Range(None, asked.question.end_us)


def merged(asked: Params, ids: Sequence[str] | None) -> Statement:
    """Rows (name, value, us, people)."""
    params = Parameters()
    where = f"{where_clause(asked.question, params, people=True)} AND {MAY_SAY}"
    source = of_person(ids, params)
    said = " UNION ALL ".join(
        f"""
        SELECT person, us, event_id, name, {once} AS once, {place} AS place,
            json_extract_string({column}, '{path}' || pointer) AS value
        FROM (SELECT *, {POINTER} AS pointer FROM (
            SELECT person, occurred_us AS us, event_id, {column}, unnest(json_keys({column}, '{path}')) AS name
            FROM {source} WHERE {where}))"""
        for place, (column, path, once) in enumerate([(*each, "false") for each in SET] + [(*SET_ONCE, "true")])
    )
    shown = (
        "SELECT name, CAST(NULL AS VARCHAR) AS value, CAST(NULL AS BIGINT) AS us, count(*) AS people FROM merged GROUP BY name "
        "ORDER BY people DESC, name"
        if ids is None
        else "SELECT name, value, us, 1 AS people FROM merged ORDER BY name"
    )
    sql = f"""
        WITH said AS ({said}), in_one AS (
            SELECT person, us, event_id, name, once, arg_min(value, place) AS value FROM said
            WHERE value IS NOT NULL GROUP BY person, us, event_id, name, once
        ), at_once AS (
            SELECT person, us, name, once, CASE WHEN once THEN min(value) ELSE max(value) END AS value
            FROM in_one GROUP BY person, us, name, once
        ), merged AS (
            SELECT person, name,
                coalesce(arg_max(value, us) FILTER (NOT once), arg_min(value, us) FILTER (once)) AS value,
                coalesce(max(us) FILTER (NOT once), min(us)) AS us
            FROM at_once GROUP BY person, name
        )
        {shown} LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def companies(asked: Params, ids: Sequence[str] | None) -> Statement:
    """Rows (company, people, us), of one person the latest first."""
    params = Parameters()
    where = f"{where_clause(asked.question, params, people=True)} AND ({MAY_NAME_COMPANY})"
    sql = f"""
        SELECT company, count(DISTINCT person) AS people, max(us) AS us FROM (
            SELECT person, occurred_us AS us, {COMPANY_SQL} AS company FROM {of_person(ids, params)} WHERE {where}
        ) WHERE company IS NOT NULL GROUP BY company
        ORDER BY {"people DESC, company" if ids is None else "us DESC, company DESC"} LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> Traits:
    ids = ids_of(events, asked.user_id)
    traits = [Trait(name, value, iso(us), people) for name, value, us, people in events.ask(merged(asked, ids)).rows]
    named = [Company(company, people, iso(us) or "") for company, people, us in events.ask(companies(asked, ids)).rows]
    return Traits(**events.measures(), person=ids[0] if ids else None, traits=traits, companies=named)


def _statements(asked: Params) -> list[Statement]:
    ids = None if asked.user_id is None else [asked.user_id]
    return [merged(asked, ids), companies(asked, ids)]


LENS = Lens(
    path="user/traits",
    title="What is known of people",
    says="Traits as events merge into them (`$set`, `$set_once`, those of an identify), and companies. Values are those at the "
    "end of the range. Questions filter and break down by a trait as `person.<its name>`.",
    group=RECORDED,
    Params=Params,
    Answer=Traits,
    range=reach,
    statements=_statements,
    answer=answer,
)
