"""Erase a person from what was kept about events too. Insights: their ids, and the names that an LLM knew them by, leave every
text. Rooms above hand in what they keep.

The job of the warehouse does the rest. This comes first, while the rows still say which ids are one person's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from quadra.accounts.setup import installation_secret
from quadra.core.runtime import Runtime
from quadra.insights.handlers import LLM_SECRET
from quadra.insights.scrub import pseudonym
from quadra.insights.tables import Insight
from quadra.jobs.lease import Lease
from quadra.warehouse.erasure import erasing

ERASED = "[erased]"
AT_ONCE = 500
TEXTS = ("summary", "patterns", "recommendations", "evidence", "digest")


Forget = Callable[[Runtime, Lease, int, Sequence[str]], None]
"""Of a project (its id), everything that names the person whose ids these are."""


def erase_person(runtime: Runtime, lease: Lease, *, also: Iterable[Forget] = ()) -> None:
    """The job `erase`, from one end to the other."""
    erasure = erasing.begin(runtime, lease)
    for forget in (forget_in_insights, *also):
        forget(runtime, lease, erasure.project_id, erasure.ids)
    erasing.erase_person(runtime, lease)


def forget_in_insights(runtime: Runtime, lease: Lease, project_id: int, ids: Sequence[str]) -> None:
    with runtime.database.begin() as session:
        secret = installation_secret(session, LLM_SECRET)
    names = named(word for one in ids for word in (one, pseudonym(one, secret)))
    after = ""
    while (after := _forget_some(runtime, lease, project_id, names, after)) and not lease.lost.is_set():
        pass


def named(words: Iterable[str]) -> re.Pattern[str]:
    """Any of these as a word of its own: `u-1` is not in `u-12`."""
    listed = sorted(set(words), key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, listed)) + r")(?![\w-])")


def without(value: Any, names: re.Pattern[str]) -> Any:
    """A JSON value in which nobody is named any more, in keys neither."""
    if isinstance(value, str):
        return names.sub(ERASED, value)
    if isinstance(value, list):
        return [without(item, names) for item in value]
    if isinstance(value, dict):
        return {names.sub(ERASED, key): without(item, names) for key, item in value.items()}
    return value


def _forget_some(runtime: Runtime, lease: Lease, project_id: int, names: re.Pattern[str], after: str) -> str:
    """Go through the next insights of a project; the id of the last one, "" where there are no more."""
    query = sa.select(Insight).where(Insight.project_id == project_id, Insight.id > after)
    with runtime.database.read() as session:
        chunk = list(session.scalars(query.order_by(Insight.id).limit(AT_ONCE)))
    changed = {}
    for insight in chunk:
        kept = {name: getattr(insight, name) for name in TEXTS}
        if names.search(json.dumps(kept, ensure_ascii=False)):
            changed[insight.id] = without(kept, names)
    if changed:
        with runtime.database.begin() as session:
            lease.hold(session)
            for insight_id, values in changed.items():
                session.execute(sa.update(Insight).where(Insight.id == insight_id).values(values))
    return chunk[-1].id if chunk else ""
