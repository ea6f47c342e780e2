"""Where a session ends and which page an event is of."""

from __future__ import annotations

from quadra.analytics.visits.addresses import page_of

GAP_US = 30 * 60 * 1_000_000
"""A pause of exactly this does not end a session."""


def _page(query: str) -> str:
    return f"regexp_replace({page_of('page_url', query)}, '([^/#!])/+$', '\\1')"


PAGE = _page("page_query")
"""The page of an event; a slash at its end makes no difference."""
PAGES = f"""
    SELECT page_url AS of_url, query AS of_query, {_page("query")} AS page, row_number() OVER () AS code
    FROM (SELECT DISTINCT page_url, coalesce(page_query, '') AS query FROM events WHERE page_url IS NOT NULL)"""
"""The pages of all addresses: each is read once, not for each event."""
IS_OF = "page_url = of_url AND coalesce(page_query, '') = of_query"
WITH_PAGES = f"(SELECT events.*, page FROM events LEFT JOIN ({PAGES}) AS pages ON {IS_OF})"
"""The events with their `page`."""
