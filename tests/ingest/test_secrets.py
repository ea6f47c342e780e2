"""Errors and requests keep no headers, bodies, tokens or passwords; other kinds are as they came."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.secrets import REMOVED, covered
from quadra.ingest.wire import from_dict

SECRET = "Zx9-very-secret"


def accepted(**fields: Any) -> Row:
    return accept(from_dict(fields), Sender(1, "http"), clock.now_us())


def text_of(row: Row) -> str:
    return msgspec.json.encode(row).decode()


@pytest.mark.parametrize("kind", ["error", "request"])
@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"X-Custom": SECRET}},
        {"requestHeaders": [["cookie", SECRET]]},
        {"request": {"body": SECRET, "cookies": {"a": SECRET}}},
        {"form": [{"user_password": SECRET}, {"access_token": SECRET}, {"X-Api-Key": SECRET}]},
        {"note": f"Authorization: Bearer {SECRET}", "query": f"?token={SECRET}&x=1"},
    ],
)
def test_what_came_along_with_an_error_or_a_request_is_not_kept(kind: str, properties: dict[str, Any]) -> None:
    row = accepted(kind=kind, error_type="E", message="m", properties=properties)
    assert SECRET not in text_of(row)
    assert "[removed]" in text_of(row)


def test_what_messages_stacks_and_addresses_say_is_covered() -> None:
    row = accepted(
        kind="error",
        error_type="E",
        message=f'login failed: {{"password": "{SECRET}"}}',
        stack_trace=f"at get (api.js:3)\n  Authorization: Basic {SECRET}",
        endpoint=f"/callback?api_key={SECRET}",
        page_url=f"https://shop/reset?reset_token={SECRET}",
        referrer=f"https://shop/?session_token={SECRET}",
    )
    assert SECRET not in text_of(row)
    assert "at get (api.js:3)" in text_of(row)
    assert "login failed" in text_of(row)


def test_what_is_no_secret_stays() -> None:
    for text in ("Unexpected token } in JSON at position 4", "Invalid password", "tokens: 3", "the basics of it"):
        assert covered(text) == text
    properties = {"prompt_tokens": 12, "line": 3, "author": "me", "keys": ["a"]}
    row = accepted(kind="error", error_type="E", message="m", properties=properties)
    assert msgspec.json.decode(bytes(row.properties or b"")) == properties


def test_other_kinds_are_kept_as_they_came() -> None:
    row = accepted(event_type="a", page_url=f"/?token={SECRET}", properties={"headers": SECRET, "body": SECRET})
    assert text_of(row).count(SECRET) == 3


def test_a_long_word_before_the_name_of_a_secret_takes_no_longer() -> None:
    """Each of its letters was tried as the begin of the name: one event of 32 kB held the event loop for a minute."""
    began = time.process_time()
    assert covered("a-" * 15_000 + "token" + "a-" * 15_000 + " my_password=secret1").endswith(f"password={REMOVED}")
    assert time.process_time() - began < 1
