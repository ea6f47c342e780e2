"""A SECRET_KEY that can be guessed lets anybody sign a cookie for any user: production does not start with one."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

import pytest

from quadra.core.errors import Misconfigured
from quadra.core.setting_secrets import why_guessable
from quadra.core.settings import load

REFUSED = {
    "": "it is empty",
    "a": "1 bytes",
    "password": "8 bytes",
    "quadra": "6 bytes",
    "d41d8cd98f00b204e9800998ecf8427": "31 bytes",
    "a" * 64: "again and again",
    "quadra" * 8: "again and again",
    "s3cr3t-K3y!" * 3 + "s3cr": "again and again",
    "abcdefghijklmnopqrstuvwxyz0123456789": "a sequence",
    "9876543210zyxwvutsrqponmlkjihgfedcba": "a sequence",
    "qwertyuiopasdfghjklzxcvbnm1234567890": "a sequence",
    "change-me-to-a-long-random-string-please": "guessed first",
    "this_is_a_very_secret_key_for_production_use_only": "guessed first",
    "insert your own secret key here!!! at least 32 bytes": "guessed first",
    "quadra-production-session-secret-2026-key": "guessed first",
    "d41d8cd98f00b204e9800998ecf8427e": "guessed first",
    hashlib.sha256(b"password").hexdigest().upper(): "known to everybody",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf": "known to everybody",
}


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"QUADRA_ENVIRONMENT": "production"})


@pytest.mark.parametrize("secret", REFUSED)
def test_production_refuses_what_can_be_guessed_and_says_how_to_make_one(secret: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(secret_key=secret)
    assert "QUADRA_SECRET_KEY" in caught.value.message
    assert REFUSED[secret] in caught.value.message
    assert "openssl rand -hex 32" in caught.value.message
    assert len(secret) < 10 or secret not in caught.value.message


def test_production_takes_random_bytes_however_they_are_written() -> None:
    for _ in range(500):
        drawn = secrets.token_bytes(32)
        for written in (
            drawn.hex(),
            base64.b64encode(drawn).decode(),
            base64.b85encode(drawn).decode(),
            drawn.hex()[:32],
        ):
            assert why_guessable(written) == ""
    for unlucky in ("20909233883abce9032c345f58989879", "(-$A#PS2z>*xZA&y(Q(=)#>=zD{Z$o`*W@}Rgj*n"):
        assert why_guessable(unlucky) == ""
    assert load(secret_key=drawn.hex()).secret_key == drawn.hex()


def test_development_starts_with_any() -> None:
    assert load(secret_key="a", environment="development").secret_key == "a"
