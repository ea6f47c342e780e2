"""Passwords as argon2id hashes; the plain text goes no further than this file.

Hashing takes about 0.1 s and 64 MiB: few threads do it at a time, and before a transaction that writes begins, since on
SQLite such a transaction keeps every event waiting.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from msgspec import Meta

from quadra.core.api.fields import PASSWORD
from quadra.core.errors import Invalid, Unavailable
from quadra.core.guessable import count_runs, is_listed, is_repetition, plain, without

SHORTEST, LONGEST = 10, 1024
FEWEST_RUNS = 5
"""Pieces that do not go on by themselves: `abcdef123456` has two."""
FEWEST_LEFT = 8
"""Characters beside the words that are known of its owner."""
CONSIDERED = 300
"""Characters of an address or a name, which is not checked yet."""
LEAKED = "not one that is known from leaks; four words that have nothing to do with each other make a good one"
PRODUCT = "quadra"

Password = Annotated[str, Meta(extra_json_schema={"format": PASSWORD})]
"""One that is there, perhaps by rules of before."""
NewPassword = Annotated[Password, Meta(min_length=SHORTEST, max_length=LONGEST)]

hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(4)  # 64 MiB each; the web process has more threads than memory for them all


@dataclass(frozen=True, slots=True)
class Hashed:
    """A password as the table keeps it. A class of its own, so that no plain text is ever stored in its place."""

    text: str


def hash_password(password: str, *, email: str, name: str = "", field: str = "password") -> Hashed:
    """The password that the owner of `email` chose. Raises `Invalid`, and `Unavailable` when too many are waiting."""
    if why := _why_not(password, email, name):
        raise Invalid(f"This password is not taken: {why}.", fields={field: why})
    return _hash(password)


def _why_not(password: str, email: str, name: str) -> str:
    """What a new password must be and is not. Old ones go on: only who chooses one is asked for a better one."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"{SHORTEST} to {LONGEST} characters"
    if is_repetition(plain(password)) or count_runs(password) < FEWEST_RUNS:
        return "not a repetition or a row of the keyboard"
    words = re.split(r"[\W_]+", f"{email[:CONSIDERED]} {name[:CONSIDERED]}")
    if len(without(password, (email[:CONSIDERED], PRODUCT, *words))) < FEWEST_LEFT:
        return "more than your e-mail address, your name or this product's"
    return LEAKED if is_listed(password) else ""


def _hash(password: str) -> Hashed:
    with _turn():
        return Hashed(hasher.hash(password))


def hash_again(known: str, password: str) -> Hashed | None:
    """The password by today's parameters, where `known` was hashed by others."""
    return _hash(password) if hasher.check_needs_rehash(known) else None


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
