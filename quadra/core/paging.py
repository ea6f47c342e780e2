"""Lists in pages, newest first: what a request may say about them, and what an answer says beside the rows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from quadra.core.api.params import says, within


class Paged(Struct, kw_only=True):
    """What a request for a list says about its pages."""

    limit: Annotated[int, within(1, 1_000)] = 50
    cursor: Annotated[str | None, says("That of the page before.")] = None
    page: Annotated[int, within(1, 1_000_000)] = 1


class Around(Struct, kw_only=True):
    """What stands around the rows of a page."""

    total: int
    count: int
    cursor: Annotated[str | None, says("Of the next page; null on the last one.")]
