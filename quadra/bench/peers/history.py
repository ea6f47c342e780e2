"""The page views that every product is given as its past: the same visitors, pages and moments, from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

DAYS = 30
PAGES = 200
VIEWS_A_VISIT = 5
VISITS_A_VISITOR = 4


class View(NamedTuple):
    at: datetime
    visitor: int
    page: int
    before: int | None
    """The page that the visitor came from."""


class Truth(NamedTuple):
    """What every product has to answer about this past."""

    page_views: int
    visitors: int
    top_page_views: int


def views(events: int, start: datetime) -> Iterator[View]:
    """Over the 30 days from `start`, visit by visit, a minute between two views of one."""
    chance = random.Random(7)
    visitors = max(1, events // VIEWS_A_VISIT // VISITS_A_VISITOR)
    seconds = DAYS * 86_400 - VIEWS_A_VISIT * 60
    for first in range(0, events, VIEWS_A_VISIT):
        visitor, began = chance.randrange(visitors), start + timedelta(seconds=chance.randrange(seconds))
        before = None
        for place in range(min(VIEWS_A_VISIT, events - first)):
            page = min(chance.randrange(PAGES), chance.randrange(PAGES))  # some pages are seen more than others
            yield View(began + timedelta(minutes=place), visitor, page, before)
            before = page


def truth(events: int, start: datetime) -> Truth:
    pages: Counter[int] = Counter()
    visitors = set()
    for view in views(events, start):
        pages[view.page] += 1
        visitors.add(view.visitor)
    return Truth(events, len(visitors), max(pages.values()))
