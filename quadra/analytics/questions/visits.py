"""Where a session ends and which page an event is of."""

from __future__ import annotations

GAP_US = 30 * 60 * 1_000_000
"""A pause of exactly this does not end a session."""
PAGE = "CASE WHEN page_url LIKE '%/' THEN regexp_replace(page_url, '([^/])/+$', '\\1') ELSE page_url END"
"""A page is its address as it came; a slash at its end makes no difference."""
