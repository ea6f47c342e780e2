"""Which country an address is in, and which region where the operator names a database that knows. No address is kept.

The free database of countries comes by npm with the dashboard's libraries, pinned by the lock file.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
from msgspec import Struct

from quadra.core import clock
from quadra.core.errors import Misconfigured
from quadra.core.runtime import Runtime
from quadra.ingest.columns import COLUMNS

logger = logging.getLogger(__name__)

COUNTRIES = Path(__file__).parent / "countries.mmdb"
FREE = "geo-whois-asn-country (CC0, ip-location-db)"
CODE = re.compile(r"[A-Z]{2}")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")
REGION_MOST = next(column.kept.sql.length for column in COLUMNS if column.name == "region")


class Place(NamedTuple):
    country: str | None
    """Its ISO code."""
    region: str | None


NOWHERE = Place(None, None)


class PlacesFrom(Struct, kw_only=True):
    """Where countries and regions come from."""

    name: str
    built_at: str


class Places:
    """The databases of this process, mapped into memory. One look takes a few microseconds: nothing is remembered, so that no
    address stays anywhere."""

    def __init__(self, runtime: Runtime):
        named = runtime.settings.geo_database
        self._cities = _opened(named) if named is not None else None
        self._countries = _opened(COUNTRIES) if COUNTRIES.exists() else None
        if self._cities is None and self._countries is None:
            logger.warning("ingest.places.no_database", extra={"path": str(COUNTRIES)})

    def of(self, address: str) -> Place:
        """Nowhere where the address is private, unknown, or none."""
        if address.startswith("::ffff:") and "." in address:
            address = address[7:]
        found = _look(self._cities, address)
        country, region = _country(found), _region(found)
        return Place(country or _country(_look(self._countries, address)), region)

    @property
    def sources(self) -> list[PlacesFrom]:
        """What an answer that names places has to say of them: the licences of cities want their name shown."""
        found = []
        for reader, name in ((self._cities, None), (self._countries, FREE)):
            if reader is not None:
                about = reader.metadata()
                built = clock.iso(clock.from_us(about.build_epoch * 1_000_000))
                found.append(PlacesFrom(name=name or about.database_type, built_at=built))
        return found

    def close(self) -> None:
        for reader in (self._cities, self._countries):
            if reader is not None:
                reader.close()


def preferred_language(header: str) -> str | None:
    """The first of an `Accept-Language`."""
    found = LANGUAGE.match(header[:64].lstrip())
    return found[0][:35] if found else None


def _opened(path: Path) -> maxminddb.Reader:
    """Raises `Misconfigured`: only a file that the operator names can be wrong."""
    try:
        return maxminddb.open_database(str(path))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise Misconfigured(f"QUADRA_GEO_DATABASE: {path} is no MaxMind DB that can be read ({error}).") from error


def _look(reader: maxminddb.Reader | None, address: str) -> dict[str, Any]:
    if reader is None:
        return {}
    try:
        found = reader.get(address)
    except ValueError:  # no address, or of IPv6 in a database that has none
        return {}
    return found if isinstance(found, dict) else {}


def _country(found: dict[str, Any]) -> str | None:
    """As MaxMind and DB-IP write it, and as the free one does."""
    inner = found.get("country")
    code = inner.get("iso_code") if isinstance(inner, dict) else found.get("country_code")
    return code if isinstance(code, str) and CODE.fullmatch(code) else None


def _region(found: dict[str, Any]) -> str | None:
    parts = found.get("subdivisions")
    names = parts[0].get("names") if isinstance(parts, list) and parts and isinstance(parts[0], dict) else None
    name = names.get("en") if isinstance(names, dict) else found.get("state1")
    return name[:REGION_MOST] if isinstance(name, str) and name else None
