"""The pages of a timeline, as numbers: each address is read once, not for each event."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.snapshot import Snapshot
from quadra.analytics.questions.timeline import Codes, Timeline
from quadra.analytics.questions.visits import PAGE

ADDRESS = ("page_url", "page_query")
"""The columns that a page is made of."""
ADDRESSES_MOST = 200_000


class TooManyAddresses(Exception):
    """More than a statement takes as values."""


def pages_of(events: Snapshot, timeline: Timeline) -> tuple[Codes, list[str]]:
    """Of each event the number of its page, -1 where it has none, and the names of those numbers. Raises `TooManyAddresses`."""
    urls, queries = (timeline.texts[name] for name in ADDRESS)
    numbers, texts = urls.codes, (urls.values, pa.nulls(len(urls.values), pa.string()))
    if len(queries.values):
        packed = urls.codes.astype(np.int64) * (len(queries.values) + 1) + queries.codes + 1
        found = pc.dictionary_encode(pa.array(packed, mask=urls.codes < 0))
        numbers = found.indices.fill_null(-1).to_numpy()
        url, query = np.divmod(found.dictionary.to_numpy(), len(queries.values) + 1)
        texts = urls.values.take(pa.array(url)), queries.values.take(pa.array(query - 1, mask=query == 0))
    if len(texts[0]) > ADDRESSES_MOST:
        raise TooManyAddresses
    if not len(texts[0]):
        return np.full(len(numbers), -1, np.int32), []
    names: dict[str, int] = {}
    codes = [-1 if page is None else names.setdefault(page, len(names)) for page in _read(events, *texts)]
    return np.array([*codes, -1], np.int32)[numbers], list(names)


def _read(events: Snapshot, urls: pa.Array, queries: pa.Array) -> list[str | None]:
    params = Parameters()
    listed, beside = params.add(urls.to_pylist()), params.add(queries.fill_null("").to_pylist())
    sql = f"""
        SELECT {PAGE} AS page FROM (
            SELECT unnest({listed}) AS page_url, unnest({beside}) AS page_query, generate_subscripts({listed}, 1) AS place
        ) ORDER BY place"""
    return [page for (page,) in events.look.query(sql, params).rows]
