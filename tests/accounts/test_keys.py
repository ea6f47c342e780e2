from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from quadra.accounts.keys import (
    LONGEST,
    STALE_SECONDS,
    Key,
    KeyRing,
    find_key,
    list_keys,
    make_key,
    origin_allowed,
    revoke_key,
    touch_keys,
)
from quadra.accounts.projects import create_project
from quadra.accounts.tables import ApiKey, Project
from quadra.core import clock
from quadra.core.database import Database
from quadra.core.errors import Invalid

KEY = Key(1, 1, "shop", "ingest", "qk_12345678", (), "UTC")


@pytest.fixture
def made(database: Database) -> tuple[ApiKey, str]:
    with database.begin() as session:
        project = create_project(session, name="Shop", timezone="Europe/Berlin")
        return make_key(session, project=project, scope="ingest", origins=["https://Example.com/"])


def test_a_key_is_found_by_its_plain_text_and_the_table_does_not_hold_it(
    database: Database, made: tuple[ApiKey, str]
) -> None:
    row, plain = made
    assert re.fullmatch(r"qk_[A-Za-z0-9_-]{32,}", plain)
    with database.read() as session:
        found = find_key(session, plain)
        stored = session.get_one(ApiKey, row.id)
    assert found == Key(row.id, row.project_id, "shop", "ingest", plain[:11], ("https://example.com",), "Europe/Berlin")
    assert plain not in str(vars(stored))


@pytest.mark.parametrize("plain", ["", "qk_", "qk_" + "x" * 40, "no key", "qk_" + "x" * LONGEST])
def test_what_was_never_made_is_no_key(database: Database, plain: str) -> None:
    with database.read() as session:
        assert find_key(session, plain) is None


def test_a_revoked_key_is_not_found_and_stays_in_the_list(database: Database, made: tuple[ApiKey, str]) -> None:
    row, plain = made
    with database.begin() as session:
        first = revoke_key(session, key_id=row.id).revoked_at
        assert first is not None
        assert revoke_key(session, key_id=row.id).revoked_at == first
    with database.read() as session:
        assert find_key(session, plain) is None
        assert [key.id for key in list_keys(session)] == [row.id]


@pytest.mark.parametrize(
    ("field", "value"),
    [("scope", "root"), ("name", "x" * 201), ("origins", ["example.com"]), ("origins", ["https://*"])],
)
def test_a_wrong_field_of_a_key_is_named(database: Database, field: str, value: object) -> None:
    with pytest.raises(Invalid) as caught, database.begin() as session:
        make_key(session, project=create_project(session, name="Shop"), **{"scope": "read", field: value})
    assert list(caught.value.fields) == [field]


def test_last_use_is_noted_at_most_once_a_minute(database: Database, made: tuple[ApiKey, str]) -> None:
    start = clock.now()
    noted = []
    for seconds in (0, 59, 60):
        with database.begin() as session:
            touch_keys(session, {made[0].id: start + timedelta(seconds=seconds)})
        with database.read() as session:
            noted.append(session.get_one(ApiKey, made[0].id).last_used_at)
    assert noted == [start, start, start + timedelta(seconds=60)]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ([], None, True),
        ([], "https://any.org", True),
        (["*"], None, True),
        (["https://example.com"], "https://example.com", True),
        (["https://example.com"], "https://EXAMPLE.com", True),
        (["https://example.com"], "http://example.com", False),
        (["https://example.com"], "https://example.com:8443", False),
        (["https://example.com"], "https://example.com.evil.org", False),
        (["https://example.com"], None, False),
        (["https://example.com"], "null", False),
        (["https://*.example.com"], "https://www.example.com", True),
        (["https://*.example.com"], "https://a.b.example.com", True),
        (["https://*.example.com"], "https://example.com", False),
        (["https://*.example.com"], "https://.example.com", False),
        (["https://*.example.com"], "https://evilexample.com", False),
        (["https://*.example.com"], "https://evil.org/.example.com", False),
        (["https://*.example.com"], "https://evil.org:1@x.example.com", False),
        (["https://*.example.com:8443"], "https://a.example.com:8443", True),
        (["https://*.example.com"], "https://a.example.com:8443", False),
    ],
)
def test_an_origin_is_allowed_where_the_key_names_it(origins: list[str], origin: str | None, allowed: bool) -> None:
    assert origin_allowed(origins, origin) is allowed


def test_the_ring_asks_once_for_each_key_known_or_not() -> None:
    asked: list[str] = []

    def load(plain: str) -> Key | None:
        asked.append(plain)
        return KEY if plain == "good" else None

    ring = KeyRing(load)
    assert ring.cached("good") == (False, None)
    assert [ring.find("good"), ring.find("bad"), ring.find("good"), ring.find("bad")] == [KEY, None, KEY, None]
    assert asked == ["good", "bad"]
    assert ring.cached("good") == (True, KEY)
    assert ring.cached("bad") == (True, None)


def test_the_ring_forgets_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing(lambda plain: None, ttl_seconds=5)
    at = 1000.0
    monkeypatch.setattr("quadra.accounts.keys.time.monotonic", lambda: at)
    ring.store("good", KEY)
    ring.store("bad", None)
    at += 5.1
    assert ring.cached("good") == (False, KEY)  # what it was, for whoever answers at once and looks again behind
    assert ring.cached("bad") == (False, None)
    at += STALE_SECONDS
    assert ring.cached("good") == (False, None)  # nobody looked for a minute: it may be revoked by now


def test_a_key_may_be_limited_to_a_hundred_origins(database: Database, made: tuple[ApiKey, str]) -> None:
    origins = [f"https://{number}.example.com" for number in range(101)]
    with database.begin() as session:
        project = session.get_one(Project, made[0].project_id)
        assert len(make_key(session, project=project, scope="ingest", origins=origins[:100])[0].origins) == 100
        with pytest.raises(Invalid):
            make_key(session, project=project, scope="ingest", origins=origins)


def test_the_ring_is_bounded_and_guesses_do_not_push_real_keys_out() -> None:
    ring = KeyRing(lambda plain: None, size=3)
    ring.store("good", KEY)
    for number in range(10):
        ring.store(f"guess {number}", None)
    ring.store("x" * (LONGEST + 1), None)
    assert ring.cached("good") == (True, KEY)
    assert [ring.cached(f"guess {number}")[0] for number in (6, 7, 9)] == [False, True, True]
    assert not ring.cached("x" * (LONGEST + 1))[0]


def test_a_key_that_turns_up_later_is_no_longer_unknown(key_of: Callable[..., str]) -> None:
    ring = KeyRing(lambda plain: None)
    ring.store("key", None)
    ring.store("key", KEY)
    assert ring.cached("key") == (True, KEY)
    ring.store("key", None)
    assert ring.cached("key") == (True, None)
