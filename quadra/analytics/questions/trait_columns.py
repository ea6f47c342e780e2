"""What the events of a person say about them: traits, merged, as columns that a question can filter and break down by.

`$set` is the traits of an identify and `$set` of any event: the last value by time of occurrence counts. `$set_once` of any event
counts where nothing was ever set: of several the first. So the answer depends on the events alone, not on the order in which they
came. At one microsecond the greater text of `$set` counts, and the lesser one of `$set_once`; null says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quadra.warehouse.columns import property_path

OF_PERSON = "person."
"""A filter or a breakdown by `person.plan` goes by the trait `plan` of whoever the event is of."""
COLUMN = re.compile(r'"person\.([0-9a-f]*)"')

COMPANY = "company"
COMPANY_PATHS = (
    *("/company", "/$groups/company", "/$groups/organization"),  # PostHog's groups
    *("/context/groupId", "/groupId"),  # Segment's: of an event, and of `group` itself
    "/$group_key",
)
"""Where an event says whose company it belongs to, the first that is there."""
COMPANY_SQL = "coalesce(" + ", ".join(f"json_extract_string(properties, '{path}')" for path in COMPANY_PATHS) + ")"

SET = (("fields", "/traits"), ("properties", "/$set"))
"""Where an event says what its person is now, the first that has the trait."""
SET_ONCE = ("properties", "/$set_once")
MAY_SAY = "(kind = 'identify' OR contains(properties, 'set'))"
"""Leaves most events unread; which of the others say something is found out by reading."""
MAY_NAME_COMPANY = " OR ".join(f"contains(properties, '{part}')" for part in ("company", "organization", "roup"))


def column_of(trait: str) -> str:
    """The column of a trait, whatever characters its name has."""
    return f'"{OF_PERSON}{trait.encode().hex()}"'


def traits_in(sql: str) -> list[str]:
    """The traits whose columns a statement names."""
    return [bytes.fromhex(found).decode() for found in dict.fromkeys(COLUMN.findall(sql))]


def traits_sql(traits: Sequence[str], told_by: str, source: str = "events") -> tuple[str, dict[str, str]]:
    """Rows (person, a column for each trait), and the parameters. Of people with at least one of them; `told_by` is the condition
    of events of `source` that tell something.
    """
    params: dict[str, str] = {}
    inner, outer, found = [], [], []
    may_say = f"{MAY_SAY} OR {MAY_NAME_COMPANY}" if COMPANY in traits else MAY_SAY
    for number, trait in enumerate(traits):
        params[f"trait{number}"] = property_path(trait)
        values = [f"json_extract_string({source}, '{place}' || $trait{number})" for source, place in (*SET, SET_ONCE)]
        last = f"coalesce(arg_max(set_{number}, us), arg_min(once_{number}, us))"
        inner += [f"max(coalesce({values[0]}, {values[1]})) AS set_{number}", f"min({values[2]}) AS once_{number}"]
        found += values
        if trait == COMPANY:  # a group that was named says more than a trait of that name, which may be an object
            inner.append(f"max({COMPANY_SQL}) AS group_{number}")
            last = f"coalesce(arg_max(group_{number}, us), {last})"
            found.append(COMPANY_SQL)
        outer.append(f"{last} AS {column_of(trait)}")
    sql = f"""
        SELECT person, {", ".join(outer)} FROM (
            SELECT person, occurred_us AS us, {", ".join(inner)} FROM {source}
            WHERE ({may_say}) AND {told_by} AND coalesce({", ".join(found)}) IS NOT NULL
            GROUP BY person, occurred_us
        ) GROUP BY person"""
    return sql, params
