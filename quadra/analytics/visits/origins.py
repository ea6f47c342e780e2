"""Page views' addresses and referrers, each once, as SQL: which page and host it is, which source and channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.visits import dimensions
from quadra.analytics.visits.addresses import (
    host_of,
    names_one_of,
    page_of,
    parameter_of,
    referrer_host_of,
    without_www,
)
from quadra.analytics.visits.channels import CLICK_IDS, channel_of

ORIGIN = {
    name: f"coalesce({column}, '')"
    for name, column in (("url", "page_url"), ("query", "page_query"), ("came_from", "referrer"))
}
PAGE_AND_HOST = f"{page_of('url', 'query')} AS page, {host_of('url')} AS hostname"
OF_ORIGIN = {"page": "page", "hostname": "nullif(hostname, '')", "entry_page": "page", "exit_page": "page"}


def sources_of(params: Parameters) -> str:
    """The relation `sources`, of `origins` with a `code`."""
    utm = ", ".join(f"{parameter_of('url', name)} AS {name}" for name in dimensions.UTM)
    own = f"{without_www('own')} = {without_www('host')}"
    return f"""sources AS MATERIALIZED (
        SELECT *, {channel_of(params)} AS channel, nullif(host, '') AS referrer_host FROM (
            SELECT *, lower(utm_medium) AS medium, coalesce(nullif(lower(utm_source), ''), host) AS source FROM (
                SELECT * REPLACE (CASE WHEN own <> '' AND {own} THEN '' ELSE host END AS host) FROM (
                    SELECT code, {utm}, {names_one_of("url", tuple(CLICK_IDS))} AS click_id,
                        hostname AS own, {referrer_host_of("came_from")} AS host
                    FROM origins
                )
            )
        ))"""


def of_source(dimension: str) -> str:
    """The value of a dimension of sources."""
    return "sources.referrer_host" if dimension == "referrer" else f"nullif(sources.{dimension}, '')"


def named(origins: Mapping[str, Sequence[str]], dimension: str, params: Parameters) -> str:
    """Rows (code, value) of these origins, in their order."""
    lists = {name: params.add(list(texts)) for name, texts in origins.items()}
    unnested = ", ".join(f"unnest({each}) AS {name}" for name, each in lists.items())
    code = f"generate_subscripts({lists['url']}, 1) AS code"
    sources, value = "", OF_ORIGIN.get(dimension)
    if value is None:
        sources, value = f", {sources_of(params)}", of_source(dimension)
    found = "origins" if not sources else "origins JOIN sources USING (code)"
    return f"""
        WITH origins AS MATERIALIZED (SELECT *, {PAGE_AND_HOST} FROM (SELECT {unnested}, {code})){sources}
        SELECT code, {value} AS value FROM {found} ORDER BY code"""
