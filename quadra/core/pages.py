"""Which page an address is of, wherever pages are shown or grouped: the path without its query, with the route in its hash.

`analytics/visits/addresses.py` says the same as SQL, of the same expressions.
"""

from __future__ import annotations

import re

PATH = r"^(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*)?([^?#]*)"
ROUTE = r"^[^#]*(#!?/[^?]*)"
"""A hash that is a route of its own: `#/orders`, `#!/x`."""
_PATH, _ROUTE = re.compile(PATH), re.compile(ROUTE)


def page_of(url: str) -> str:
    path, route = _PATH.match(url), _ROUTE.match(url)
    return ((path and path[1]) or "/") + (route[1] if route else "")
