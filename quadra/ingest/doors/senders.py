"""Who sends: which write key a request or connection has, and what that says of its sender. Of one web process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from quadra.accounts.keys import START, TOUCH_EVERY, Key, KeyRing, find_key, origin_allowed, touch_keys
from quadra.core import clock
from quadra.core.errors import Forbidden, Limited, QuadraError, Unauthorised, Unavailable
from quadra.core.networks import is_among, parse
from quadra.core.runtime import Runtime
from quadra.core.web.addresses import client_of
from quadra.core.web.loop import Threads
from quadra.ingest import metrics
from quadra.ingest.accept import Sender
from quadra.ingest.agents import browser_of
from quadra.ingest.doors import body
from quadra.ingest.doors.quota import Quota
from quadra.ingest.doors.refusals import Refusals
from quadra.ingest.places import NOWHERE, Places, preferred_language
from quadra.ingest.visitors import Visitors

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Senders:
    def __init__(self, runtime: Runtime):
        self.quota = Quota(runtime)
        self.refusals = Refusals(runtime.settings)
        self._timeout_seconds = runtime.settings.ingest_timeout.total_seconds()
        self._places = runtime.the(Places)
        self._visitors = Visitors(runtime.database)
        self._trusted = runtime.settings.trusted_proxies
        self._database = runtime.database
        self._threads = Threads(runtime.loop, 2, "keys")  # its own: a key must not wait behind a slow question
        self._ring = KeyRing(self._load)
        self._looking: set[str] = set()
        self._noted: dict[int, datetime] = {}

    def sender(self, environ: Mapping[str, Any], plain: str, *, door: str, needs_identity: bool = False) -> Sender:
        """Whoever sends this request, or opens this connection, with the key `plain`.

        Raises `Unauthorised`, `Forbidden` (not a write key, or not from this origin), `Unavailable` (database away), and
        `Limited` for strangers who were refused too often.
        """
        try:
            key = self._key(environ, plain)
            origin = environ.get("HTTP_ORIGIN", "")
            if not origin_allowed(key.origins, origin):
                raise Forbidden(f"This key does not allow the origin {origin or '(none)'}.", code="origin")
        except QuadraError as error:
            metrics.refused("key", error.code)
            raise
        user_agent = environ.get("HTTP_USER_AGENT", "")
        device = browser_of(user_agent)
        # only browsers send an Origin: a server's own user agent says nothing about the people it speaks for
        is_browser = bool(origin)
        if is_browser:
            self._ready_visitors()
        # an app on a phone sends no Origin either; a library of a server does not pass for one
        is_theirs = is_browser or (bool(user_agent) and not device.bot)
        # a server that passes on the header of its own visitor; "Mozilla/5.0" is how every browser begins
        is_told = is_browser or (is_theirs and device.os is not None and user_agent.startswith("Mozilla/5.0 ("))
        address = client_of(environ, self._trusted)
        country, region = self._places.of(address) if is_theirs else NOWHERE
        return Sender(
            project_id=key.project_id,
            door=door,
            device_type=device.device_type if is_told else None,
            browser=device.browser if is_told else None,
            os=device.os if is_told else None,
            bot=device.bot and is_browser,
            country=country,
            region=region,
            language=preferred_language(environ.get("HTTP_ACCEPT_LANGUAGE", "")) if is_browser else None,
            meter=self.quota.meter(key.id),
            visitor=self._visitors.id_of(key.project_id, address, user_agent) if is_browser else None,
            needs_identity=needs_identity,
        )

    def trusts(self, sender: Sender, environ: Mapping[str, Any], token: str = "") -> bool:
        """Whether this request may say which address it speaks of: from a trusted proxy, or with a read or admin key.

        On the event loop, before `speaking_of`, which may be called on any thread.
        """
        self._ready_visitors()
        if is_among(environ.get("REMOTE_ADDR") or "", self._trusted):
            return True
        key = self.find(token) if token.startswith(START) else None
        return key is not None and key.scope != "ingest" and key.project_id == sender.project_id

    def speaking_of(
        self, sender: Sender, environ: Mapping[str, Any], *, trusted: bool, agent: str = "", address: str = ""
    ) -> Sender:
        """The sender as the visitor that an event of another tracker names by user agent and address, where it sends no id.

        A server speaks for a person's browser, so the user agent that it names counts; of a browser only its own header does.
        """
        if not agent or (environ.get("HTTP_ORIGIN") and not trusted):
            agent = environ.get("HTTP_USER_AGENT", "")
        said = parse(address) if address and trusted else None
        where = client_of(environ, self._trusted) if said is None else str(said)
        device = browser_of(agent)
        known: dict[str, Any] = {}
        if not device.bot:
            country, region = self._places.of(where)
            known = {"device_type": device.device_type, "browser": device.browser, "os": device.os}
            known |= {"country": country, "region": region}
        return replace(sender, **known, visitor=self._visitors.id_of(sender.project_id, where, agent))

    def _key(self, environ: Mapping[str, Any], plain: str) -> Key:
        key = self.find(plain)
        if key is not None and key.scope == "ingest":
            return key
        self.refusals.count(environ)
        if key is not None:
            raise Forbidden("This key cannot send events; use a write key.")
        raise Unauthorised("This key is not known." if plain else "A write key is needed (header X-Quadra-Key).")

    def look_for_key(self, environ: Mapping[str, Any], text: bytes) -> None:
        """Whether a plain body holds a write key at all, asked before much is made of it.

        Raises as `sender` does. Which key it is and whether it stands in the right place is for the door to say.
        """
        for plain in body.keys_in(text):
            key = self.find(plain)
            if key is not None and key.scope == "ingest":
                return
        try:
            self.refusals.count(environ)
            raise Unauthorised("A write key that is known is needed (header X-Quadra-Key).")
        except (Limited, Unauthorised) as error:
            metrics.refused("key", error.code)
            raise

    def find(self, plain: str) -> Key | None:
        if not plain or len(plain) > 200 or not plain.isascii():
            return None
        fresh, key = self._ring.cached(plain)
        if fresh:
            return key
        if key is not None:
            self.refresh(plain)
            return key
        key = self._ask(self._load, plain)
        self._ring.store(plain, key)
        return key

    def _ask(self, function: Callable[..., T], *args: Any) -> T:
        """Something of the database, on a thread. Raises `Unavailable`."""
        try:  # a driver may wait for a frozen server for much longer than a sender does
            return self._threads.run_within(self._timeout_seconds, function, *args)
        except TimeoutError as error:
            raise Unavailable("The database does not answer; try again.", retry_after_seconds=2) from error

    def _ready_visitors(self) -> None:
        if not self._visitors.is_ready:
            self._ask(self._visitors.load)

    def refresh(self, plain: str) -> tuple[bool, Key | None]:
        """(still fresh, key) without waiting. A key that was known a minute ago serves while it is looked up behind: many
        senders must not wait for a database that hangs, and the writer says whether their events can be stored.
        """
        fresh, key = self._ring.cached(plain)
        if not fresh and plain not in self._looking:
            self._looking.add(plain)
            self._threads.submit(lambda: self._load(plain), lambda key, error: self._refreshed(plain, key, error))
        return fresh, key

    def _refreshed(self, plain: str, key: Key | None, error: BaseException | None) -> None:
        self._looking.discard(plain)
        if error is None:
            self._ring.store(plain, key)
        elif not isinstance(error, Unavailable):
            logger.error("ingest.key.lookup_failed", exc_info=error)

    def _load(self, plain: str) -> Key | None:
        with self._database.read() as session:
            key = find_key(session, plain)
        at = clock.now()
        if key is not None and at - self._noted.get(key.id, clock.EPOCH) > TOUCH_EVERY:
            self._noted[key.id] = at
            with self._database.begin() as session:
                touch_keys(session, {key.id: at})
        return key
