"""Passwords as argon2id hashes; the plain text goes no further than this file.

Hashing takes about 0.1 s and 64 MiB: few threads do it at a time, and before a transaction that writes begins, since on
SQLite such a transaction keeps every event waiting.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from quadra.core.errors import Invalid, Unavailable

SHORTEST, LONGEST = 10, 1024

hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(4)  # 64 MiB each; the web process has more threads than memory for them all


@dataclass(frozen=True, slots=True)
class Hashed:
    """A password as the table keeps it. A class of its own, so that no plain text is ever stored in its place."""

    text: str


def hash_password(password: str) -> Hashed:
    """Raises `Invalid`, and `Unavailable` when too many are waiting."""
    if not SHORTEST <= len(password) <= LONGEST:
        wanted = f"{SHORTEST} to {LONGEST} characters"
        raise Invalid(f"A password has {wanted}.", fields={"password": wanted})
    with _turn():
        return Hashed(hasher.hash(password))


def hash_again(known: str, password: str) -> Hashed | None:
    """The password by today's parameters, where `known` was hashed by others."""
    return hash_password(password) if hasher.check_needs_rehash(known) else None


def verify(known: str | None, password: str) -> bool:
    """Whether `password` is the one. The same work is done for nobody (None), so that the time tells nothing."""
    nobody = _nobodys_hash()  # made on the first call, whoever it is about
    try:
        with _turn():
            # nothing longer was ever hashed, and a megabyte would keep the others waiting
            hasher.verify(known or nobody, password[: LONGEST + 1])
    except VerificationError:
        return False
    return known is not None


def random_password() -> str:
    return secrets.token_urlsafe(15)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=10):
        raise Unavailable("Too many people are logging in; try again.", retry_after_seconds=5)
    try:
        yield
    finally:
        _turns.release()


@cache
def _nobodys_hash() -> str:
    return hasher.hash(secrets.token_urlsafe(32))
